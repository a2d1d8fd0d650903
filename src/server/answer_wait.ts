/**
 * The wait for an answer of ours: whoever decides (directory, policies, disk) may take long. Replies already
 * made do not wait for it, and a wait that takes far too long is given up.
 *
 * What fails: an answer that is given up rejects with {@link NoAnswer}; whoever was to give it may still be at
 * work.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";

/** Replies do not wait longer than this for the rest of their group (milliseconds). */
const FLUSH_AFTER = 50;

/** We have no answer and wait for it no longer. */
export class NoAnswer extends Error {}

/** One wait at a time. */
export class AnswerWait {
  readonly #clock: Clock;
  readonly #write: () => Promise<void>;
  #giveUp: ((reason: NoAnswer) => void) | null = null;

  /** @param write writes the replies that are made. */
  constructor(clock: Clock, write: () => Promise<void>) {
    this.#clock = clock;
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
    const late = unsaid ? this.#writeLate() : null;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#giveUp = reject;
    answer.then(resolve, reject); // what a race would do, for half of its promises: each command comes by here
    try {
      return await promise;
    } finally {
      this.#giveUp = null;
      await late?.stop();
    }
  }

  #writeLate(): { stop(): Promise<void> } {
    const waiting = new AbortController();
    let writing = false;
    const late = this.#clock.sleep(FLUSH_AFTER, waiting.signal).then(async () => {
      writing = true;
      await this.#write().finally(() => writing = false);
    });
    late.catch(() => {}); // not needed any more; or a broken socket, which the next read will show
    return {
      stop: async () => {
        waiting.abort(null); // a reason of ours: the default one is an exception with a stack
        if (writing) await late;
      },
    };
  }
}
