/**
 * Orders to try many messages again at once: each is changed in the queue so that its recipients are
 * due, and from there goes its usual way, within the limits. So a hundred thousand of them cost no
 * memory, and an order outlasts a crash.
 *
 * What fails: a message that cannot be changed is an event, and stays as it was.
 *
 * @module
 */

import { describeError, type MtaFact } from "../events.ts";
import type { QueuedRecipient, QueueEntry } from "../queue/entry.ts";
import type { Claim, QueueStore } from "../queue/store.ts";
import type { Clock } from "../runtime/runtime.ts";

/** Which recipients are meant, of those that wait. */
export type Selection = (entry: QueueEntry, recipient: QueuedRecipient) => boolean;

/** What orders are carried out with. */
export interface OrderServices {
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly emit: (fact: MtaFact) => void;
  /** Called once for each domain, before the first of its mail is made due. */
  readonly forgive: (entry: QueueEntry, recipient: number) => Promise<void>;
  /** Aborted: the order ends where it is. */
  readonly signal: AbortSignal;
}

/** Messages changed at once: a spool that syncs in groups is faster with some. */
const AT_ONCE = 8;

/**
 * Makes recipients due; gives the number of messages. Those that are being worked on, and those
 * that an operator holds, are passed over.
 *
 * @throws what the store's `list()` throws.
 */
export async function makeDue(services: OrderServices, select: Selection): Promise<number> {
  const forgiven = new Set<string>();
  const entries = services.store.list()[Symbol.asyncIterator]();
  let count = 0;
  const worker = async () => {
    while (!services.signal.aborted) {
      const { done, value: entry } = await entries.next();
      if (done) return;
      const indexes = indexesOf(entry, select);
      if (indexes.length === 0) continue;
      for (const index of indexes) {
        const { domain } = entry.recipients[index]!.address;
        if (forgiven.has(domain)) continue;
        forgiven.add(domain);
        await services.forgive(entry, index);
      }
      if (await makeOneDue(services, entry.id, select)) count++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return count;
}

function indexesOf(entry: QueueEntry, select: Selection): readonly number[] {
  if (entry.held !== undefined) return [];
  return entry.recipients.flatMap((recipient, index) =>
    recipient.status === "waiting" && select(entry, recipient) ? [index] : []
  );
}

async function makeOneDue(
  { store, clock, emit }: OrderServices,
  id: string,
  select: Selection,
): Promise<boolean> {
  const now = clock.now();
  let claim: Claim | null = null;
  try {
    claim = await store.claimById(id, now);
    if (claim === null) return false;
    const { entry } = claim;
    // It may have changed since it was listed.
    const due = new Set(indexesOf(entry, select));
    if (due.size === 0) {
      store.release(claim, now);
      return false;
    }
    const recipients = entry.recipients.map((recipient, index) =>
      due.has(index) ? { ...recipient, next: Math.min(recipient.next, now) } : recipient
    );
    await store.settle(claim, { ...entry, recipients });
    emit({ type: "queue.changed", message: id, action: "retried" });
    return true;
  } catch (error) {
    emit({ type: "queue.trouble", where: "retry", error: describeError(error), message: id });
    if (claim !== null) store.release(claim, now);
    return false;
  }
}
