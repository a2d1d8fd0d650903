/**
 * The mode in which octets are a message, from the 354 or the head of a chunk to the last octet, and
 * what that last octet is answered with (RFC 5321 §4.1.1.4, RFC 3030 §2, RFC 2033 §4.2). It leaves to
 * `verbs/body.ts` whether a message may come now, to `BodyReceiver` where it ends and what is wrong
 * with it, and to the driver what becomes of it.
 *
 * What fails: a message refused half-way is read to its true end before its refusal is said; one that
 * goes on far beyond the limit ends the session. A driver that answers a message with the wrong number
 * of replies is a bug and throws.
 *
 * @module
 */

import { BodyReceiver } from "./body_receiver.ts";
import { type Reply, reply } from "./reply.ts";
import { sizeLimit, type VerbResult } from "./server_state.ts";
import type { SessionCore } from "./session_core.ts";

/** What BDAT says of the octets behind it (RFC 3030 §2). */
interface ChunkHead {
  readonly size: number;
  readonly last: boolean;
}

/** Takes one message at a time; made with the first. */
export class BodyMode {
  readonly #core: SessionCore;
  readonly #receiver: BodyReceiver;
  #active = false;
  /** The chunk head that waits until the driver has said whether it wants a body. */
  #chunk: ChunkHead | null = null;
  /** How many replies the end of a chunk gets that nobody asked for; 0 while none comes in. */
  #unwanted = 0;

  /** No message comes in yet. */
  constructor(core: SessionCore) {
    this.#core = core;
    const { settings } = core;
    this.#receiver = new BodyReceiver({
      messageSize: sizeLimit(settings),
      newlines: settings.newlines,
    });
  }

  /** Whether the next octet belongs to a message. */
  get active(): boolean {
    return this.#active;
  }

  /** Octets of the message so far. */
  get size(): number {
    return this.#receiver.size;
  }

  /** BDAT came; `found` is what its verb made of it, `null` for one more chunk of the same message. */
  bdat(head: ChunkHead, found: VerbResult | null): void {
    if (found === null) return this.#beginChunk(head);
    this.#chunk = head;
    if ("reply" in found) this.#discardChunk(found.reply, 1);
    else this.#core.tell(found.ask);
  }

  /** The driver's answer to "body". */
  replied(command: "DATA" | "BDAT", given: Reply): void {
    const { state } = this.#core;
    if (given.code !== 354) {
      // RFC 2033 §4.3: the last chunk is answered for each recipient, be it refused.
      const replies = this.#chunk?.last ? this.#replyCount() : 1;
      state.transaction = null;
      return command === "BDAT" ? this.#discardChunk(given, replies) : this.#core.say(given);
    }
    this.#receiver.begin(command, state.transaction!.binary);
    if (command === "BDAT") {
      state.transaction!.chunking = true;
      return this.#beginChunk(this.#chunk!);
    }
    this.#active = true;
    this.#core.put(given);
  }

  /** Drops the rest of the message, or of the chunk, to its true end, then says this. */
  refuse(failure: Reply): void {
    if (!this.#active) throw new Error("refuse() while no message comes in");
    this.#receiver.refuse(failure);
  }

  /** Reads on; `false` when more octets are needed. */
  step(): boolean {
    const result = this.#receiver.next(this.#core.cursor);
    if (result === null) return false;
    switch (result.type) {
      case "chunk":
        this.#core.tell(result);
        break;
      case "failed":
        this.#abort(this.#receiver.failure!);
        break;
      case "chunk-end":
        this.#chunkEnded();
        break;
      case "end":
        this.#ended();
        break;
      case "hopeless":
        this.#core.fault("too-big", "went on after the limit");
        this.#core.close(this.#receiver.failure!);
        break;
    }
    return true;
  }

  /** The driver's answer to "end", when it is one and the same for all recipients. */
  finishedAlike(given: Reply): void {
    this.finished(new Array<Reply>(this.#replyCount()).fill(given));
  }

  /** The driver's answer to "end": in LMTP a reply for each recipient (RFC 2033 §4.2). */
  finished(replies: readonly Reply[]): void {
    if (replies.length !== this.#replyCount()) throw new Error("one reply for each recipient");
    const { state } = this.#core;
    if (replies.some((each) => each.code < 400)) state.messages++;
    state.transaction = null;
    for (const each of replies.slice(0, -1)) this.#core.put(each);
    this.#last(replies.at(-1)!, (given) => this.#core.put(given));
  }

  /** RFC 5321 §3.8: after a 421 the channel closes, whatever it answers. */
  #last(given: Reply, otherwise: (given: Reply) => void): void {
    if (given.code === 421) this.#core.close(given);
    else otherwise(given);
  }

  #beginChunk({ size, last }: ChunkHead): void {
    this.#receiver.beginChunk(size, last);
    this.#active = true;
    const { failure } = this.#receiver;
    if (failure === null) return;
    this.#abort(failure);
    if (!this.#receiver.bearable(size)) this.#core.close(failure);
  }

  /** The octets of a chunk follow whether we want them or not (RFC 3030 §2). */
  #discardChunk(refusal: Reply, replies: number): void {
    const { size } = this.#chunk!;
    this.#receiver.begin("BDAT", true);
    this.#receiver.refuse(refusal);
    if (!this.#receiver.bearable(size)) return this.#core.close(refusal);
    this.#receiver.beginChunk(size, false);
    this.#unwanted = replies;
    this.#active = true;
  }

  #chunkEnded(): void {
    this.#active = false;
    const { failure, size } = this.#receiver;
    if (this.#unwanted > 0) this.#refuseUnwanted(failure!);
    else if (failure !== null) this.#refused(failure, 1);
    else this.#core.put(reply(250, "2.0.0", `${size} octets received`));
  }

  #ended(): void {
    this.#active = false;
    const { failure, size } = this.#receiver;
    const { tap } = this.#core;
    if (tap?.heard) tap.message(size);
    if (failure !== null) this.#refused(failure, this.#replyCount());
    else this.#core.tell({ type: "end", size });
  }

  /** A chunk that came at the wrong moment is over; whatever transaction there is goes on. */
  #refuseUnwanted(refusal: Reply): void {
    for (; this.#unwanted > 1; this.#unwanted--) this.#core.put(refusal);
    this.#unwanted = 0;
    this.#core.say(refusal);
  }

  /** A message is over that could not be taken, and its transaction with it. */
  #refused(failure: Reply, times: number): void {
    if (failure.enhanced === "5.5.2") this.#core.fault("bare-newline", "in a message");
    this.#core.state.transaction = null;
    for (let i = 1; i < times; i++) this.#core.put(failure);
    this.#last(failure, (given) => this.#core.say(given)); // one error, however many replies
  }

  /** The message is refused; the transaction ends with its last octet. */
  #abort(refusal: Reply): void {
    this.#core.tell({ type: "abort", reason: "refused", refusal });
  }

  /** How many replies the end of a message gets: in LMTP one for each recipient (RFC 2033 §4.2). */
  #replyCount(): number {
    const { settings, state } = this.#core;
    return settings.protocol === "lmtp" ? state.transaction?.accepted ?? 1 : 1;
  }
}
