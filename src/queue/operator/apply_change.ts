/**
 * One change of one entry in the queue, under a claim of its own, so that none is made while an attempt runs: the
 * one way in which an operator, or ETRN (RFC 1985), changes what waits. What fails is a result.
 *
 * @module
 */

import { domainKey } from "../../address.ts";
import { describeError, type MtaFact } from "../../events.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { QueuedRecipient, QueueEntry } from "../entry.ts";
import { type Claim, LeaseLostError, type QueueStore } from "../store.ts";
import { changeEntry, type QueueChange } from "./queue_change.ts";

/** What became of one entry. */
export interface ChangeResult {
  /** Which entry. */
  readonly id: string;
  /**
   * `unchanged`: it was so already. `refused`: it makes no sense. `busy`: an attempt runs; try again.
   * `missing`: there is no such entry. `failed`: the store could not.
   */
  readonly result: "changed" | "unchanged" | "refused" | "busy" | "missing" | "failed";
  /** Why, unless changed. */
  readonly reason?: string;
}

/** What changes are made with. */
export interface ChangeServices {
  /** The queue. */
  readonly store: QueueStore;
  /** Tells when. */
  readonly clock: Clock;
  /** Is told of every change. */
  readonly emit: (fact: MtaFact) => void;
}

/**
 * Changes an entry; `changed` is durable. One try: an entry that somebody works on is not waited for.
 *
 * @param concerns which recipients a retry is for; default all.
 */
export async function applyChange(
  { store, clock, emit }: ChangeServices,
  id: string,
  change: QueueChange,
  concerns?: (recipient: QueuedRecipient) => boolean,
): Promise<ChangeResult> {
  const now = clock.now();
  let claim: Claim | null = null;
  try {
    claim = await store.claimById(id, now);
    if (claim === null) return explainNoClaim(id, await store.get(id), change);
    const changed = changeEntry(claim.entry, change, now, concerns);
    if (!("next" in changed)) {
      store.release(claim, now);
      return "refused" in changed
        ? { id, result: "refused", reason: changed.refused }
        : { id, result: "unchanged", reason: changed.unchanged };
    }
    await store.settle(claim, changed.next);
  } catch (error) {
    if (error instanceof LeaseLostError) return describeBusy(id);
    if (claim !== null) store.release(claim, now);
    return { id, result: "failed", reason: describeError(error) };
  }
  emit({ type: "queue.changed", message: id, action: pastTense(change) });
  return { id, result: "changed" };
}

/**
 * Which recipients lead to domains that are not in `seen` yet: the first of each domain, as indexes. They are put
 * there, up to `most`.
 */
export function firstOfDomains(
  recipients: readonly QueuedRecipient[],
  concerns: (recipient: QueuedRecipient) => boolean,
  seen: Set<string>,
  most: number,
): number[] {
  return recipients.flatMap((recipient, index) => {
    if (recipient.status !== "waiting" || seen.size >= most || !concerns(recipient)) return [];
    const domain = domainKey(recipient.address.domain);
    if (seen.has(domain)) return [];
    seen.add(domain);
    return [index];
  });
}

/** Somebody has it, or nobody. Who wants an attempt and finds one under way has what he wants. */
function explainNoClaim(
  id: string,
  entry: QueueEntry | null,
  { action }: QueueChange,
): ChangeResult {
  if (entry === null) return describeMissing(id);
  return action === "retry" ? describeUnderWay(id) : describeBusy(id);
}

/** There is none. */
export function describeMissing(id: string): ChangeResult {
  return { id, result: "missing", reason: "there is no such message in the queue" };
}

/** What was wanted happens already. */
export function describeUnderWay(id: string): ChangeResult {
  return { id, result: "unchanged", reason: "it is being delivered just now" };
}

function describeBusy(id: string): ChangeResult {
  return { id, result: "busy", reason: "it is being delivered just now; try again in a moment" };
}

function pastTense(change: QueueChange): (MtaFact & { type: "queue.changed" })["action"] {
  switch (change.action) {
    case "retry":
      return "retried";
    case "hold":
      return "held";
    case "release":
      return "released";
    case "remove":
      return change.bounce ? "bounced" : "removed";
  }
}
