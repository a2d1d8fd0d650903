/**
 * What transports share: from a reply to an outcome, and waits that an aborted signal ends. Pure but for
 * the signal.
 *
 * @module
 */

import type { Outcome } from "../queue/outcome.ts";
import { type Reply, reply } from "../smtp/reply.ts";

/** The outcome of a refusal: 5xx is for ever, all else for now (RFC 5321 §4.2.1). */
export function failureOf(reply: Reply): Pick<Outcome, "status" | "reply"> {
  return { status: reply.code >= 500 && reply.code <= 599 ? "failed" : "deferred", reply };
}

/**
 * Waits for work, or for the signal; work that goes on after that is nobody's business, and what it
 * throws then is dropped.
 *
 * @throws what the work throws before the signal is aborted.
 */
export async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return void work.catch(() => {});
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    work.catch(() => {});
  }
}

/** Recipients that are put off. */
export function putOff(recipients: readonly number[], why: Reply): Outcome[] {
  return recipients.map((recipient) => ({ recipient, status: "deferred", reply: why }));
}

/** Why an attempt that was aborted came to nothing. Who has a queue repeats it, others do not. */
export const STOPPED: Reply = reply(451, "4.3.2", "delivery was interrupted");
/** Why a message that cannot be read from the queue waits on. */
export const UNREADABLE: Reply = reply(
  451,
  "4.3.0",
  "the message cannot be read from the queue now",
);
