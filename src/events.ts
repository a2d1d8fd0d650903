/**
 * What happens in the server, as values: the log, metrics and traces are made of these. Names are
 * stable; adding one is a minor change, renaming one a breaking change. What each tells stands by its area in `events/`.
 *
 * @module
 */

import type { DeliveryFact } from "./events/delivery.ts";
import type { DropFact } from "./events/drop.ts";
import type { MessageFact } from "./events/message.ts";
import type { QueueFact } from "./events/queue.ts";
import type { SessionFact } from "./events/session.ts";
import type { StationFact } from "./events/station.ts";

/** Whoever watches. Must not throw and must not block. */
export type EventSink = (event: MtaEvent) => void;

/** One thing that happened. `session` and `message` join the lines of one mail. */
export type MtaEvent = { readonly time: number } & MtaFact;

/** The facts, by name. Times are in milliseconds, sizes in octets. */
export type MtaFact =
  | StationFact
  | SessionFact
  | MessageFact
  | DeliveryFact
  | QueueFact
  | DropFact;

/** An error in one line, for events: `TypeError: no such thing`. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
