/**
 * Group commit: what comes while one group is being made durable is the next group, so that one sync serves
 * all who came in the meantime. A disk that syncs 1,000 times a second commits as many messages as there are
 * senders waiting, a thousand times a second.
 *
 * A group that fails fails for all in it, and for nobody else.
 *
 * @module
 */

/** Somebody who waits for an item to be durable. */
interface Waiting<T> {
  readonly item: T;
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
  readonly #commit: (group: readonly T[]) => Promise<void>;
  #waiting: Waiting<T>[] = [];
  #running: Promise<void> | null = null;

  /** @param commit makes a group durable, or throws for all in it. */
  constructor(commit: (group: readonly T[]) => Promise<void>) {
    this.#commit = commit;
  }

  /** Resolves when the item is durable; rejects as its group failed. */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
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
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#commit(group.map(({ item }) => item));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = null;
  }
}
