/**
 * A gate: so many pieces of work at once, so many waiting, the rest turned away at once. It keeps what
 * a stranger can ask for, such as password hashing, from filling the thread pool and the memory.
 *
 * @module
 */

/** All places, working and waiting, are taken. Whoever asked may try again later. */
export class BusyError extends Error {
  /** @param message what is busy. */
  constructor(message: string) {
    super(message);
    this.name = "BusyError";
  }
}

/**
 * Lets work through, first come, first served.
 *
 * @example
 * ```ts
 * import { Gate } from "./gate.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const gate = new Gate(2, 10);
 * assertEquals(await gate.run(() => Promise.resolve(42)), 42);
 * ```
 */
export class Gate {
  readonly #width: number;
  readonly #line: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  /** @param width pieces of work at once. @param line how many may wait; default: any number. */
  constructor(width: number, line = Infinity) {
    this.#width = width;
    this.#line = line;
  }

  /**
   * Does the work when its turn comes; fails as the work fails.
   *
   * @throws {BusyError} at once, when the line is full.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside < this.#width) {
      this.#inside++;
    } else {
      if (this.#waiting.length >= this.#line) {
        throw new BusyError("too much of this kind of work is waiting");
      }
      // Whoever leaves hands its place on, so that nobody can slip in between.
      await new Promise<void>((enter) => this.#waiting.push(enter));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside--;
      else next();
    }
  }
}
