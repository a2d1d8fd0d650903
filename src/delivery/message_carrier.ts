/**
 * The messages of one connection, one after the other: each is said, written and heard of, and where the peer takes
 * commands that go ahead, those of the next one go out with the end of the one before (RFC 2920 §3.1). So a message
 * costs one write, one read and one round trip.
 *
 * What fails: nothing that a peer does. Each message gets its outcomes, whatever happens; the connection is
 * closed when its session has failed.
 *
 * @module
 */

import type { Conversation } from "../observe/trace.ts";
import type { MessageSource } from "../queue/local_delivery.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { ClientEvent, RecipientOutcome, Transaction } from "../smtp/client_event.ts";
import type { ClientSession } from "../smtp/client_session.ts";
import { UNASKED } from "../smtp/unsendable.ts";
import type { SessionPump } from "./session_pump.ts";

/** Milliseconds to an answer from which on a peer is slow: then nobody is made to wait behind a message. */
const SLOW = 1000;

/** One message to be sent. */
export interface Sending {
  readonly transaction: Transaction;
  readonly source: MessageSource;
  /** Aborted: the connection is closed, unless another message still goes over it. */
  readonly signal: AbortSignal;
  /** Its id, for whoever listens. */
  readonly message?: string;
  /**
   * Told when the message is about to go out whole, unless the peer was slow before: who calls
   * {@link MessageCarrier.send} before this returns has the commands for the next message go out with it.
   */
  readonly onRoom?: () => void;
}

/** What became of one message. */
export interface Sent {
  /** One for each recipient of the transaction. */
  readonly outcomes: readonly RecipientOutcome[];
  /** How the session ended, where it did. */
  readonly failure: Failed | null;
  /** Why the message could not be read to its end, where that was so: no fault of the peer's. */
  readonly unread: string | null;
}

/** A failed session, as told by it. */
export type Failed = Extract<ClientEvent, { type: "failed" }>;

/** A message on its way, and who waits for it. */
interface Underway extends Sending {
  readonly resolve: (sent: Sent) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  outcomes: readonly RecipientOutcome[];
  unread: string | null;
}

/** Carries the messages of one connection. */
export class MessageCarrier {
  readonly #session: ClientSession;
  readonly #pump: SessionPump;
  readonly #clock: Clock;
  readonly #trace: Conversation | null;
  /** The message that goes over it. */
  #current: Underway | null = null;
  /** The one behind it, and whether its commands are on their way. */
  #next: Underway | null = null;
  #nextSaid = false;
  /** Whether a reply is awaited, so that something may be said meanwhile. */
  #waits = false;
  /** When the end of the message was given to the socket, in epoch milliseconds; 0: it was not. */
  #ended = 0;
  /** Whether the last answer to a message was slow. */
  #slow = false;
  /** Messages that are over, whose senders are to be told. */
  readonly #over: Underway[] = [];

  /** Carries nothing yet. */
  constructor(
    session: ClientSession,
    pump: SessionPump,
    clock: Clock,
    trace: Conversation | null,
  ) {
    this.#clock = clock;
    this.#session = session;
    this.#pump = pump;
    this.#trace = trace;
  }

  /** Whether another message can be sent: at once, or behind the one that is about to go out whole. */
  get usable(): boolean {
    if (this.#pump.closed || this.#next !== null) return false;
    if (this.#current !== null) return this.#session.mayFollow;
    return this.#session.waiting === "intent" && this.#session.messagesLeft > 0;
  }

  /**
   * Sends a message; gives one outcome for each recipient whatever happens. Only where it is {@link usable}.
   *
   * @throws what is a bug of ours.
   */
  send(sending: Sending): Promise<Sent> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#onAbort(underway);
      const outcomes: readonly RecipientOutcome[] = [];
      const underway = { ...sending, resolve, reject, onAbort, outcomes, unread: null };
      sending.signal.addEventListener("abort", onAbort);
      if (this.#current !== null) {
        this.#next = underway;
        if (this.#waits) this.#sayLate(underway);
      } else {
        this.#current = underway;
        this.#carry();
      }
    });
  }

  /** Never throws. */
  async #carry(): Promise<void> {
    try {
      await this.#carryAll();
    } catch (error) { // a bug of ours
      this.#pump.close();
      for (const underway of [...this.#over.splice(0), this.#current, this.#next]) {
        underway?.signal.removeEventListener("abort", underway.onAbort);
        underway?.reject(error);
      }
      this.#current = this.#next = null;
    }
  }

  /** Until none is left. */
  async #carryAll(): Promise<void> {
    const session = this.#session;
    const pump = this.#pump;
    this.#say(this.#current!);
    for (;;) {
      if (pump.aside !== null) await pump.settle();
      const failure = this.#hear();
      if (failure !== null) {
        await pump.flush(); // the session's own last words
        pump.close();
      }
      for (const { resolve, outcomes, unread } of this.#over.splice(0)) {
        resolve({ outcomes, failure, unread });
      }
      const current = this.#current;
      if (current === null) return;
      switch (session.waiting) {
        case "intent":
          this.#say(current);
          break;
        case "body": {
          const unread = pump.writeMessage(current.source);
          current.unread = unread instanceof Promise ? await unread : unread;
          this.#sayNext(current);
          break;
        }
        case "reply": {
          const written = pump.flush();
          if (written !== null) await written;
          this.#waits = true;
          await pump.arrival();
          this.#waits = false;
          pump.receive();
          break;
        }
        default:
          throw new Error(`the session waits for "${session.waiting}" within a message`);
      }
    }
  }

  #say({ transaction, signal, message = "" }: Underway): void {
    this.#trace?.carry(message);
    this.#pump.messageWithin(this.#session.timeouts.transaction);
    this.#session.send(transaction);
    if (signal.aborted) this.#pump.interrupt();
  }

  /** The message is whole: the commands for the next one go along, where there is one. */
  #sayNext({ onRoom }: Underway): void {
    this.#pump.messageWritten(this.#session.timeouts.end);
    if (!this.#session.mayFollow) return;
    this.#ended = this.#clock.now();
    if (!this.#slow) onRoom?.();
    if (this.#next !== null) this.#sayAhead(this.#next);
  }

  /** The next one comes while the reply to the one before is awaited. */
  #sayLate(next: Underway): void {
    if (this.#session.mayFollow && this.#sayAhead(next)) this.#pump.writeAside();
  }

  #sayAhead(next: Underway): boolean {
    // Who listens shall hear of one message after the other.
    if (this.#trace?.attended) return false;
    this.#nextSaid = true;
    this.#trace?.carry(next.message ?? "");
    this.#session.send(next.transaction);
    return true;
  }

  /** Hears all that the session has to tell now; gives how it failed, where it did. */
  #hear(): Failed | null {
    let failure: Failed | null = null;
    for (let event; (event = this.#pump.poll()) !== null;) {
      if (event.type === "outcomes") this.#advance(event.outcomes);
      else if (event.type === "failed") failure = event;
    }
    if (failure !== null && this.#current !== null) { // it was next, and nothing of it was said
      this.#advance(this.#current.transaction.recipients.map((_, recipient) => ({
        ...{ recipient, accepted: false, reply: UNASKED, remote: false, stage: "mail" },
        ...{ dsnHandedOn: false, maybeDelivered: false },
      })));
    }
    return failure;
  }

  /** The message is over, and the next one takes its place. */
  #advance(outcomes: readonly RecipientOutcome[]): void {
    const over = this.#current!;
    over.signal.removeEventListener("abort", over.onAbort);
    over.outcomes = outcomes;
    this.#over.push(over);
    if (this.#ended > 0) this.#slow = this.#clock.now() - this.#ended > SLOW;
    this.#ended = 0;
    this.#current = this.#next;
    this.#next = null;
    this.#pump.messageWithin(this.#current && this.#session.timeouts.transaction);
    if (this.#nextSaid && this.#current!.signal.aborted) this.#pump.interrupt();
    this.#nextSaid = false;
  }

  #onAbort(underway: Underway): void {
    // What goes over the connection before it is not broken off for it.
    if (underway === this.#current) this.#pump.interrupt();
  }
}
