/**
 * How many links to a filter there are at once, over all sessions. A session keeps its link while its client says
 * nothing, since the next command mostly comes soon; but where all places are taken, the link that has been of no use
 * for the longest time is closed for whoever needs one. So strangers who hold many sessions open, and say no word, take
 * the filter from nobody: only work that it is at takes its places.
 *
 * What fails: a filter that is at work for all of them, and does not come to an end. Who waits too long hears so.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";

/** Links at once, where nothing is said: what Postfix, as it comes, opens at most. */
export const DEFAULT_CONNECTIONS = 100;
/** Sessions that may wait for a place, for each place. */
const WAITING = 10;

/** Who has a place and may do without it. */
export interface Guest {
  /** Goes, and gives its place back at once. */
  leave(): void;
}

/** The places of one filter. */
export class Places {
  readonly #most: number;
  readonly #clock: Clock;
  #taken = 0;
  /** Those that may go, the one that rests longest first. */
  readonly #resting = new Set<Guest>();
  /** Those that wait, the first first. Nobody waits while somebody rests. */
  readonly #waiting = new Set<() => void>();

  /** @param most links at once. */
  constructor(most: number, clock: Clock) {
    this.#most = most;
    this.#clock = clock;
  }

  /** Takes a place. @throws where none is free within `patience` milliseconds, or too many wait. */
  async take(patience: number): Promise<void> {
    if (this.#taken < this.#most) {
      this.#taken++;
      return;
    }
    if (this.#waiting.size >= this.#most * WAITING) throw new Error("too many wait for it");
    const turn = Promise.withResolvers<void>();
    const stop = new AbortController();
    this.#waiting.add(turn.resolve);
    for (const guest of this.#resting) {
      guest.leave();
      break;
    }
    this.#clock.sleep(patience, stop.signal).then(() => {
      if (!this.#waiting.delete(turn.resolve)) return;
      turn.reject(new Error(`all ${this.#most} connections at work for ${patience} ms`));
    }, () => {});
    try {
      await turn.promise;
    } finally {
      stop.abort(null);
    }
  }

  /** A place is free: it goes to whoever waits for one. */
  give(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      return next();
    }
    this.#taken--;
  }

  /** Somebody can do without its place now; where one is wanted, it goes. */
  rest(guest: Guest): void {
    if (this.#waiting.size > 0) guest.leave();
    else this.#resting.add(guest);
  }

  /** It needs its place again, or has given it back. */
  wake(guest: Guest): void {
    this.#resting.delete(guest);
  }
}
