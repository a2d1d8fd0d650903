/**
 * The time a client has: for each wait (RFC 5321 §4.5.3.2), for a message, for a session, and above all to get
 * somewhere. A client that sends an octet a minute is never idle, and would hold its connection for a day. So
 *
 * - a command line has its time from its first octet on, not from its last;
 * - a message must come at {@link SessionLimits.bodyRate} octets a second. Time is an account: waiting takes from it,
 *   octets pay into it, and there is never more in it than `timeouts.data`. So whoever was fast may pause for that
 *   long, and whoever trickles has spent it soon;
 * - a session in which no message comes to its end is over after `timeouts.withoutMail`, whatever else it does.
 *
 * Only waits for the client count. While we decide, write or sync, its time stands still.
 *
 * Pure: times are given and told, in milliseconds since the epoch. A clock that is set back costs nobody anything.
 *
 * @module
 */

import type { SessionLimits } from "../smtp/session_settings.ts";

/** What a session waits for. */
export interface WaitFor {
  /** How long this wait may last in itself, in milliseconds. */
  readonly timeout: number;
  /** The next octet belongs to a message. */
  readonly receivingBody: boolean;
  /** A line has begun, and its end is still to come. */
  readonly withinLine: boolean;
}

/** The time of one session. */
export class SessionTime {
  readonly #limits: SessionLimits;
  /** The end of the session, whatever it does. */
  readonly #end: number;
  /** The end of the message under way. */
  #messageEnd = Infinity;
  /** The end of a session that brings no mail. */
  #mailBy: number;
  /** The end of the line that has begun. */
  #lineEnd = Infinity;
  /** Milliseconds that may yet be waited for a message; `since` is when a wait for it began. */
  #credit: number;
  #since = -1;

  /** A session that begins now. */
  constructor(limits: SessionLimits, now: number) {
    this.#limits = limits;
    this.#end = now + limits.timeouts.session;
    this.#mailBy = now + limits.timeouts.withoutMail;
    this.#credit = limits.timeouts.data;
  }

  /** We wait for the client: until when. @param busy whether a transaction is open. */
  waits(now: number, { timeout, receivingBody, withinLine }: WaitFor, busy: boolean): number {
    // Between the chunks of a message (RFC 3030) its time goes on.
    if (receivingBody || (busy && this.#messageEnd !== Infinity)) {
      this.#since = now;
      return Math.min(now + Math.min(timeout, this.#credit), this.#messageEnd, this.#end);
    }
    this.#messageEnd = Infinity;
    this.#credit = this.#limits.timeouts.data;
    if (!withinLine) this.#lineEnd = Infinity;
    else if (this.#lineEnd === Infinity) this.#lineEnd = now + timeout;
    return Math.min(now + timeout, this.#lineEnd, this.#mailBy, this.#end);
  }

  /** The client has to read what we write: until when. */
  writes(now: number): number {
    return Math.min(now + this.#limits.timeouts.reply, this.#end);
  }

  /** So many octets came, after a wait that may have been for a message. */
  heard(now: () => number, octets: number): void {
    if (this.#since < 0) return;
    const waited = Math.max(0, now() - this.#since);
    this.#since = -1;
    const { bodyRate, timeouts } = this.#limits;
    if (bodyRate === 0) return;
    const paid = 1000 * octets / bodyRate;
    this.#credit = Math.min(this.#credit - waited + paid, timeouts.data);
  }

  /** A message is about to come. */
  messageBegins(now: number): void {
    this.#messageEnd = now + this.#limits.timeouts.message;
  }

  /** A message was received whole. */
  messageEnds(now: number): void {
    this.#messageEnd = Infinity;
    this.#mailBy = now + this.#limits.timeouts.withoutMail;
  }
}
