/**
 * What happens inside a station, said in a few words.
 *
 * @module
 */

import type { MtaEvent } from "../../events.ts";

/** A note. */
export interface StationNote {
  readonly text: string;
  /** Whether all goes well. */
  readonly good: boolean;
}

/** The note on an event; `null` where there is nothing to say that is not seen anyway. */
export function noteOn(event: MtaEvent): StationNote | null {
  switch (event.type) {
    case "message.accepted":
      return { text: `has it on the disk and answers for it, as ${event.message}`, good: true };
    case "delivery.done":
      return event.destination.startsWith("smtp:")
        ? { text: `is done with it: ${event.destination.slice("smtp:".length)} has it`, good: true }
        : { text: `puts it into the Maildir of ${event.recipient}`, good: true };
    case "delivery.deferred": {
      const wait = (Math.max(0, event.next - event.time) / 1000).toFixed(1);
      return { text: `keeps it in the queue; next attempt in ${wait} s`, good: false };
    }
    case "delivery.failed":
      return { text: `gives it up for ${event.recipient}`, good: false };
    case "message.queued":
      if (event.notice === undefined) return null;
      return { text: `writes a notice to ${event.recipients.join(", ")}`, good: true };
    case "queue.trouble":
    case "relay.trouble":
    case "internal.error":
      return { text: `has a problem: ${event.error}`, good: false };
    default:
      return null;
  }
}
