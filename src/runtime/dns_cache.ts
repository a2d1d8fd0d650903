/**
 * What is remembered of DNS: values with an end, at most so many. No clock: the time is given.
 *
 * @module
 */

/** Values by key, each until its time. */
export class DnsCache<T> {
  readonly #limit: number;
  readonly #entries = new Map<string, { readonly value: T; readonly until: number }>();

  /** Keeps at most `limit` values; the one not used for longest makes room. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many are kept, those whose time is over among them. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of a key, unless its time is over. `now` in milliseconds since the epoch. */
  get(key: string, now: number): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.until <= now) return undefined;
    this.#entries.set(key, entry); // Last in the order of use.
    return entry.value;
  }

  /** Keeps a value until a time, in milliseconds since the epoch. */
  set(key: string, value: T, until: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until });
    if (this.#entries.size <= this.#limit) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }
}
