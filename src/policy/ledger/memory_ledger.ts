/**
 * A {@link Ledger} in memory, bounded in entries and in octets. It answers at once, without a promise.
 *
 * Each policy has a share, by what stands before the first colon of a key. Where there is no room, the largest share
 * gives up what it would have forgotten next; one that has less than its part of the whole is never touched. What is
 * over goes as others come: nothing is ever scanned.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import { type Ledger, MAX_NOTE, type Note, type Rate } from "./ledger.ts";
import { type Entry, LedgerShare } from "./ledger_share.ts";

/** How much a ledger may hold. */
export interface LedgerBounds {
  /** Entries at most. */
  readonly entries: number;
  /** Octets at most, as they are estimated. */
  readonly octets: number;
}

/** The bounds where nothing is said. */
export const DEFAULT_LEDGER_BOUNDS: LedgerBounds = { entries: 200_000, octets: 64 * 1024 ** 2 };

/** Shares at most: there are as many as policies. Others have one together. */
const MAX_SHARES = 64;

/** Ten years, the longest anything is remembered: a date can be made of it. */
const LONGEST = 3650 * 86_400_000;

/** Remembers until the process ends. */
export class MemoryLedger implements Ledger {
  readonly #clock: Pick<Clock, "now">;
  /** How much it holds at most. */
  readonly bounds: LedgerBounds;
  readonly #shares = new Map<string, LedgerShare>();
  #entries = 0;
  #octets = 0;
  #order = 0;

  /** Empty. @param bounds what is not said is as in {@link DEFAULT_LEDGER_BOUNDS}. */
  constructor(clock: Pick<Clock, "now">, bounds: Partial<LedgerBounds> = {}) {
    this.#clock = clock;
    this.bounds = { ...DEFAULT_LEDGER_BOUNDS, ...bounds };
  }

  /** Entries there are, some of which may be over. */
  get size(): number {
    return this.#entries;
  }

  /** Octets they take, roughly. */
  get octets(): number {
    return this.#octets;
  }

  take(key: string, { count, per }: Rate, amount = 1): number {
    const now = this.#clock.now();
    // A bucket is one number: when it will be full again. Emptier than empty it is not, whatever the clock did.
    const before = Math.min(Math.max(now, this.untilOf(key)), now + per);
    const full = before + amount * per / count;
    if (full - now > per) return Math.max(1, Math.ceil(full - now - per));
    this.#put(key, "", full);
    return 0;
  }

  recall(key: string): Note | null {
    const entry = this.#find(key);
    if (entry === undefined || entry.until <= this.#clock.now()) return null;
    return { key, value: entry.value, until: entry.until };
  }

  note(key: string, value: string, lifetime: number): void {
    if (lifetime > 0) this.#put(key, value, this.#clock.now() + Math.min(lifetime, LONGEST));
    else this.forget(key);
  }

  forget(key: string): boolean {
    const entry = this.#find(key);
    if (entry === undefined) return false;
    const wasThere = entry.until > this.#clock.now();
    this.#drop(this.#shareOf(key), entry);
    return wasThere;
  }

  async *list(prefix: string): AsyncIterable<Note> {
    yield* this.notes(prefix);
  }

  /** When a key is forgotten, epoch milliseconds; in the past or 0: it is. */
  untilOf(key: string): number {
    return this.#find(key)?.until ?? 0;
  }

  /** Remembers something as it was, such as before a restart, in place of what was there; what is over is forgotten. */
  restore({ key, value, until }: Note): void {
    const now = this.#clock.now();
    if (until > now) this.#put(key, value, Math.min(until, now + LONGEST));
    else this.forget(key);
  }

  /**
   * All that is remembered, as it is when it comes to it, in no order: to be read in pieces, while others write.
   * What comes meanwhile may be missing.
   */
  *each(): Generator<Note> {
    for (const share of this.#shares.values()) {
      for (const { key, value, until } of share.entries.values()) {
        if (until > this.#clock.now()) yield { key, value, until };
      }
    }
  }

  /** How much is remembered now under keys that begin so: no more than a walk over a policy's share. */
  count(prefix: string): number {
    const now = this.#clock.now();
    let count = 0;
    for (const { key, until } of this.#shareOf(prefix).entries.values()) {
      if (until > now && key.startsWith(prefix)) count++;
    }
    return count;
  }

  /** What is remembered now under keys that begin so, the newest last. */
  notes(prefix: string): Note[] {
    const now = this.#clock.now();
    const colon = prefix.indexOf(":");
    const shares = colon === -1 ? this.#shares.values() : [this.#shareOf(prefix)];
    return [...shares]
      .flatMap(({ entries }) => [...entries.values()])
      .filter(({ key, until }) => until > now && key.startsWith(prefix))
      .sort((a, b) => a.order - b.order)
      .map(({ key, value, until }) => ({ key, value, until }));
  }

  #put(key: string, value: string, until: number): void {
    if (key.length + value.length > MAX_NOTE) return;
    const share = this.#shareOf(key);
    const octets = share.octets;
    const size = share.entries.size;
    const entry = share.set(key, value, until, ++this.#order);
    this.#octets += share.octets - octets;
    if (share.entries.size > size) {
      this.#entries++;
      this.#dropOver(share, entry);
    }
    while (this.#entries > this.bounds.entries || this.#octets > this.bounds.octets) {
      if (!this.#evict(entry)) return;
    }
  }

  /** For each that comes two may go, so what is over is soon gone. */
  #dropOver(share: LedgerShare, written: Entry): void {
    const now = this.#clock.now();
    for (let gone = 0; gone < 2; gone++) {
      const first = share.first();
      if (first === undefined || first === written || first.until > now) return;
      this.#drop(share, first);
    }
  }

  /** Makes room at the cost of the largest share, but not of what was just written; whether that could be done. */
  #evict(written: Entry): boolean {
    let largest: LedgerShare | undefined;
    for (const share of this.#shares.values()) {
      if (largest === undefined || share.octets > largest.octets) largest = share;
    }
    const first = largest?.first();
    if (largest === undefined || first === undefined) return false;
    if (first !== written) {
      this.#drop(largest, first);
      return true;
    }
    // It would be the next to go: for as long as the other goes, it does not stand in the way.
    largest.delete(written);
    const next = largest.first();
    if (next !== undefined) this.#drop(largest, next);
    largest.set(written.key, written.value, written.until, written.order);
    return next !== undefined;
  }

  #drop(share: LedgerShare, entry: Entry): void {
    const { octets } = share;
    share.delete(entry);
    this.#octets += share.octets - octets;
    this.#entries--;
  }

  #find(key: string): Entry | undefined {
    return this.#shareOf(key).entries.get(key);
  }

  #shareOf(key: string): LedgerShare {
    const name = key.slice(0, Math.max(0, key.indexOf(":")));
    const found = this.#shares.get(name);
    if (found !== undefined) return found;
    if (this.#shares.size >= MAX_SHARES && name !== "") return this.#shareOf("");
    const share = new LedgerShare();
    this.#shares.set(name, share);
    return share;
  }
}
