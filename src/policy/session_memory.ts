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
  readonly #most: number;
  readonly #onForget: ((value: T) => void) | undefined;

  /** @param onForget sees what is forgotten for want of room, such as to close it. @param most sessions at once. */
  constructor(onForget?: (value: T) => void, most = MOST) {
    this.#most = most;
    this.#onForget = onForget;
  }

  /** What was kept. */
  get({ id }: SessionView): T | undefined {
    return this.#values.get(id);
  }

  /** Keeps it until {@link drop}. */
  set({ id }: SessionView, value: T): void {
    this.#values.set(id, value);
    if (this.#values.size <= this.#most) return;
    const [[oldest, forgotten] = []] = this.#values;
    this.#values.delete(oldest!);
    this.#onForget?.(forgotten!);
  }

  /** Forgets the session; gives what was kept. */
  drop({ id }: SessionView): T | undefined {
    const value = this.#values.get(id);
    this.#values.delete(id);
    return value;
  }
}
