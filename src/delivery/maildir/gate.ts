/**
 * A gate that lets a bounded number through at once, in the order they came.
 *
 * @module
 */

/** Bounds how much of a kind of work is under way. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** A gate for `places` at once, at least 1. */
  constructor(places: number) {
    this.#free = places;
  }

  /** Runs `work` when there is a place for it. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place goes from hand to hand, so that nobody new can slip in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
