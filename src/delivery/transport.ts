/**
 * A way out: takes a job, gives what became of each recipient. Implemented by `local.ts`, `remote.ts`,
 * `lmtp.ts` and `pipe.ts`; knows nothing of the queue's bookkeeping.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { QueueEntry } from "../queue/entry.ts";
import type { MessageSource } from "../queue/local_delivery.ts";
import type { Outcome } from "../queue/outcome.ts";
import type { Route } from "../routing/route.ts";

/** Recipients of one message that go the same way. */
export interface DeliveryJob {
  readonly entry: QueueEntry;
  /** The reverse-path for these recipients: that of the entry, rewritten where we forward (SRS). */
  readonly sender: Address | null;
  /** Who: indexes in the entry's recipients, at least one. */
  readonly recipients: readonly number[];
  /** Where to. */
  readonly route: Route;
  /** The message, as often as asked. @throws when it cannot be read; then the job is deferred. */
  open(): MessageSource | Promise<MessageSource>;
  /**
   * Told when the message is about to go out whole: the next job for the same destination may be given to
   * `deliver` now, and before this returns rather than later. It takes the place of this one: with connections it
   * goes over the same.
   */
  onRoom?(): void;
  /**
   * It has the place of another one whose message is going out, and may go behind it. Who has a place of its own is
   * not made to wait for the answer to somebody else's message.
   */
  readonly follows?: boolean;
}

/** A way out. */
export interface Transport {
  /**
   * One attempt; gives one outcome for each recipient of the job. Must come to an end by itself (every wait
   * in it is bounded); aborting the signal makes that at once: what is not known then is deferred. What it
   * throws is a bug: the runner defers all and tells it.
   */
  deliver(job: DeliveryJob, signal: AbortSignal): Promise<readonly Outcome[]>;
}

/** A transport that keeps connections open for the next message. */
export interface KeepingTransport extends Transport {
  /** Connections that rest now. */
  readonly resting: number;
  /** Ends them; jobs under way are ended by their signals. Takes two seconds at most. */
  stop(): Promise<void>;
}
