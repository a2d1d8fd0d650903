/**
 * The wait for an answer of ours: whoever decides (directory, policies, disk) may take long. Replies already
 * made do not wait for it, and a wait that takes far too long is given up.
 *
 * What fails: an answer that is given up rejects with {@link NoAnswer}; whoever was to give it may still be at
 * work.
 *
 * @module
 */

import type { DeadlineMember, Deadlines } from "../runtime/deadlines.ts";
import type { Clock } from "../runtime/runtime.ts";

/** Replies do not wait much longer than this for the rest of their group (milliseconds). */
const FLUSH_AFTER = 50;

/** We have no answer and wait for it no longer. */
export class NoAnswer extends Error {}

/** One wait at a time. Each command comes by here, so it makes no timer, and few promises. */
export class AnswerWait implements DeadlineMember {
  /** When {@link expire} is due: epoch milliseconds. */
  deadline = Infinity;

  readonly #clock: Clock;
  readonly #moments: Deadlines;
  readonly #write: () => Promise<void>;
  #giveUp: ((reason: NoAnswer) => void) | null = null;
  /** Replies are being written while the answer is awaited. */
  #writing: Promise<void> | null = null;

  /** @param moments tells when it takes long. @param write writes the replies that are made. */
  constructor(clock: Clock, moments: Deadlines, write: () => Promise<void>) {
    this.#clock = clock;
    this.#moments = moments;
    this.#write = write;
  }

  /** Whether an answer is awaited. */
  get pending(): boolean {
    return this.#giveUp !== null;
  }

  /** Ends the wait, where there is one. */
  giveUp(): void {
    this.#giveUp?.(new NoAnswer());
  }

  /** The answer. @param unsaid whether there are replies to write when it takes long. */
  async wait<T>(answer: Promise<T>, unsaid: boolean): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#giveUp = reject;
    answer.then(resolve, reject);
    if (unsaid) {
      this.deadline = this.#clock.now() + FLUSH_AFTER;
      this.#moments.add(this);
    }
    try {
      return await promise;
    } finally {
      this.#giveUp = null;
      if (unsaid) this.#moments.delete(this);
      if (this.#writing !== null) await this.#writing;
    }
  }

  /** It takes long. */
  expire(): void {
    this.#moments.delete(this);
    this.#writing = this.#write().finally(() => this.#writing = null);
    this.#writing.catch(() => {}); // a broken socket, which the next read will show
  }
}
