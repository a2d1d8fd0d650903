/**
 * What a station says of itself, as plain values: for status commands, health checks and metrics.
 *
 * @module
 */

import type { Reply } from "./smtp/reply.ts";
import type { SocketAddress } from "./runtime/network.ts";
import type { Role } from "./server/roles.ts";

/** A station at one moment. Times are in milliseconds since the epoch. */
export interface MtaStatus {
  /** When it was started. */
  readonly started: number;
  /** When the options in force came into force: at the start, or by the last reload that succeeded. */
  readonly loaded: number;
  /** Reloads that succeeded. */
  readonly reloads: number;
  /** The name it goes by. */
  readonly hostname: string;
  /** Whether it has been told to stop: it takes no new connection any more. */
  readonly stopping: boolean;
  /** Its listeners in the order of the options; then those that a reload took away and that have sessions yet. */
  readonly listeners: readonly ListenerStatus[];
  /** Octets of memory that message bodies on their way in hold. */
  readonly bodyMemory: number;
  /** Mail out; `null` where there is no queue. */
  readonly queue: QueueStatus | null;
}

/** One listener. */
export interface ListenerStatus {
  /** Its name in the log. */
  readonly name: string;
  /** What it is for. */
  readonly role: Role;
  /** Where, with the real port. */
  readonly address: SocketAddress;
  /** Sessions that are open. */
  readonly connections: number;
  /** Whether it takes connections. */
  readonly listening: boolean;
}

/** Mail out: what is in memory. How much waits on the disk, `mta.queue` can count. */
export interface QueueStatus {
  /** Nothing is delivered but what an operator names. */
  readonly paused: boolean;
  /** Nothing new starts, because the queue cannot be written. */
  readonly troubled: boolean;
  /** Messages taken up from the queue. */
  readonly messages: number;
  /** Jobs of theirs that wait for their turn. */
  readonly waiting: number;
  /** Jobs under way. */
  readonly running: number;
  /** Destinations that are left alone, because they are out of reach. */
  readonly down: readonly DownDestination[];
}

/** A destination that is out of reach. */
export interface DownDestination {
  /** Such as `mx:example.org:25`. */
  readonly destination: string;
  /** Until when nobody knocks. */
  readonly until: number;
  /** What was heard last. */
  readonly reply: Reply;
  /** From whom. */
  readonly host?: string;
}
