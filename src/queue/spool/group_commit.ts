/**
 * Group commit: what comes while one group is being made durable is the next group, so that one sync serves
 * all who came in the meantime. A disk that syncs 1,000 times a second commits as many messages as there are
 * senders waiting, a thousand times a second.
 *
 * Groups are written one after the other. While one is being synced the next is written, and synced beside it, as soon
 * as it is worth a sync of its own: else half of all senders would stand and wait for a sync that is not theirs.
 *
 * A group that fails fails for all in it, and for nobody else.
 *
 * @module
 */

/** Items that cannot be written for what they are themselves, each with its error. */
export type Failed<T> = ReadonlyMap<T, unknown>;

/** A group that is written. */
export interface WrittenGroup<T> {
  /** Items that failed alone. */
  readonly failed?: Failed<T>;
  /** Makes the others durable, or throws for all of them. */
  sync(): Promise<void>;
}

/** Somebody who waits for an item to be durable. */
interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Items that are worth a sync beside another one. */
const WORTH = 8;

/**
 * Commits items in groups, in the order in which they came.
 *
 * @example
 * ```ts
 * import { GroupCommit } from "./group_commit.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const groups: number[][] = [];
 * const log = new GroupCommit<number>((group) => {
 *   groups.push([...group]);
 *   return Promise.resolve({ sync: () => Promise.resolve() });
 * });
 * const first = Promise.all([log.add(1), log.add(2)]);
 * await Promise.resolve();
 * await Promise.all([first, log.add(3)]);
 * assertEquals(groups, [[1, 2], [3]]);
 * ```
 */
export class GroupCommit<T> {
  readonly #write: (group: readonly T[]) => Promise<WrittenGroup<T>>;
  readonly #most: number;
  #items: T[] = [];
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  readonly #syncs = new Set<Promise<void>>();
  /** Goes on when there is something to write, and it may be. */
  #goOn: (() => void) | null = null;

  /**
   * A log.
   *
   * @param write puts a group where it is to be, or throws for all in it.
   * @param most syncs at once.
   */
  constructor(write: (group: readonly T[]) => Promise<WrittenGroup<T>>, most = 1) {
    this.#write = write;
    this.#most = most;
  }

  /** Resolves when the item is durable; rejects as its group failed. */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#items.push(item);
      this.#waiting.push({ resolve, reject });
      if (this.#running === null) this.#running = this.#run();
      else this.#wake();
    });
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== null || this.#syncs.size > 0) {
      await Promise.all([this.#running, ...this.#syncs]);
    }
  }

  async #run(): Promise<void> {
    // Whoever asks in this same turn comes with the first group.
    await Promise.resolve();
    while (this.#items.length > 0) {
      if (!this.#mayWrite()) {
        await new Promise<void>((goOn) => this.#goOn = goOn);
        continue;
      }
      const [items, waiting] = [this.#items, this.#waiting];
      [this.#items, this.#waiting] = [[], []];
      try {
        this.#sync(items, waiting, await this.#write(items));
      } catch (error) {
        for (const { reject } of waiting) reject(error);
      }
    }
    this.#running = null;
  }

  /** Does not wait for the end; never throws. */
  #sync(items: readonly T[], waiting: readonly Waiting[], { failed, sync }: WrittenGroup<T>): void {
    const settle = () => {
      for (let i = 0; i < items.length; i++) {
        if (failed?.has(items[i]!)) waiting[i]!.reject(failed.get(items[i]!));
        else waiting[i]!.resolve();
      }
    };
    const fail = (error: unknown) => {
      for (const { reject } of waiting) reject(error);
    };
    const end = () => {
      this.#syncs.delete(done);
      this.#wake();
    };
    const done = sync().then(settle, fail).then(end);
    this.#syncs.add(done);
  }

  #mayWrite(): boolean {
    const { size } = this.#syncs;
    return size === 0 || (size < this.#most && this.#items.length >= WORTH);
  }

  #wake(): void {
    if (this.#goOn === null || !this.#mayWrite()) return;
    this.#goOn();
    this.#goOn = null;
  }
}
