/**
 * Memory for messages on their way to a segment: so many octets at once, the rest wait their turn. A disk that
 * has fallen behind then slows senders down, and fills no memory.
 *
 * @module
 */

/** Lets work through by the octets it holds, first come, first served. */
export class OctetGate {
  readonly #waiting: { readonly octets: number; readonly enter: () => void }[] = [];
  #free: number;
  /** Pieces of work that are inside. */
  #inside = 0;

  /** @param octets held at once; one piece of work that is larger passes alone. */
  constructor(octets: number) {
    this.#free = octets;
  }

  /** Resolves when there is room; `undefined` when there is at once. {@link leave} gives it back. */
  enter(octets: number): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#fits(octets)) {
      this.#take(octets);
      return;
    }
    return new Promise((enter) => this.#waiting.push({ octets, enter }));
  }

  /** Room is free again. */
  leave(octets: number): void {
    this.#free += octets;
    this.#inside--;
    for (let next; (next = this.#waiting[0]) !== undefined && this.#fits(next.octets);) {
      this.#waiting.shift();
      this.#take(next.octets);
      next.enter();
    }
  }

  #fits(octets: number): boolean {
    return octets <= this.#free || this.#inside === 0;
  }

  #take(octets: number): void {
    this.#free -= octets;
    this.#inside++;
  }
}
