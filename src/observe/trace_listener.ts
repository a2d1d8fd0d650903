/**
 * Lines on their way to somebody who listens to conversations. Whoever does not keep up loses the lines that
 * come meanwhile: they are counted, and the count is told where they would have been.
 *
 * @module
 */

import type { TraceFilter } from "./trace_filter.ts";

/** What a line is. */
export type TraceKind = "opened" | "closed" | "tls" | "command" | "reply" | "message" | "note";

/** One line. No text in it can do harm on a terminal. */
export interface TraceLine {
  /** Epoch milliseconds. */
  readonly time: number;
  /** `in`: with a client of ours; `out`: with a station that we are a client of. */
  readonly side: "in" | "out";
  /** Of the session, or of the connection out. */
  readonly id: string;
  /** Whom it is with. */
  readonly peer: string;
  /** What the line is. */
  readonly kind: TraceKind;
  /** What was said, without secrets, safe to show. */
  readonly text: string;
}

/** What comes next: a line, or how many were lost here. */
export type Traced = TraceLine | { readonly lost: number };

/** Characters that may wait, each line counted with what is around its text. */
const MAX_WAITING = 256 * 1024;
const AROUND = 200;

/** Somebody who listens. */
export class TraceListener implements Disposable {
  /** To what. */
  readonly filter: TraceFilter;
  readonly #onClose: () => void;
  #waiting: TraceLine[] = [];
  #size = 0;
  #lost = 0;
  #closed = false;
  #wake: (() => void) | null = null;

  /** Made by `Tracer.listen`. */
  constructor(filter: TraceFilter, onClose: () => void) {
    this.filter = filter;
    this.#onClose = onClose;
  }

  /** A line for it. Never waits. */
  take(line: TraceLine): void {
    const size = line.text.length + line.peer.length + AROUND;
    // One that was lost is followed by lost ones until that was told: the order stays true.
    if (this.#closed || this.#lost > 0 || this.#size + size > MAX_WAITING) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#size += size;
    this.#wake?.();
  }

  /** All that has come since the last time, at least one; none when it is closed or the signal is aborted. */
  async next(signal: AbortSignal): Promise<readonly Traced[]> {
    while (this.#waiting.length === 0 && !this.#closed && !signal.aborted) {
      await this.#something(signal);
    }
    const found: Traced[] = this.#waiting;
    if (this.#lost > 0) found.push({ lost: this.#lost });
    this.#waiting = [];
    this.#size = 0;
    this.#lost = 0;
    return found;
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose();
    this.#wake?.();
  }

  async #something(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    signal.addEventListener("abort", resolve as () => void);
    await promise;
    signal.removeEventListener("abort", resolve as () => void);
    this.#wake = null;
  }
}
