/**
 * One message to one peer: its envelope (`client_envelope.ts`), then the message itself (`client_body.ts`), and
 * what each recipient came to (RFC 5321 §3.3).
 *
 * It leaves to the session: the order of messages, and what is to become of it when that fails. Whatever happens,
 * each recipient gets one outcome, in one event.
 *
 * @module
 */

import { ClientBody } from "./client_body.ts";
import type { ClientCore, Ongoing } from "./client_core.ts";
import { ClientEnvelope } from "./client_envelope.ts";
import type { Transaction, TransactionStage } from "./client_event.ts";
import { RecipientFates } from "./client_fates.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import type { Reply } from "./reply.ts";

/** A message on its way. */
export class ClientTransaction implements Ongoing {
  readonly #core: ClientCore;
  readonly #fates: RecipientFates;
  readonly #envelope: ClientEnvelope;
  /** From when the peer awaits the message. */
  #body: ClientBody | null = null;
  #over = false;
  /** Whether the peer may still hold a transaction, now that it is over. */
  #open = false;
  #told = false;

  /**
   * Nothing is said yet.
   *
   * @param peer what the peer offers. @param reset whether RSET must come first.
   */
  constructor(core: ClientCore, transaction: Transaction, peer: PeerExtensions, reset: boolean) {
    this.#core = core;
    this.#fates = new RecipientFates(transaction.recipients.length, peer.dsn);
    const onOver = (open: boolean) => this.#finish(open);
    const onGranted = () => {
      this.#body = new ClientBody(core, transaction, peer, this.#fates, onOver);
      core.tell({ type: "body" });
    };
    const end = { onGranted, onOver };
    this.#envelope = new ClientEnvelope(core, transaction, peer, this.#fates, end, reset);
  }

  /** Whether octets of the message are awaited and no reply. */
  get inBody(): boolean {
    return this.#body?.wanted ?? false;
  }

  /** Whether the end of the message is among what was said. */
  get ended(): boolean {
    return this.#body?.ended ?? false;
  }

  /** Says what can be said; `false` when that is nothing. */
  start(): boolean {
    return this.#envelope.start();
  }

  /** Octets of the message. */
  write(octets: Uint8Array): void {
    this.#awaited.write(octets);
  }

  /** The message is whole. */
  end(): void {
    this.#awaited.end();
  }

  /** The message cannot be gone on with. */
  abandon(why: Reply): void {
    this.#awaited.abandon(why);
  }

  /** A reply that answers nothing: `true` when it is about the message. */
  early(given: Reply): boolean {
    return this.#body?.early(given) ?? false;
  }

  /** The session fails: tells the outcomes. */
  lost(why: Reply, remote: boolean): boolean {
    if (this.#told) return false;
    const ended = this.#body?.ended ?? false;
    // What was never handed to the driver cannot have been delivered.
    const sent = this.#body?.sent ?? false;
    let maybe = false;
    let answered = remote && ended;
    for (const recipient of this.#fates.undecided) {
      // A 421 answers the first that waits; in LMTP the others are left without an answer.
      const maybeDelivered = sent && !answered;
      maybe ||= maybeDelivered;
      const stage = this.#stageOf(recipient);
      this.#fates.lose({ recipient, reply: why, remote, stage, maybeDelivered });
      if (this.#core.settings.protocol === "lmtp") answered = false;
    }
    this.#tellOutcomes();
    return maybe;
  }

  get #awaited(): ClientBody {
    if (this.#body === null) throw new Error("no message is awaited");
    return this.#body;
  }

  #stageOf(recipient: number): TransactionStage {
    if (this.#body?.ended) return "end";
    if (!this.#envelope.open) return "mail";
    return this.#fates.taken.includes(recipient) ? "data" : "rcpt";
  }

  /** The transaction before it is over. */
  promote(): void {
    if (this.#over) this.#finish(this.#open);
  }

  /** @param open whether the peer may still hold a transaction. */
  #finish(open: boolean): void {
    this.#over = true;
    this.#open = open;
    // One of which nothing could be said is told of in its turn.
    if (this.#core.following === this) return;
    this.#tellOutcomes();
    this.#core.pass(open);
  }

  #tellOutcomes(): void {
    this.#over = this.#told = true;
    this.#body?.close();
    this.#core.tell({ type: "outcomes", outcomes: this.#fates.outcomes });
  }
}
