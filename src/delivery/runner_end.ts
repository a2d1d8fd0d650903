/**
 * How a runner ends: nothing new begins, what is under way has its time, then it is broken off, and has a
 * little time more to be written down.
 *
 * What fails: nothing; every wait ends.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";

/**
 * Milliseconds that transports have to end after their signal was aborted, and records to be
 * written.
 */
const LAST_WORDS = 5000;

/** What is done on the way; none of it throws. */
export interface EndSteps {
  /** Nothing new shall begin. */
  readonly begin: () => void;
  /** Whether nothing is under way. */
  readonly isEmpty: () => boolean;
  /** What is under way has had its time. */
  readonly breakOff: () => void;
}

/** The end of one runner. */
export class RunnerEnd {
  readonly #clock: Clock;
  readonly #steps: EndSteps;
  readonly #begun = new AbortController();
  /** Aborted when those under way have had their time. */
  readonly #breakOff = new AbortController();
  readonly #over = new AbortController();
  /** Wakes who waits for the last that is under way. */
  #emptied: (() => void) | null = null;
  #stopped: Promise<void> | null = null;

  /** Not begun yet. */
  constructor(clock: Clock, steps: EndSteps) {
    this.#clock = clock;
    this.#steps = steps;
  }

  /** Aborted when it begins. */
  get begun(): AbortSignal {
    return this.#begun.signal;
  }

  /** Aborted when it is over: what is not written then is given up. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Resolves when it is over; at once where it has not begun. */
  async wait(): Promise<void> {
    await this.#stopped;
  }

  /** Begins, or comes sooner: after `grace` milliseconds all is broken off. Resolves when it is over. */
  begin(grace: number): Promise<void> {
    this.#later(grace, this.#breakOff);
    return this.#stopped ??= this.#end();
  }

  /** Nothing is under way any more. */
  emptied(): void {
    this.#emptied?.();
  }

  async #end(): Promise<void> {
    const { begin, isEmpty, breakOff } = this.#steps;
    this.#begun.abort();
    begin();
    await this.#emptiedOr(this.#breakOff.signal);
    if (!isEmpty()) {
      breakOff();
      const lastWords = new AbortController();
      this.#later(LAST_WORDS, lastWords);
      await this.#emptiedOr(lastWords.signal);
    }
    this.#over.abort();
  }

  /** Aborts it after so many milliseconds, unless all has ended before. */
  #later(ms: number, controller: AbortController): void {
    this.#clock.sleep(ms, this.#over.signal).then(() => controller.abort(), () => {});
  }

  /** Resolves when nothing is under way, or the signal is aborted. */
  async #emptiedOr(signal: AbortSignal): Promise<void> {
    if (this.#steps.isEmpty() || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#emptied = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}
