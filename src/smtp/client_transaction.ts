/**
 * One message to one peer: MAIL, RCPT, then DATA or BDAT, and what each recipient came to (RFC 5321 §3.3).
 *
 * With PIPELINING the commands go ahead of their replies up to a bound, DATA among them; without it one waits
 * for the other (RFC 2920 §3.1). So DATA may be granted though no recipient was: then a lone dot ends it, and
 * whatever that is answered, nobody has got anything. BDAT never goes ahead of RCPT's replies: its octets would
 * travel for nothing where no recipient is taken, and waiting costs no more round trips than DATA does.
 *
 * It leaves to the session: the order of messages, and what is to become of it when that fails. Whatever happens,
 * each recipient gets one outcome, in one event.
 *
 * @module
 */

import { ChunkEncoder } from "./chunk_encoder.ts";
import { mailCommand, rcptCommand, refuseRecipient, refuseTransaction } from "./client_commands.ts";
import type { ClientCore, Losable } from "./client_core.ts";
import type { RecipientOutcome, Transaction, TransactionStage } from "./client_event.ts";
import { cursorOver } from "./cursor.ts";
import { DataEncoder } from "./data_encoder.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import { type Reply, reply } from "./reply.ts";
import { boundReply } from "./reply_decoder.ts";

/** How far it is. */
type Phase =
  /** MAIL, RCPT, DATA. */
  | "envelope"
  /** The message is awaited from the driver. */
  | "body"
  /** All is sent. */
  | "end"
  /** Decided; replies that no longer matter are awaited. */
  | "draining"
  | "over";

const END_OF_NOTHING = new Uint8Array([0x2e, 0x0d, 0x0a]);

/** A message on its way. */
export class ClientTransaction implements Losable {
  readonly #core: ClientCore;
  readonly #peer: PeerExtensions;
  readonly #transaction: Transaction;
  readonly #outcomes: (RecipientOutcome | undefined)[];
  /** The recipients that can be said, and the next of them to say. */
  readonly #sayable: number[] = [];
  #next = 0;
  /** Those the peer has taken at RCPT, in order. */
  readonly #taken: number[] = [];
  readonly #encoder: DataEncoder | ChunkEncoder;
  /** Chunks that wait for the reply to the one before. */
  readonly #unsaid: (() => void)[] = [];
  #phase: Phase = "envelope";
  #said = { mail: false, data: false };
  /** MAIL was granted. */
  #open = false;
  #mailRefused = false;
  #bodyAsked = false;
  /** The end of the message is among what was written. */
  #ended = false;

  /** Nothing is said yet. @param peer what the peer offers. */
  constructor(core: ClientCore, transaction: Transaction, peer: PeerExtensions) {
    this.#core = core;
    this.#peer = peer;
    this.#transaction = transaction;
    this.#outcomes = new Array(transaction.recipients.length).fill(undefined);
    const { newlines, limits } = core.settings;
    this.#encoder = peer.chunking
      ? new ChunkEncoder({
        newlines: transaction.body === "BINARYMIME" ? "keep" : newlines,
        chunk: limits.chunk,
      })
      : new DataEncoder({ newlines });
  }

  /** Whether octets of the message are awaited and no reply. */
  get inBody(): boolean {
    if (this.#phase !== "body") return false;
    // Unread replies would fill the buffers until neither side can write.
    const ahead = this.#peer.pipelining ? this.#core.settings.limits.chunksAhead : 1;
    return this.#core.outstanding < ahead;
  }

  /** Says what can be said; `false` when that is nothing. */
  start(): boolean {
    const refusal = refuseTransaction(this.#transaction, this.#peer);
    this.#transaction.recipients.forEach(({ address }, index) => {
      const why = refusal ?? refuseRecipient(address, this.#transaction.smtputf8);
      if (why === null) this.#sayable.push(index);
      else this.#decide(index, why, refusal === null ? "rcpt" : "mail", false);
    });
    const any = this.#sayable.length > 0;
    if (any) this.#go();
    else this.#finish(this.#core.needsReset);
    return any;
  }

  /** Octets of the message. */
  write(octets: Uint8Array): void {
    if (!this.#wantsBody() || octets.length === 0) return;
    if (this.#encoder instanceof ChunkEncoder) {
      const chunk = this.#encoder.write(octets);
      if (chunk === null) return;
      if ("type" in chunk) return this.abandon(BARE_NEWLINE);
      return this.#sayChunk(() => this.#writeChunk(chunk));
    }
    const encoded = encodeData(this.#encoder, octets);
    if (encoded === null) return this.abandon(BARE_NEWLINE);
    if (encoded.length > 0) this.#core.write(encoded);
  }

  /** The message is whole. */
  end(): void {
    if (!this.#wantsBody()) return;
    const last = this.#encoder.finish();
    const octets = last instanceof Uint8Array ? last : last.type === "bytes" ? last.bytes : null;
    if (octets === null) return this.abandon(BARE_NEWLINE);
    this.#phase = "end";
    this.#sayChunk(() => this.#writeEnd(octets));
  }

  #writeEnd(octets: Uint8Array): void {
    this.#ended = true;
    this.#core.write(octets);
    const { end } = this.#core.settings.timeouts;
    if (this.#lmtp) { // RFC 2033 §4.2: a reply for each recipient that was taken, in order.
      for (const index of this.#taken) {
        this.#core.expect("end", end, (given) => this.#onEnd(given, [index]));
      }
    } else {
      this.#core.expect("end", end, (given) => this.#onEnd(given, this.#taken));
    }
  }

  /** The message cannot be gone on with. */
  abandon(why: Reply): void {
    if (!this.#wantsBody()) return;
    this.#decideTaken(boundReply(why), "data", false);
    // Within DATA there is no way to say so: only a connection that ends before the dot does.
    if (!this.#peer.chunking) return this.#core.fail("abandoned", why, false);
    this.#drain();
  }

  /** A reply in the middle of the message, which RFC 5321 does not have, but servers do give before they close. */
  early(given: Reply): boolean {
    if (this.#phase !== "body" || given.code < 400) return false;
    const why = boundReply(given);
    this.#decideTaken(why, "data", true);
    this.#core.fail("refused", why, true);
    return true;
  }

  /** The session fails: tells the outcomes. */
  lost(why: Reply, remote: boolean): boolean {
    if (this.#phase === "over") return false;
    // What was never handed to the driver cannot have been delivered.
    const sent = this.#ended && !this.#core.pending;
    let maybe = false;
    let answered = remote && this.#ended;
    this.#transaction.recipients.forEach((_, recipient) => {
      if (this.#outcomes[recipient] !== undefined) return;
      // A 421 answers the first that waits; in LMTP the others are left without an answer.
      const maybeDelivered = sent && !answered;
      maybe ||= maybeDelivered;
      this.#outcomes[recipient] = {
        recipient,
        accepted: false,
        reply: why,
        remote,
        stage: this.#stageOf(recipient),
        dsnHandedOn: false,
        maybeDelivered,
      };
      if (this.#lmtp) answered = false;
    });
    this.#tellOutcomes();
    return maybe;
  }

  /** Whether the message still matters: it may be decided while the driver is at work on it. */
  #wantsBody(): boolean {
    if (this.#phase === "body") return true;
    if (!this.#bodyAsked || this.#phase === "end") throw new Error("no message is awaited");
    return false;
  }

  get #lmtp(): boolean {
    return this.#core.settings.protocol === "lmtp";
  }

  #stageOf(recipient: number): TransactionStage {
    if (this.#ended) return "end";
    if (!this.#open) return "mail";
    return this.#taken.includes(recipient) ? "data" : "rcpt";
  }

  /** Says the next commands, as many as may go ahead. */
  #go(): void {
    const { pipelining } = this.#peer;
    const ahead = pipelining ? Math.max(1, this.#core.settings.limits.commandsAhead) : 1;
    while (!this.#core.closed && this.#core.outstanding < ahead) if (!this.#sayNext()) break;
    if (!this.#core.closed && this.#core.outstanding === 0) this.#envelopeOver();
  }

  /** Says the next command; `false` when there is none for now. */
  #sayNext(): boolean {
    const core = this.#core;
    const { timeouts } = core.settings;
    if (this.#mailRefused) return false;
    if (core.needsReset) {
      core.needsReset = false;
      core.say("RSET", "RSET", timeouts.command, (given) => this.#onReset(given));
    } else if (!this.#said.mail) {
      this.#said.mail = true;
      const line = mailCommand(this.#transaction, this.#peer);
      core.say(line, "MAIL", timeouts.mail, (given) => this.#onMail(given));
    } else if (this.#next < this.#sayable.length) {
      const index = this.#sayable[this.#next++]!;
      const line = rcptCommand(this.#transaction.recipients[index]!, this.#peer);
      core.say(line, "RCPT", timeouts.rcpt, (given) => this.#onRcpt(given, index));
    } else if (!this.#said.data && !this.#peer.chunking && this.#mayData) {
      this.#said.data = true;
      core.say("DATA", "DATA", timeouts.data, (given) => this.#onData(given));
    } else {
      return false;
    }
    return true;
  }

  /** DATA is for somebody, or perhaps for somebody. */
  get #mayData(): boolean {
    return this.#taken.length > 0 || this.#core.outstanding > 0;
  }

  /** All was said and answered: what now. */
  #envelopeOver(): void {
    if (this.#phase !== "envelope") return;
    if (this.#taken.length === 0 || this.#said.data) return this.#finish();
    this.#await();
  }

  #await(): void {
    this.#phase = "body";
    this.#bodyAsked = true;
    this.#core.tell({ type: "body" });
  }

  #onReset(given: Reply): void {
    if (isGood(given)) return this.#go();
    if (given.code < 400) return this.#core.outOfPlace(given, "RSET");
    // It is about what was before: this message must not come back for it.
    const [text = ""] = boundReply(given).lines;
    const why = reply(451, "4.5.0", `the server does not reset: ${given.code} ${text}`);
    this.#core.fail("refused", why, false);
  }

  #onMail(given: Reply): void {
    if (isGood(given)) {
      this.#open = true;
    } else if (given.code < 400) {
      return this.#core.outOfPlace(given, "MAIL");
    } else {
      this.#mailRefused = true;
      const why = boundReply(given);
      for (const index of this.#sayable) this.#decide(index, why, "mail", true);
    }
    this.#go();
  }

  #onRcpt(given: Reply, index: number): void {
    if (given.code >= 300 && given.code < 400) return this.#core.outOfPlace(given, "RCPT");
    if (!this.#mailRefused) {
      if (isGood(given)) this.#taken.push(index);
      else this.#decide(index, boundReply(given), "rcpt", true);
    }
    this.#go();
  }

  #onData(given: Reply): void {
    if (given.code >= 400) {
      this.#decideTaken(boundReply(given), "data", true);
      return this.#finish();
    }
    if (given.code !== 354) return this.#core.outOfPlace(given, "DATA");
    if (this.#taken.length > 0) return this.#await();
    this.#phase = "draining";
    this.#core.write(END_OF_NOTHING);
    if (!this.#lmtp) {
      const { end } = this.#core.settings.timeouts;
      return this.#core.expect("end", end, () => this.#finish(false));
    }
    // Nobody was taken, so nobody's reply may come (RFC 2033 §4.2); but one may. Not to be built on.
    this.#core.fail("abandoned", NOBODY, false);
    this.#core.sayLast("QUIT");
  }

  #onEnd(given: Reply, recipients: readonly number[]): void {
    if (this.#phase === "end") {
      if (given.code >= 300 && given.code < 400) return this.#core.outOfPlace(given, "the message");
      const why = boundReply(given);
      for (const index of recipients) this.#decide(index, why, "end", true, isGood(given));
    }
    if (this.#core.outstanding === 0) this.#finish(this.#phase === "draining");
  }

  /** At once, or without PIPELINING when what is before it was answered (RFC 3030 §4.2, RFC 2920 §3.1). */
  #sayChunk(say: () => void): void {
    if (this.#peer.pipelining || this.#core.outstanding === 0) say();
    else this.#unsaid.push(say);
  }

  #writeChunk(octets: Uint8Array): void {
    this.#core.write(octets);
    const { block } = this.#core.settings.timeouts;
    this.#core.expect("BDAT", block, (given) => this.#onChunk(given));
  }

  #onChunk(given: Reply): void {
    if (given.code >= 300 && given.code < 400) return this.#core.outOfPlace(given, "BDAT");
    if (given.code < 400) {
      if (this.#phase !== "draining") this.#unsaid.shift()?.();
      else if (this.#core.outstanding === 0) this.#finish();
      return;
    }
    // RFC 3030 §4.2: the message has failed, and every BDAT behind this one is refused too.
    this.#decideTaken(boundReply(given), "data", true);
    if (this.#ended && this.#lmtp && this.#taken.length > 1) {
      // One refusal for the last BDAT, or one for each recipient? Servers differ.
      this.#core.fail("abandoned", boundReply(given), true);
      return this.#core.sayLast("QUIT");
    }
    this.#drain();
  }

  /** All is decided; reads what is still to come, then tells. */
  #drain(): void {
    this.#phase = "draining";
    this.#unsaid.length = 0;
    if (this.#core.outstanding === 0) this.#finish();
  }

  #decide(
    recipient: number,
    given: Reply,
    stage: TransactionStage,
    remote: boolean,
    accepted = false,
  ): void {
    this.#outcomes[recipient] ??= {
      recipient,
      accepted,
      reply: given,
      remote,
      stage,
      dsnHandedOn: accepted && this.#peer.dsn,
      maybeDelivered: false,
    };
  }

  #decideTaken(given: Reply, stage: TransactionStage, remote: boolean): void {
    for (const index of this.#taken) this.#decide(index, given, stage, remote);
  }

  /** @param open whether the peer may still hold a transaction. */
  #finish(open = this.#open && this.#phase !== "end"): void {
    this.#core.needsReset = open;
    this.#core.transaction = null;
    this.#tellOutcomes();
  }

  #tellOutcomes(): void {
    this.#phase = "over";
    const outcomes = this.#outcomes.filter((outcome) => outcome !== undefined);
    this.#core.tell({ type: "outcomes", outcomes });
  }
}

/** A piece of a message as DATA wants it; `null` when it has a bare newline and must not go out. */
function encodeData(encoder: DataEncoder, octets: Uint8Array): Uint8Array | null {
  const cursor = cursorOver(octets);
  let encoded = new Uint8Array(octets.length + (octets.length >> 5) + 64);
  let length = 0;
  for (let result; (result = encoder.next(cursor)) !== null;) {
    if (result.type === "bare-newline") return null;
    const needed = length + result.bytes.length;
    if (needed > encoded.length) {
      const larger = new Uint8Array(2 * needed);
      larger.set(encoded.subarray(0, length));
      encoded = larger;
    }
    encoded.set(result.bytes, length);
    length = needed;
  }
  return encoded.subarray(0, length);
}

function isGood({ code }: Reply): boolean {
  return code >= 200 && code < 300;
}

const BARE_NEWLINE = reply(554, "5.6.0", "the message has a line that does not end in CRLF");
const NOBODY = reply(451, "4.5.0", "the server takes a message for nobody");
