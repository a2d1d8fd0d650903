/**
 * Renews the leases of what is being worked on, at a third of their length: a message that takes long stays with who
 * works on it, and one whose process died is free when its lease is over.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";

/** Leases are looked at once an hour at least, and not more often than ten times a second: milliseconds. */
const LONGEST_SLEEP = 3_600_000;
const SHORTEST_SLEEP = 100;

/** Keeps leases from running out. */
export class LeaseKeeper {
  readonly #clock: Clock;
  readonly #renew: (now: number) => void;
  readonly #over: AbortSignal;
  #begun = false;

  /**
   * @param renew renews all there are.
   * @param over aborted: there are none any more.
   */
  constructor(clock: Clock, renew: (now: number) => void, over: AbortSignal) {
    this.#clock = clock;
    this.#renew = renew;
    this.#over = over;
  }

  /** Begins, with the first lease: it tells how long all are. @param length milliseconds. */
  begin(length: number): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#run(Math.max(SHORTEST_SLEEP, Math.min(length / 3, LONGEST_SLEEP)));
  }

  async #run(pause: number): Promise<void> {
    try {
      for (;;) {
        await this.#clock.sleep(pause, this.#over);
        this.#renew(this.#clock.now());
      }
    } catch {
      // Only the sleep throws, and only at the end.
    }
  }
}
