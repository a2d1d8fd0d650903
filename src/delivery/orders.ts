/**
 * Orders to try many messages again at once: each is changed in the queue so that its recipients are
 * due, and from there goes its usual way, within the limits. So a hundred thousand of them cost no
 * memory, and an order outlasts a crash.
 *
 * What fails: a message that cannot be changed is an event, and stays as it was.
 *
 * @module
 */

import { domainPatternKey, isMeantBy } from "../domain_pattern.ts";
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

/**
 * The shortest rest between two looks through the queue for domains, in milliseconds, and how many times
 * as long as the look it is at least.
 */
const REST = 10_000;
const REST_FACTOR = 9;
/** Domains that one look is for; those beyond are left to come round by themselves. */
const MOST_DOMAINS = 1000;

/** A look that is to come, or is under way. */
interface Look {
  /** As {@link domainPatternKey} has them. */
  readonly patterns: Set<string>;
  readonly count: Promise<number>;
}

/**
 * Orders to try all mail for a domain. Anybody may give them (ETRN, RFC 1985), as often as he likes and for
 * as many domains; each takes a look through the whole queue. So there is one look at a time, for all that
 * was asked for meanwhile, and a rest after it.
 */
export class DomainOrders {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #look: (isMeant: (domain: string) => boolean) => Promise<number>;
  #rested: Promise<void> = Promise.resolve();
  #rest = REST;
  #next: Look | null = null;
  #current: Look | null = null;

  /**
   * No order yet.
   *
   * @param look makes the mail for some domains due, and gives the number of messages. @param signal
   * aborted: there is no rest any more.
   */
  constructor(
    clock: Clock,
    signal: AbortSignal,
    look: (isMeant: (domain: string) => boolean) => Promise<number>,
  ) {
    this.#clock = clock;
    this.#signal = signal;
    this.#look = look;
  }

  /**
   * Gives the number of messages that the look made due which the order is part of: the one under way where
   * that is for the same domain, else the next.
   *
   * @throws what the look throws.
   */
  order(pattern: string): Promise<number> {
    const key = domainPatternKey(pattern);
    if (this.#current?.patterns.has(key)) return this.#current.count;
    this.#next ??= this.#plan();
    if (this.#next.patterns.size < MOST_DOMAINS) this.#next.patterns.add(key);
    return this.#next.count;
  }

  #plan(): Look {
    const patterns = new Set<string>();
    const count = this.#rested.then(() => this.#carryOut(patterns));
    // What it throws is for those who gave the orders.
    this.#rested = count.then(() => {}, () => {})
      .then(() => this.#clock.sleep(this.#rest, this.#signal))
      .catch(() => {});
    return { patterns, count };
  }

  async #carryOut(patterns: ReadonlySet<string>): Promise<number> {
    this.#current = this.#next;
    this.#next = null;
    const begun = this.#clock.now();
    try {
      return await this.#look((domain) => isMeantBy(patterns, domain));
    } finally {
      this.#current = null;
      this.#rest = Math.max(REST, REST_FACTOR * (this.#clock.now() - begun));
    }
  }
}
