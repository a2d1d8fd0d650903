/**
 * What grows old in its segment is moved into files of its own, so that segments are drained and removed: the
 * work that goes on behind everybody's back for as long as there are segments.
 *
 * What fails is told as trouble, and tried again.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import type { FreshMail } from "./fresh_mail.ts";
import type { SegmentMessage } from "./segment.ts";
import type { Segments } from "./segments.ts";

/** What moving takes. */
export interface FreshMoverOptions {
  readonly segments: Segments;
  readonly fresh: FreshMail;
  readonly clock: Clock;
  /** Milliseconds after which a message is moved. */
  readonly age: number;
  /** A message was moved, and may be due at that time. */
  readonly moved: (due: number) => void;
  /** A message cannot be moved now. */
  readonly trouble: (error: unknown, message: string) => void;
}

/** Messages moved at a time, and those that cannot be moved until it is given up for now. */
const MOVERS = 8;

/** Milliseconds between two looks at what is too old but could not be moved. */
const PAUSE = 30_000;

/** Moves what is old. */
export class FreshMover {
  readonly #options: FreshMoverOptions;
  readonly #closing = new AbortController();
  #working: Promise<void> | null = null;

  /** Begins with {@link start}. */
  constructor(options: FreshMoverOptions) {
    this.#options = options;
  }

  /** There may be something to do. */
  start(): void {
    if (this.#working !== null || this.#options.segments.idle) return;
    this.#working = this.#work().finally(() => this.#working = null);
  }

  /** Ends; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { segments, clock, age } = this.#options;
    let pause = 0;
    while (!segments.idle) {
      const next = segments.nextAged(age);
      const delay = next === Infinity ? PAUSE : next - clock.now();
      try {
        await clock.sleep(Math.max(delay, pause), this.#closing.signal);
      } catch {
        return; // closed
      }
      pause = PAUSE;
      await segments.tidy();
      await this.#moveOld();
    }
  }

  async #moveOld(): Promise<void> {
    const { segments, fresh, clock, age, moved, trouble } = this.#options;
    const old = segments.olderThan(clock.now() - age);
    const failed = new Set<SegmentMessage>();
    const mover = async () => {
      for (const message of old) {
        if (this.#closing.signal.aborted || failed.size >= MOVERS) return;
        if (failed.has(message) || !fresh.isFree(message)) continue;
        try {
          await fresh.moveFree(message);
        } catch (error) {
          trouble(error, message.id);
          failed.add(message);
          segments.setBack(message); // it may never succeed: next time others get their turn
          continue;
        }
        moved(message.due);
      }
    };
    await Promise.all(Array.from({ length: MOVERS }, mover));
  }
}
