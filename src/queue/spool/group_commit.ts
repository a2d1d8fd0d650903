/**
 * Group commit: what comes while one group is being made durable is the next group, so that one sync serves
 * all who came in the meantime. A disk that syncs 1,000 times a second commits as many messages as there are
 * senders waiting, a thousand times a second.
 *
 * A group that fails fails for all in it, and for nobody else.
 *
 * @module
 */

/**
 * Makes a group durable, or throws for all in it. An item that cannot be written for what it is itself may fail alone:
 * it is given with its error.
 */
export type Commit<T> = (group: readonly T[]) => Promise<ReadonlyMap<T, unknown> | void>;

/** Somebody who waits for an item to be durable. */
interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits items in groups, in the order in which they came, one group at a time.
 *
 * @example
 * ```ts
 * import { GroupCommit } from "./group_commit.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const groups: number[][] = [];
 * const log = new GroupCommit<number>((group) => {
 *   groups.push([...group]);
 *   return Promise.resolve();
 * });
 * const first = Promise.all([log.add(1), log.add(2)]);
 * await Promise.resolve();
 * await Promise.all([first, log.add(3)]);
 * assertEquals(groups, [[1, 2], [3]]);
 * ```
 */
export class GroupCommit<T> {
  readonly #commit: Commit<T>;
  #items: T[] = [];
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;

  /** @param commit makes a group durable. */
  constructor(commit: Commit<T>) {
    this.#commit = commit;
  }

  /** Resolves when the item is durable; rejects as its group failed. */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#items.push(item);
      this.#waiting.push({ resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // Whoever asks in this same turn comes with the first group.
    await Promise.resolve();
    while (this.#items.length > 0) {
      const [items, waiting] = [this.#items, this.#waiting];
      [this.#items, this.#waiting] = [[], []];
      try {
        const failed = await this.#commit(items);
        for (let i = 0; i < items.length; i++) {
          if (failed?.has(items[i]!)) waiting[i]!.reject(failed.get(items[i]!));
          else waiting[i]!.resolve();
        }
      } catch (error) {
        for (const { reject } of waiting) reject(error);
      }
    }
    this.#running = null;
  }
}
