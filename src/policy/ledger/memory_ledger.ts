/**
 * A {@link Ledger} in memory.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import type { Ledger, Note, Rate } from "./ledger.ts";

/** Entries, where nothing is said. */
export const DEFAULT_LEDGER_ENTRIES = 200_000;

/** Remembers until the process ends. */
export class MemoryLedger implements Ledger {
  readonly #clock: Clock;
  readonly #entries: number;
  readonly #notes = new Map<string, Note>();

  /** @param entries how many at most. */
  constructor(clock: Clock, entries: number = DEFAULT_LEDGER_ENTRIES) {
    this.#clock = clock;
    this.#entries = entries;
  }

  take(key: string, { count, per }: Rate, amount = 1): number {
    const now = this.#clock.now();
    // A bucket is one number: when it will be full again.
    const full = Math.max(now, this.recall(key)?.until ?? 0) + amount * per / count;
    if (full - now > per) return Math.max(1, Math.ceil(full - now - per));
    this.#put({ key, value: "", until: full });
    return 0;
  }

  recall(key: string): Note | null {
    const note = this.#notes.get(key);
    return note === undefined || note.until <= this.#clock.now() ? null : note;
  }

  note(key: string, value: string, lifetime: number): void {
    this.#put({ key, value, until: this.#clock.now() + lifetime });
  }

  forget(key: string): boolean {
    return this.#notes.delete(key);
  }

  async *list(prefix: string): AsyncIterable<Note> {
    const now = this.#clock.now();
    for (const note of this.#notes.values()) {
      if (note.key.startsWith(prefix) && note.until > now) yield note;
    }
  }

  #put(note: Note): void {
    this.#notes.delete(note.key);
    if (this.#notes.size >= this.#entries) this.#notes.delete(this.#notes.keys().next().value!);
    this.#notes.set(note.key, note);
  }
}
