/**
 * One message sent to one peer that awaits it, by DATA or, where CHUNKING is offered, by BDAT (RFC 3030), and
 * the replies to its end: one, or in LMTP one for each recipient (RFC 2033 §4.2).
 *
 * It leaves the envelope to `client_envelope.ts`.
 *
 * @module
 */

import { decode } from "../bytes.ts";
import { ChunkEncoder } from "./chunk_encoder.ts";
import type { ClientCore, ReplyTaker } from "./client_core.ts";
import type { Transaction } from "./client_event.ts";
import type { RecipientFates } from "./client_fates.ts";
import { cursorOver } from "./cursor.ts";
import { DataEncoder } from "./data_encoder.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import { isCompletion, type Reply, reply } from "./reply.ts";
import { boundReply } from "./reply_decoder.ts";

/** How far it is. */
type Phase =
  /** Octets are awaited from the driver. */
  | "open"
  /** All is sent, or waits for the reply to what was before. */
  | "end"
  /** Decided; replies that no longer matter are awaited. */
  | "draining"
  | "over";

/** A message on its way. */
export class ClientBody {
  readonly #core: ClientCore;
  readonly #peer: PeerExtensions;
  readonly #fates: RecipientFates;
  readonly #onOver: (open: boolean) => void;
  readonly #encoder: DataEncoder | ChunkEncoder;
  /** Chunks that wait for the reply to the one before. */
  readonly #unsaid: (() => void)[] = [];
  #phase: Phase = "open";
  #ended = false;
  /** How often octets had been taken when it ended. */
  #endedAt = 0;
  /** Replies that are awaited. */
  #outstanding = 0;
  /** Replies to the end: in LMTP one a recipient. */
  #answered = 0;
  /** Octets of the message so far. */
  #size = 0;

  /** The peer awaits the message. @param onOver told once, and whether the peer may still hold a transaction. */
  constructor(
    core: ClientCore,
    { body }: Transaction,
    peer: PeerExtensions,
    fates: RecipientFates,
    onOver: (open: boolean) => void,
  ) {
    this.#core = core;
    this.#peer = peer;
    this.#fates = fates;
    this.#onOver = onOver;
    const { newlines, limits } = core.settings;
    this.#encoder = peer.chunking
      ? new ChunkEncoder({
        newlines: body === "BINARYMIME" ? "keep" : newlines,
        chunk: limits.chunk,
      })
      : new DataEncoder({ newlines });
  }

  /** Whether octets of the message are awaited and no reply. */
  get wanted(): boolean {
    if (this.#phase !== "open") return false;
    // Unread replies would fill the buffers until neither side can write.
    const ahead = this.#peer.pipelining ? this.#core.settings.limits.chunksAhead : 1;
    return this.#outstanding < ahead;
  }

  /** Whether the end of the message is among what was written. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether its end was handed to the driver too. */
  get sent(): boolean {
    return this.#ended && this.#core.takes > this.#endedAt;
  }

  /** Octets of the message. */
  write(octets: Uint8Array): void {
    if (!this.#matters() || octets.length === 0) return;
    this.#size += octets.length;
    if (this.#encoder instanceof ChunkEncoder) {
      const chunk = this.#encoder.write(octets);
      if (chunk === null) return;
      if ("type" in chunk) return this.abandon(BARE_NEWLINE);
      return this.#sayChunk(() => this.#writeChunk(chunk));
    }
    const core = this.#core;
    const before = core.pending;
    const cursor = cursorOver(octets);
    for (let result; (result = this.#encoder.next(cursor)) !== null;) {
      if (result.type === "bytes") {
        core.write(result.bytes);
      } else {
        core.unwrite(before);
        return this.abandon(BARE_NEWLINE);
      }
    }
  }

  /** The message is whole. */
  end(): void {
    if (!this.#matters()) return;
    const last = this.#encoder.finish();
    const octets = last instanceof Uint8Array ? last : last.type === "bytes" ? last.bytes : null;
    if (octets === null) return this.abandon(BARE_NEWLINE);
    this.#phase = "end";
    this.#sayChunk(() => this.#writeEnd(octets));
  }

  /** The message cannot be gone on with. */
  abandon(why: Reply): void {
    if (!this.#matters()) return;
    this.#fates.decideTaken(boundReply(why), "data", false);
    // Within DATA there is no way to say so: only a connection that ends before the dot does.
    if (!this.#peer.chunking) return this.#core.fail("abandoned", why, false);
    this.#drain();
  }

  /** A reply in the middle of the message, which RFC 5321 does not have, but servers do give before they close. */
  early(given: Reply): boolean {
    if (this.#phase !== "open" || given.code < 400) return false;
    const why = boundReply(given);
    this.#fates.decideTaken(why, "data", true);
    this.#core.fail("refused", why, true);
    return true;
  }

  /** The outcomes are told: what the driver still brings is dropped. */
  close(): void {
    this.#phase = "over";
  }

  /** Whether the message still matters: it may be decided while the driver is at work on it. */
  #matters(): boolean {
    if (this.#phase === "end") throw new Error("no message is awaited");
    return this.#phase === "open";
  }

  get #lmtp(): boolean {
    return this.#core.settings.protocol === "lmtp";
  }

  /** At once, or without PIPELINING when what is before it was answered (RFC 3030 §4.2, RFC 2920 §3.1). */
  #sayChunk(say: () => void): void {
    if (this.#peer.pipelining || this.#outstanding === 0) say();
    else this.#unsaid.push(say);
  }

  #writeChunk(octets: Uint8Array): void {
    this.#tell(octets);
    this.#core.write(octets);
    const { block } = this.#core.settings.timeouts;
    this.#expect("BDAT", block);
  }

  #expect(command: string, timeout: number): void {
    this.#outstanding++;
    this.#core.expect(command, timeout, this.#onReply);
  }

  readonly #onReply: ReplyTaker = (given, command) => {
    this.#outstanding--;
    if (command === "BDAT") this.#onChunk(given);
    else this.#onEnd(given);
  };

  #onChunk(given: Reply): void {
    if (given.code >= 300 && given.code < 400) return this.#core.outOfPlace(given, "BDAT");
    if (given.code < 400) {
      if (this.#phase !== "draining") this.#unsaid.shift()?.();
      else if (this.#outstanding === 0) this.#onOver(true);
      return;
    }
    // RFC 3030 §4.2: the message has failed, and every BDAT behind this one is refused too.
    this.#fates.decideTaken(boundReply(given), "data", true);
    if (this.#ended && this.#lmtp && this.#fates.taken.length > 1) {
      // One refusal for the last BDAT, or one for each recipient? Servers differ.
      this.#core.fail("abandoned", boundReply(given), true);
      return this.#core.sayLast("QUIT");
    }
    this.#drain();
  }

  #writeEnd(octets: Uint8Array): void {
    this.#ended = true;
    this.#endedAt = this.#core.takes;
    this.#tell(octets);
    this.#core.write(octets);
    const { taken } = this.#fates;
    const { end } = this.#core.settings.timeouts;
    // RFC 2033 §4.2: a reply for each recipient that was taken, in order.
    for (let left = this.#lmtp ? taken.length : 1; left > 0; left--) this.#expect("end", end);
  }

  /** Tells who listens: of a chunk its first line and its size, of DATA the size of it all. */
  #tell(octets: Uint8Array): void {
    const { tap } = this.#core;
    if (!tap?.heard) return;
    if (!this.#peer.chunking) return tap.message(this.#size);
    const head = octets.indexOf(0x0d);
    tap.command(decode(octets.subarray(0, head)));
    tap.message(octets.length - head - 2);
  }

  #onEnd(given: Reply): void {
    const { taken } = this.#fates;
    const recipients = this.#lmtp ? [taken[this.#answered++]!] : taken;
    if (this.#phase === "end") {
      if (given.code >= 300 && given.code < 400) return this.#core.outOfPlace(given, "the message");
      const why = boundReply(given);
      const accepted = isCompletion(given);
      for (const index of recipients) this.#fates.decide(index, why, "end", true, accepted);
    }
    if (this.#outstanding === 0) this.#onOver(this.#phase === "draining");
  }

  /** All is decided; reads what is still to come, then tells. */
  #drain(): void {
    this.#phase = "draining";
    this.#unsaid.length = 0;
    if (this.#outstanding === 0) this.#onOver(true);
  }
}

const BARE_NEWLINE = reply(554, "5.6.0", "the message has a line that does not end in CRLF");
