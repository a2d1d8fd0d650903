/**
 * The entries of one policy in a ledger: by key, and by when they are forgotten. Pure.
 *
 * A bucket that is used again and again moves its end each time; so the heap is put right only where that end comes
 * to the top, and using a bucket costs no more than looking it up.
 *
 * @module
 */

/** What is kept of a note. It changes in place. */
export interface Entry {
  readonly key: string;
  value: string;
  /** When it is forgotten: epoch milliseconds. */
  until: number;
  /** Of all that was ever written: the larger, the newer. */
  order: number;
  /** Where it is in the heap. */
  at: number;
  /** By what it stands there: never later than `until`. */
  due: number;
}

/** Octets that an entry takes beside its text, roughly: object, heap and table. */
const OVERHEAD = 200;

/** Octets that a note takes in memory, roughly. */
export function octetsOf(key: string, value: string): number {
  return OVERHEAD + 2 * (key.length + value.length);
}

/** Entries by key and by age. */
export class LedgerShare {
  /** In the order they first came. */
  readonly entries: Map<string, Entry> = new Map();
  /** What all of them take, roughly. */
  octets = 0;
  readonly #heap: Entry[] = [];

  /** Writes an entry, in place of what was there. */
  set(key: string, value: string, until: number, order: number): Entry {
    const found = this.entries.get(key);
    if (found === undefined) return this.#add(key, value, until, order);
    this.octets += 2 * (value.length - found.value.length);
    found.value = value;
    found.until = until;
    found.order = order;
    if (until < found.due) {
      found.due = until;
      this.#rise(found);
    }
    return found;
  }

  /** Takes an entry out. */
  delete(entry: Entry): void {
    this.entries.delete(entry.key);
    this.octets -= octetsOf(entry.key, entry.value);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#put(last, entry.at);
    this.#rise(last);
    this.#sink(last);
  }

  /** What will be forgotten next; `undefined` where there is nothing. */
  first(): Entry | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.due === first.until) return first;
      first.due = first.until;
      this.#sink(first);
    }
  }

  #add(key: string, value: string, until: number, order: number): Entry {
    const entry = { key, value, until, order, at: this.#heap.length, due: until };
    this.entries.set(key, entry);
    this.octets += octetsOf(key, value);
    this.#heap.push(entry);
    this.#rise(entry);
    return entry;
  }

  #rise(entry: Entry): void {
    while (entry.at > 0) {
      const parent = this.#heap[(entry.at - 1) >> 1]!;
      if (!isBefore(entry, parent)) return;
      this.#swap(parent, entry);
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const [left, right] = [this.#heap[2 * entry.at + 1], this.#heap[2 * entry.at + 2]];
      const child = right !== undefined && isBefore(right, left!) ? right : left;
      if (child === undefined || !isBefore(child, entry)) return;
      this.#swap(entry, child);
    }
  }

  #swap(upper: Entry, lower: Entry): void {
    const { at } = upper;
    this.#put(upper, lower.at);
    this.#put(lower, at);
  }

  #put(entry: Entry, at: number): void {
    entry.at = at;
    this.#heap[at] = entry;
  }
}

/** Of those forgotten at one time the oldest first, roughly: one that was written again may keep its place. */
function isBefore(a: Entry, b: Entry): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
