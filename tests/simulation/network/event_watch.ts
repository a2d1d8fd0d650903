/**
 * What stations tell of themselves while they run, where it alone shows that something is wrong: faults of their
 * own, damage that nobody did, bounces of bounces, attempts without end.
 *
 * @module
 */

import type { MtaEvent } from "../../../src/events.ts";
import type { Journal } from "./journal.ts";

/** Attempts for one recipient of one message within its lifetime, and some more for starts and clocks. */
const MOST_ATTEMPTS = 120;

/** Errors of a machine that is hurt. */
const MADE = /was made to fail|no space left|the disk is gone/;

/** Sees all events. */
export class EventWatch {
  /** How many there were. */
  count = 0;
  /** Stations that could not read a file. */
  readonly unreadable = new Set<string>();
  readonly #problems: string[];
  readonly #journal: Journal;
  /** Messages without a sender, by station and id. */
  readonly #senderless = new Set<string>();
  readonly #attempts = new Map<string, number>();

  constructor(problems: string[], journal: Journal) {
    this.#problems = problems;
    this.#journal = journal;
  }

  /** Looks at one. */
  see(who: string, event: MtaEvent): void {
    this.count++;
    if (this.#journal.traced) {
      const { time: _, type, ...facts } = event;
      this.#journal.note(who, type, facts);
    }
    switch (event.type) {
      case "internal.error":
        // A fault of the machine that was survived, and made by us.
        if (MADE.test(event.error)) return;
        return this.#complain(who, `internal error in ${event.where}: ${event.error}`);
      case "queue.damaged":
        // A file that could not be read is told so; the trouble was made.
        if (event.reason.startsWith("cannot be read: ")) return void this.unreadable.add(who);
        return this.#complain(who, `damage that nobody did: ${event.path}: ${event.reason}`);
      case "message.accepted":
        if (event.sender === "<>") this.#senderless.add(`${who} ${event.message}`);
        return;
      case "message.queued":
        return this.#seeNotice(who, event);
      case "delivery.deferred": {
        const key = `${who} ${event.message} ${event.recipient}`;
        const attempts = (this.#attempts.get(key) ?? 0) + 1;
        this.#attempts.set(key, attempts);
        if (attempts === MOST_ATTEMPTS) this.#complain(who, `attempts without end: ${key}`);
      }
    }
  }

  #seeNotice(who: string, event: Extract<MtaEvent, { type: "message.queued" }>): void {
    const { message, sender, recipients, about } = event;
    if (sender !== "<>") this.#complain(who, `notice ${message} has a sender, ${sender}`);
    this.#senderless.add(`${who} ${message}`);
    if (!this.#senderless.has(`${who} ${about}`)) return;
    const last = about!.startsWith("postmaster-");
    if (!last && recipients.every((recipient) => recipient === `pm@${who}.test`)) return;
    this.#complain(who, `notice ${message} to ${recipients} about ${about}, which has no sender`);
  }

  #complain(who: string, what: string): void {
    this.#problems.push(`${who}: ${what}`);
  }
}
