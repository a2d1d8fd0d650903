/**
 * Work on the same thing goes one after the other, work on different things side by side.
 *
 * @module
 */

/** Turns by key. */
export class Turns {
  /** By key, the end of the last piece of work. */
  readonly #last = new Map<string, Promise<void>>();

  /** Does the work after all that was asked for under the same key before; fails as the work fails. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(key, promise);
    try {
      await before;
      return await work();
    } finally {
      if (this.#last.get(key) === promise) this.#last.delete(key);
      resolve();
    }
  }

  /** As {@link run}, for work on several things. */
  runAll<T>(keys: Iterable<string>, work: () => Promise<T>): Promise<T> {
    // Everybody takes them in the same order, so that no two can wait for each other.
    return [...new Set(keys)].sort().reduceRight(
      (inner, key) => () => this.run(key, inner),
      work,
    )();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}
