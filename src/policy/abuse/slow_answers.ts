/**
 * Answers that are held back for a while: what costs a client time must not cost us more than a timer, so only so many
 * are held at once, and those that are past that go out without delay.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";

/** Answers held back, by session. */
export class SlowAnswers {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #held = new Map<string, AbortController>();

  /** @param most how many at once. */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** How many are held now. */
  get size(): number {
    return this.#held.size;
  }

  /** Resolves after so many milliseconds, or when the session is released; `undefined`: no wait. */
  hold(session: string, milliseconds: number): Promise<void> | undefined {
    if (milliseconds <= 0 || this.#held.size >= this.#most || this.#held.has(session)) return;
    const released = new AbortController();
    this.#held.set(session, released);
    return this.#clock.sleep(milliseconds, released.signal).catch(() => {}).finally(() => {
      this.#held.delete(session);
    });
  }

  /** The session is over: nobody waits for the answer any more. */
  release(session: string): void {
    this.#held.get(session)?.abort(null);
  }
}

/** Twice as long each time, from the first on: 0 for a `count` of 0. All in milliseconds. */
export function growingDelay(count: number, first: number, longest: number): number {
  return count < 1 ? 0 : Math.min(first * 2 ** Math.min(count - 1, 40), longest);
}
