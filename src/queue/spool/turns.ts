/**
 * Work on the same thing goes one after the other, work on different things side by side.
 *
 * @module
 */

/** A piece of work under way; mostly nobody waits for its end, and then there is nothing but the object. */
class Turn {
  #waiting: PromiseWithResolvers<void> | null = null;

  get ended(): Promise<void> {
    return (this.#waiting ??= Promise.withResolvers()).promise;
  }

  end(): void {
    this.#waiting?.resolve();
  }
}

/** Turns by key. */
export class Turns {
  /** By key, the last piece of work. */
  readonly #last = new Map<string, Turn>();

  /** Does the work after all that was asked for under the same key before; fails as the work fails. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const turn = new Turn();
    this.#last.set(key, turn);
    try {
      if (before !== undefined) await before.ended;
      return await work();
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
      turn.end();
    }
  }

  /** As {@link run}, for work on several things. */
  runAll<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    if (keys.length === 1) return this.run(keys[0]!, work);
    // Everybody takes them in the same order, so that no two can wait for each other.
    return [...new Set(keys)].sort().reduceRight(
      (inner, key) => () => this.run(key, inner),
      work,
    )();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) {
      await Promise.all(Array.from(this.#last.values(), ({ ended }) => ended));
    }
  }
}
