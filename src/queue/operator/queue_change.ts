/**
 * What an operator can do to a message in the queue, as a function from entry to entry. Pure: nothing is
 * written here.
 *
 * @module
 */

import type { QueuedRecipient, QueueEntry } from "../entry.ts";
import { type Reply, reply } from "../../smtp/reply.ts";
import { isKeptRecipient } from "./queue_view.ts";

/** What to do. */
export type QueueChange =
  /** Its recipients, or some of them, are tried now. */
  | { readonly action: "retry" }
  /** No attempts until it is released. */
  | { readonly action: "hold"; readonly reason: string }
  /** The end of a hold; who waits is tried now, but what is kept for ETRN (RFC 1985). */
  | { readonly action: "release" }
  /** It goes; with `bounce` its sender is told that it could not be delivered. */
  | { readonly action: "remove"; readonly bounce: boolean };

/** What becomes of the entry. */
export type ChangedEntry =
  /** `null`: nothing. */
  | { readonly next: QueueEntry | null }
  /** Nothing needs to be done: it is so already. */
  | { readonly unchanged: string }
  /** It cannot be done, and why. */
  | { readonly refused: string };

/** Why an entry is not retried. */
export const HELD = "it is held; release it first";

/** What a bounce by an operator says to the sender (RFC 3463 §3.8: 5.7.0, a matter of policy). */
export const REMOVED: Reply = reply(
  554,
  "5.7.0",
  "The administrator of this server removed the message before it could be delivered",
);

/**
 * Applies a change.
 *
 * @param now milliseconds since the epoch.
 * @param concerns which recipients a retry is for; default all.
 */
export function changeEntry(
  entry: QueueEntry,
  change: QueueChange,
  now: number,
  concerns: (recipient: QueuedRecipient) => boolean = () => true,
): ChangedEntry {
  switch (change.action) {
    case "retry":
      return retry(entry, now, concerns);
    case "hold":
      if (entry.held !== undefined) return { unchanged: "it is held already" };
      return { next: { ...entry, held: { since: now, reason: change.reason } } };
    case "release":
      if (entry.held === undefined) return { unchanged: "it is not held" };
      return { next: release(entry, now) };
    case "remove":
      return change.bounce ? bounce(entry, now) : { next: null };
  }
}

function retry(
  entry: QueueEntry,
  now: number,
  concerns: (recipient: QueuedRecipient) => boolean,
): ChangedEntry {
  if (entry.held !== undefined) return { refused: HELD };
  const due = (recipient: QueuedRecipient) =>
    recipient.status === "waiting" && concerns(recipient) && recipient.next > now;
  if (!entry.recipients.some(due)) return { unchanged: "it is due already" };
  const recipients = entry.recipients.map((one) => due(one) ? { ...one, next: now } : one);
  return { next: { ...entry, recipients } };
}

/** Whoever lets mail go wants it gone, and not at the time that was set before it was stopped. */
function release(entry: QueueEntry, now: number): QueueEntry {
  const recipients = entry.recipients.map((one) =>
    one.status === "waiting" && one.next > now && !isKeptRecipient(one)
      ? { ...one, next: now }
      : one
  );
  return withoutHold({ ...entry, recipients });
}

/**
 * Whoever still waits has failed, by our word. The notice is not made here: an entry of which only
 * notices are left is due at once, and whoever works on the queue sends them as it always does.
 */
function bounce(entry: QueueEntry, now: number): ChangedEntry {
  if (entry.sender === null) {
    return {
      refused: "it has the null sender, to which nothing is sent; remove it without a bounce",
    };
  }
  if (!entry.recipients.some(({ status }) => status === "waiting")) {
    return { refused: "none of its recipients waits any more; remove it without a bounce" };
  }
  const recipients = entry.recipients.map((one): QueuedRecipient =>
    one.status === "waiting"
      ? {
        ...one,
        status: "failed",
        history: [...one.history.slice(-9), { time: now, reply: REMOVED }],
      }
      : one
  );
  return { next: withoutHold({ ...entry, recipients }) };
}

function withoutHold(entry: QueueEntry): QueueEntry {
  const { held: _held, ...rest } = entry;
  return rest;
}
