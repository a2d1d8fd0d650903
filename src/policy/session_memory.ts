/**
 * What a policy keeps for a session while it lasts, bounded whatever happens: a session that was never said to be
 * closed is forgotten when there are too many.
 *
 * @module
 */

import type { SessionView } from "./policy.ts";

/** More than there are connections at once. */
const MOST = 100_000;

/** A value for each session. */
export class SessionMemory<T> {
  readonly #values = new Map<string, T>();

  /** What was kept. */
  get({ id }: SessionView): T | undefined {
    return this.#values.get(id);
  }

  /** Keeps it until {@link drop}. */
  set({ id }: SessionView, value: T): void {
    this.#values.set(id, value);
    if (this.#values.size <= MOST) return;
    for (const oldest of this.#values.keys()) return void this.#values.delete(oldest);
  }

  /** Forgets the session; gives what was kept. */
  drop({ id }: SessionView): T | undefined {
    const value = this.#values.get(id);
    this.#values.delete(id);
    return value;
  }
}
