/**
 * Those who wait until something is due, or until something is added that is due sooner.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";

/** Somebody who waits. */
interface Waiter {
  readonly until: number;
  readonly wake: () => void;
}

/** Why a timer ends: to abort without a reason would make an error, with its stack, for each wait. */
const OVER = "over";

/** All who wait. */
export class Waiters {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();

  /** @param clock by which they wait. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves at `until`, or early when {@link wake} tells of an earlier time; rejects when the signal is aborted. */
  async wait(until: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const timer = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { until, wake: resolve };
    const abort = () => reject(signal.reason);
    this.#waiters.add(waiter);
    signal.addEventListener("abort", abort, { once: true });
    if (until !== Infinity) {
      this.#clock.sleep(until - this.#clock.now(), timer.signal).then(resolve, () => {});
    }
    try {
      await promise;
    } finally {
      timer.abort(OVER);
      signal.removeEventListener("abort", abort);
      this.#waiters.delete(waiter);
    }
  }

  /** Something may be due at `time`. */
  wake(time: number): void {
    for (const { until, wake } of this.#waiters) if (time < until) wake();
  }
}
