/**
 * Claims what is due while there is room for it, else waits: for room, for new mail, for the time at which
 * something comes due. What is done with a claim is for the runner.
 *
 * What fails: a queue that cannot be read is an event (`queue.trouble`) and is tried again.
 *
 * @module
 */

import { describeError, type MtaFact } from "../events.ts";
import type { Claim, QueueStore } from "../queue/store.ts";
import type { Clock } from "../runtime/runtime.ts";

/** Milliseconds between two tries to claim while the queue cannot be read. */
const CLAIM_PAUSE = 5000;
/** The longest that new work is waited for without a look. */
const LONGEST_WAIT = 60_000;
/**
 * The shortest, after so many looks that found nothing though the store had named a time that is
 * past: what came in during the look must not wait, and a store that names a time too early must
 * not be asked in a circle.
 */
const SHORTEST_WAITS = [0, 10, 100, 1000];
/**
 * Milliseconds to rest after a batch of which most was sent back, so that a heap for one
 * destination is not dug through in one go.
 */
const DIG_PAUSE = 100;

/** How much may be claimed at this moment. */
export interface ClaimRoom {
  /** Whether nothing is to be claimed now. */
  readonly idle: boolean;
  /** Messages that there is room for. */
  readonly room: number;
  /** The same, reckoned by the jobs of messages alone. */
  readonly jobRoom: number;
  /** Messages that are here. */
  readonly messages: number;
  /** Messages claimed in one go. */
  readonly batch: number;
}

/** What the loop is made of. */
export interface ClaimLoopOptions {
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly emit: (fact: MtaFact) => void;
  /** Asked before each look, and whenever {@link ClaimLoop.wake} is called: all of it may change. */
  readonly room: () => ClaimRoom;
  /** Takes a claim. Must not throw. */
  readonly begin: (claim: Claim) => void;
  /** Aborted at the end. */
  readonly signal: AbortSignal;
}

/** The loop of one runner. */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  /** Messages that were sent back, since the last rest. */
  #sentBack = 0;
  /** Looks in a row that found nothing though something was to be due. */
  #inVain = 0;
  #wake: (() => void) | null = null;

  /** Claims nothing before {@link run}. */
  constructor(options: ClaimLoopOptions) {
    this.#options = options;
  }

  /** Works until the signal is aborted. Never throws. */
  async run(): Promise<void> {
    while (!this.#options.signal.aborted) await this.#turn();
  }

  /** There may be room now, or the end has come. */
  wake(): void {
    this.#wake?.();
  }

  /** Something that was claimed found no place. */
  sentBack(): void {
    this.#sentBack++;
  }

  async #turn(): Promise<void> {
    const { store, clock, emit, room, begin, signal } = this.#options;
    try {
      const most = await this.#waitForRoom();
      if (signal.aborted) return;
      if (this.#sentBack > room().batch / 2) {
        this.#sentBack = 0;
        await clock.sleep(DIG_PAUSE, signal);
      }
      const now = clock.now();
      const claims = await store.claim(now, most);
      for (const claim of claims) {
        if (signal.aborted || room().idle) store.release(claim, now);
        else begin(claim);
      }
      if (claims.length > 0) this.#inVain = 0;
      if (claims.length > 0 || signal.aborted) return;
      const until = this.#nextLook(now);
      if (until > now) await store.wait(until, signal);
    } catch (error) {
      if (signal.aborted) return;
      emit({ type: "queue.trouble", where: "claim", error: describeError(error) });
      await clock.sleep(CLAIM_PAUSE, signal).catch(() => {});
    }
  }

  /** When to look again, after a look that found nothing. */
  #nextLook(now: number): number {
    const due = this.#options.store.nextDue();
    if (due > now) this.#inVain = 0;
    const shortest = SHORTEST_WAITS[Math.min(this.#inVain++, SHORTEST_WAITS.length - 1)]!;
    return Math.min(Math.max(due, now + shortest), now + LONGEST_WAIT);
  }

  /** Resolves with how many to claim, when it is worth a look; at the end with 0. */
  async #waitForRoom(): Promise<number> {
    for (;;) {
      if (this.#options.signal.aborted) return 0;
      const { idle, room, jobRoom, messages, batch } = this.#options.room();
      // A full window is not refilled one by one.
      const enough = Math.min(batch, Math.ceil(jobRoom / 8));
      if (!idle && room > 0 && (room >= enough || messages === 0)) return Math.min(room, batch);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
