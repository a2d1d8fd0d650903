/**
 * The queue in memory: for tests, and for programs that want no disk. What is in it is gone with the process, so a
 * server that must not lose mail uses `spool/`.
 *
 * @module
 */

import { concat } from "../bytes.ts";
import type { Clock } from "../runtime/runtime.ts";
import { DueHeap } from "./due_heap.ts";
import { nextAttempt, type QueueEntry } from "./entry.ts";
import type { MessageSource } from "./local_delivery.ts";
import { type Claim, LeaseLostError, type NewMessage, type QueueStore } from "./store.ts";
import { Waiters } from "./waiters.ts";

/** What a {@link MemoryStore} is made of. */
export interface MemoryStoreOptions {
  /** Tells the time of claims and leases. */
  readonly clock: Clock;
  /** How long a claim lasts unless it is renewed, in milliseconds. Default five minutes. */
  readonly lease?: number;
}

/** The right of one claim, whatever became of the entry since. */
interface Lease {
  expires: number;
}

/** One message. */
interface Item {
  entry: QueueEntry;
  readonly head: Uint8Array;
  readonly body: Uint8Array;
  lease: Lease | null;
  /** Not to be given out before. */
  notBefore: number;
}

/**
 * Messages in memory.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "./memory_store.ts";
 * import { MemoryClock } from "../runtime/memory_clock.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const clock = new MemoryClock(Date.UTC(2026, 0, 1));
 * const store = new MemoryStore({ clock });
 * assertEquals(await store.claim(clock.now(), 10), []);
 * assertEquals(store.nextDue(), Infinity);
 * ```
 */
export class MemoryStore implements QueueStore {
  readonly #clock: Clock;
  readonly #lease: number;
  readonly #items = new Map<string, Item>();
  readonly #leases = new WeakMap<Claim, Lease>();
  readonly #waiters: Waiters;
  /** What was never tried, and what was, by when it may be given out. */
  readonly #fresh = new DueHeap<Item>((item, due) => this.#isDue(item, due));
  readonly #tried = new DueHeap<Item>((item, due) => this.#isDue(item, due));

  /** An empty one. */
  constructor({ clock, lease = 5 * 60_000 }: MemoryStoreOptions) {
    this.#clock = clock;
    this.#lease = lease;
    this.#waiters = new Waiters(clock);
  }

  async add(...messages: readonly NewMessage[]): Promise<void> {
    const items: Item[] = [];
    for (const { entry, source } of messages) {
      if (!this.#items.has(entry.id)) items.push(await readItem(entry, source));
    }
    for (const item of items) {
      const { entry } = item;
      if (this.#items.has(entry.id)) continue; // added by somebody else meanwhile, or twice here
      this.#items.set(entry.id, item);
      this.#plan(item);
      this.#waiters.wake(nextAttempt(entry));
    }
  }

  claim(now: number, limit: number): Promise<Claim[]> {
    const claims: Claim[] = [];
    for (const heap of [this.#fresh, this.#tried]) {
      while (claims.length < limit) {
        const item = heap.take(now);
        if (item === null) break;
        claims.push(this.#claim(item, now));
      }
    }
    return Promise.resolve(claims);
  }

  claimById(id: string, now: number): Promise<Claim | null> {
    const item = this.#items.get(id);
    const free = item !== undefined && isFree(item, now);
    return Promise.resolve(free ? this.#claim(item, now) : null);
  }

  renew(claim: Claim, now: number): boolean {
    const item = this.#find(claim, now);
    if (item === null) return false;
    item.lease!.expires = now + this.#lease;
    this.#plan(item);
    return true;
  }

  open(id: string): MessageSource | Promise<MessageSource> {
    const item = this.#items.get(id);
    if (item === undefined) return Promise.reject(new Error(`no message ${id} in the queue`));
    const { head, body, entry: { received } } = item;
    return {
      head,
      bodySize: body.length,
      received,
      async *openBody() {
        if (body.length > 0) yield body.slice();
      },
      bodyParts: () => [body],
    };
  }

  // deno-lint-ignore require-await
  async update(claim: Claim, entry: QueueEntry): Promise<Claim> {
    const item = this.#get(claim);
    item.entry = entry;
    this.#plan(item);
    return this.#grant(item);
  }

  async settle(
    claim: Claim,
    next: QueueEntry | null,
    born: readonly NewMessage[] = [],
  ): Promise<void> {
    this.#get(claim);
    await this.add(...born);
    const item = this.#get(claim);
    if (next === null) {
      this.#items.delete(item.entry.id);
      return;
    }
    item.entry = next;
    item.lease = null;
    this.#plan(item);
    this.#waiters.wake(dueTime(item));
  }

  release(claim: Claim, notBefore: number): void {
    const item = this.#find(claim, this.#clock.now());
    if (item === null) return;
    item.lease = null;
    item.notBefore = notBefore;
    this.#plan(item);
    this.#waiters.wake(dueTime(item));
  }

  wait(until: number, signal: AbortSignal): Promise<void> {
    return this.#waiters.wait(until, signal);
  }

  nextDue(): number {
    return Math.min(this.#fresh.next(), this.#tried.next());
  }

  get(id: string): Promise<QueueEntry | null> {
    return Promise.resolve(this.#items.get(id)?.entry ?? null);
  }

  async *list(): AsyncGenerator<QueueEntry> {
    for (const { entry } of this.#items.values()) yield entry;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #claim(item: Item, now: number): Claim {
    item.lease = { expires: now + this.#lease };
    item.notBefore = 0;
    this.#plan(item);
    return this.#grant(item);
  }

  /** Puts it where it is found when its time comes; where it was put before is void if that was for another time. */
  #plan(item: Item): void {
    (isFresh(item) ? this.#fresh : this.#tried).add(item, availableTime(item));
  }

  #isDue(item: Item, due: number): boolean {
    return this.#items.get(item.entry.id) === item && availableTime(item) === due;
  }

  /** What the holder of the lease is given. */
  #grant(item: Item): Claim {
    const claim = { entry: item.entry, expires: item.lease!.expires };
    this.#leases.set(claim, item.lease!);
    return claim;
  }

  /** The message of a claim, `null` when the lease is over. */
  #find(claim: Claim, now: number): Item | null {
    const item = this.#items.get(claim.entry.id);
    if (item === undefined || isFree(item, now)) return null;
    return item.lease === this.#leases.get(claim) ? item : null;
  }

  /** The message of a claim. @throws {LeaseLostError} */
  #get(claim: Claim): Item {
    const item = this.#find(claim, this.#clock.now());
    if (item === null) throw new LeaseLostError(claim.entry.id);
    return item;
  }
}

async function readItem(entry: QueueEntry, source: MessageSource): Promise<Item> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.openBody()) chunks.push(chunk.slice());
  const body = concat(chunks);
  return { entry, head: source.head.slice(), body, lease: null, notBefore: 0 };
}

/** Whether nobody has it. */
function isFree({ lease }: Item, now: number): boolean {
  return lease === null || lease.expires <= now;
}

/** When it may be given out. */
function dueTime({ entry, notBefore }: Item): number {
  return Math.max(nextAttempt(entry), notBefore);
}

/** When it may be given out, or somebody has had it too long. */
function availableTime(item: Item): number {
  if (item.entry.held !== undefined) return Infinity;
  return Math.max(dueTime(item), item.lease?.expires ?? 0);
}

function isFresh({ entry }: Item): boolean {
  return entry.recipients.every(({ attempts }) => attempts === 0);
}
