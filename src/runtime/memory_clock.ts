/**
 * A clock that stands still until it is told to go, and then jumps from sleeper to sleeper: a week
 * of retries takes a moment, and every run is the same. Sleepers wake one at a time, by time and
 * then by the order in which they lay down; between two of them everything runs that can run.
 *
 * What can run is what microtasks do, which is all that the memory adapters and pure code are made
 * of. Work of the real machine (a socket, a file, a hash in the thread pool) is not waited for: put it
 * behind {@link MemoryClock.hold}.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "./runtime.ts";

interface Sleeper {
  readonly due: number;
  readonly order: number;
  readonly wake: () => void;
}

/** A virtual {@link Clock}. */
export class MemoryClock implements Clock {
  #now: number;
  #order = 0;
  #held = 0;
  #release: (() => void) | null = null;
  /** A binary heap: the sleeper to wake next is the first. */
  readonly #sleepers: Sleeper[] = [];
  readonly #gone = new WeakSet<Sleeper>();

  /** Begins at `now`, in milliseconds since the epoch. */
  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const sleeper: Sleeper = {
        due: this.#now + Math.max(0, ms || 0),
        order: this.#order++,
        wake: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#gone.add(sleeper);
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#push(sleeper);
    });
  }

  /** How many sleep now; for a test that nothing was left behind. */
  get sleepers(): number {
    return this.#sleepers.filter((sleeper) => !this.#gone.has(sleeper)).length;
  }

  /** Time stands still while `work` of the real machine is under way. Gives its outcome. */
  async hold<T>(work: Promise<T>): Promise<T> {
    this.#held++;
    try {
      return await work;
    } finally {
      if (--this.#held === 0) this.#release?.();
    }
  }

  /** Lets everything run that can without time passing. */
  async settle(): Promise<void> {
    do {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#held > 0) await new Promise<void>((resolve) => this.#release = resolve);
    } while (this.#held > 0);
  }

  /** Settles, jumps to the next sleeper, wakes it, settles. `false` when nobody sleeps. */
  async step(): Promise<boolean> {
    await this.settle();
    return this.#jump(Infinity);
  }

  /** Lets `ms` milliseconds pass. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    while (await this.#jump(until));
    this.#now = Math.max(this.#now, until);
  }

  /**
   * Lets time pass until nobody sleeps any more.
   *
   * @param limit the most milliseconds that may pass: a sleeper that always comes again would keep
   * it running for ever.
   * @throws {Error} when somebody still sleeps then.
   */
  async runUntilIdle(limit = Infinity): Promise<void> {
    const until = this.#now + limit;
    await this.settle();
    while (await this.#jump(until));
    if (this.#next() !== null) throw new Error(`not idle after ${limit} ms`);
  }

  /**
   * Lets time pass until a promise settles, and gives its outcome.
   *
   * @throws {Error} when it cannot settle any more because nobody sleeps, or has not after `limit`
   * milliseconds: somebody waits for what never comes.
   */
  async runUntil<T>(promise: Promise<T>, limit = Infinity): Promise<T> {
    let settled = false;
    const settle = () => void (settled = true);
    promise.then(settle, settle);
    const until = this.#now + limit;
    await this.settle();
    while (!settled) {
      if (await this.#jump(until)) continue;
      throw new Error(
        this.#next() === null ? "nobody sleeps, but it has not settled" : `not after ${limit} ms`,
      );
    }
    return promise;
  }

  /** To the next sleeper, unless it sleeps longer than `until`. */
  async #jump(until: number): Promise<boolean> {
    const sleeper = this.#next();
    if (sleeper === null || sleeper.due > until || sleeper.due === Infinity) return false;
    this.#pop();
    this.#now = sleeper.due;
    sleeper.wake();
    await this.settle();
    return true;
  }

  /** The next sleeper that was not aborted. */
  #next(): Sleeper | null {
    for (;;) {
      const first = this.#sleepers[0];
      if (first === undefined) return null;
      if (!this.#gone.has(first)) return first;
      this.#pop();
    }
  }

  #push(sleeper: Sleeper): void {
    const heap = this.#sleepers;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(sleeper, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = sleeper;
  }

  #pop(): void {
    const heap = this.#sleepers;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Sleeper, b: Sleeper): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
