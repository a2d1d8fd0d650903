/**
 * What is due when: a binary heap, the earliest first, and among those of one time in the order in which they
 * came. Pure.
 *
 * @module
 */

interface Item<T> {
  readonly due: number;
  readonly order: number;
  readonly value: T;
}

/** Values by the time they are due. One that is not wanted any more stays until it is at the top. */
export class DueHeap<T> {
  readonly #items: Item<T>[] = [];
  readonly #wanted: (value: T, due: number) => boolean;
  #order = 0;

  /** @param wanted whether a value is still to be given out for that time. */
  constructor(wanted: (value: T, due: number) => boolean) {
    this.#wanted = wanted;
  }

  /** Adds a value; one that is due at `Infinity` never is. */
  add(value: T, due: number): void {
    if (due === Infinity) return;
    const items = this.#items;
    const item = { due, order: this.#order++, value };
    let at = items.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(item, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  /** When the first value is due; `Infinity` when there is none. */
  next(): number {
    for (;;) {
      const first = this.#items[0];
      if (first === undefined) return Infinity;
      if (this.#wanted(first.value, first.due)) return first.due;
      this.#pop();
    }
  }

  /** Takes the first value out if it is due at `now`. */
  take(now: number): T | null {
    return this.next() <= now ? this.#pop() : null;
  }

  #pop(): T {
    const items = this.#items;
    const first = items[0]!;
    const last = items.pop()!;
    if (items.length > 0) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= items.length) break;
        if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++;
        if (!isBefore(items[child]!, last)) break;
        items[at] = items[child]!;
        at = child;
      }
      items[at] = last;
    }
    return first.value;
  }
}

function isBefore<T>(a: Item<T>, b: Item<T>): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
