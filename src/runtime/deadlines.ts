/**
 * Time-outs of many at once: each member holds its own deadline, and one sweep a second (or as often as is
 * said) looks who is past it. To move a deadline is to write a number; no timer is made or cleared for each command
 * of each connection. The price is that a member expires up to one sweep late.
 *
 * Deadlines are times of the clock. When the clock of the machine is set forward, what was waiting
 * expires early: for a mail peer that is a time-out like any other. When it is set back by more than a quarter of an
 * hour, the deadlines from before go back with it, lest a silent peer be borne for as long; by less, what waits may
 * wait that much longer.
 *
 * @module
 */

import type { Clock } from "./runtime.ts";

/** Milliseconds between two sweeps, where nothing is said. */
export const SWEEP_INTERVAL = 1000;

/** Milliseconds by which the clock must be set back to be noticed: more than any deadline is ahead when it is set. */
const SET_BACK = 15 * 60_000;

/** Whoever may be out of time. */
export interface DeadlineMember {
  /** Milliseconds since the epoch; `Infinity` for none. May be written at any time. */
  deadline: number;
  /**
   * Called once when the deadline has passed; `deadline` is `Infinity` by then, so that it is not
   * called again unless a new one is set. May add and delete members. What it throws goes to the
   * `onFault` of {@link Deadlines}; the others expire all the same.
   */
  expire(): void;
}

/**
 * Members and the sweep over them, which runs only while there are any.
 *
 * @example
 * ```ts
 * import { Deadlines } from "./deadlines.ts";
 * import { memoryRuntime } from "./memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { clock } = memoryRuntime();
 * const deadlines = new Deadlines(clock);
 * let expired = 0;
 * const member = { deadline: clock.now() + 300_000, expire: () => void expired++ };
 * deadlines.add(member);
 *
 * await clock.advance(299_000);
 * member.deadline = clock.now() + 300_000; // something came: the time starts anew
 * await clock.advance(299_000);
 * assertEquals(expired, 0);
 * await clock.advance(2_000);
 * assertEquals(expired, 1);
 * deadlines.stop();
 * ```
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #members = new Set<DeadlineMember>();
  readonly #onFault: (error: unknown) => void;
  readonly #interval: number;
  readonly #stopping = new AbortController();
  #sweeping = false;
  /** The time of the last sweep. */
  #swept = -Infinity;

  /**
   * Nothing runs before the first member.
   *
   * @param clock what `deadline` is a time of.
   * @param onFault is told what an `expire` threw.
   * @param interval milliseconds between two sweeps.
   */
  constructor(
    clock: Clock,
    onFault: (error: unknown) => void = () => {},
    interval: number = SWEEP_INTERVAL,
  ) {
    this.#clock = clock;
    this.#interval = interval;
    this.#onFault = onFault;
  }

  /** How many members there are. */
  get size(): number {
    return this.#members.size;
  }

  /** Watches a member from now on. After {@link stop} nothing is watched any more. */
  add(member: DeadlineMember): void {
    this.#members.add(member);
    if (!this.#sweeping && !this.#stopping.signal.aborted) this.#run();
  }

  /** Watches it no longer. Harmless when it is not watched. */
  delete(member: DeadlineMember): void {
    this.#members.delete(member);
  }

  /** Ends the sweep for good, and forgets all members without a call. */
  stop(): void {
    this.#stopping.abort();
    this.#members.clear();
  }

  async #run(): Promise<void> {
    this.#sweeping = true;
    try {
      while (this.#members.size > 0) {
        await this.#clock.sleep(this.#interval, this.#stopping.signal);
        this.#sweep();
      }
    } catch {
      // Only the sleep throws, and only when stopped.
    }
    this.#sweeping = false;
  }

  /** The clock was set back: deadlines from before it was are later than the last sweep, and all others earlier. */
  #goBack(before: number, by: number): void {
    for (const member of this.#members) if (member.deadline >= before) member.deadline -= by;
  }

  #sweep(): void {
    const now = this.#clock.now();
    const before = this.#swept;
    this.#swept = now;
    if (before - now > SET_BACK) this.#goBack(before, before - now);
    for (const member of this.#members) {
      if (member.deadline > now) continue;
      member.deadline = Infinity;
      try {
        member.expire();
      } catch (error) {
        this.#onFault(error);
      }
    }
  }
}
