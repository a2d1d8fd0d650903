/**
 * Orders to try mail now, for people and for ETRN: one message, many, or all of a domain. Each forgets that the
 * destinations were down, and takes mail that is kept for ETRN along. Mail that an operator holds stays held.
 *
 * One message is taken up at once. Many are changed in the queue so that their recipients are due, and from there
 * go their usual way, within the limits: so a hundred thousand of them cost no memory, and an order outlasts a
 * crash.
 *
 * What fails: a message that cannot be changed is an event, and stays as it was.
 *
 * @module
 */

import type { MtaFact } from "../events.ts";
import type { QueuedRecipient, QueueEntry } from "../queue/entry.ts";
import { applyChange, firstOfDomains } from "../queue/operator/apply_change.ts";
import type { Claim, QueueStore } from "../queue/store.ts";
import { destinationOf } from "../routing/route.ts";
import type { Clock } from "../runtime/runtime.ts";
import { DomainOrders } from "./domain_orders.ts";
import type { ReleasedDomains } from "./released_domains.ts";
import type { FindRoute } from "./ways.ts";

/** What became of an order to try one message now. */
export type AttemptAnswer =
  /** It is under way. */
  | "started"
  /** It is being worked on already. */
  | "busy"
  /** An operator holds it: it is to be released first. */
  | "held"
  /** There is no such message (any more). */
  | "gone";

/** What orders are carried out with. */
export interface OrderServices {
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly emit: (fact: MtaFact) => void;
  readonly route: FindRoute;
  /** The domains whose kept mail may go. */
  readonly released: ReleasedDomains;
  /** Forgets that a destination was down. */
  readonly forget: (destination: string) => void;
  /** Takes a message up, whatever its time. */
  readonly begin: (claim: Claim) => void;
  /** Aborted: no order is taken any more, and those under way end where they are. */
  readonly signal: AbortSignal;
}

/** Messages changed at once: a spool that syncs in groups is faster with some. */
const AT_ONCE = 8;
/** Domains that way is made for by one order; mail for those beyond comes round by itself. */
const MOST_DOMAINS = 10_000;

/** Who takes orders for one runner. */
export class Orders {
  readonly #services: OrderServices;
  readonly #domains: DomainOrders;

  /** No order yet. */
  constructor(services: OrderServices) {
    this.#services = services;
    const { clock, signal } = services;
    this.#domains = new DomainOrders(
      clock,
      signal,
      (isMeant) => this.retryNow(({ address }) => isMeant(address.domain)),
    );
  }

  /**
   * Tries a message now, whatever its time, all recipients that wait: also those kept for ETRN, and
   * those whose destination was down.
   */
  async attemptNow(id: string): Promise<AttemptAnswer> {
    const { store, clock, emit, begin, signal } = this.#services;
    if (signal.aborted) return "busy";
    const claim = await store.claimById(id, clock.now());
    if (claim === null) return await store.get(id) === null ? "gone" : "busy";
    if (claim.entry.held !== undefined) {
      store.release(claim, clock.now());
      return "held";
    }
    emit({ type: "queue.changed", message: id, action: "retried" });
    begin(claim);
    return "started";
  }

  /**
   * Makes all mail for a domain due, `example.org`, or with all below it `@example.org`, and lets
   * what is kept for ETRN (RFC 1985) go for a while: see {@link ReleasedDomains}. Gives the number
   * of messages made due by the look through the queue that it takes; asked often, or for many
   * domains, some are one: see {@link DomainOrders}.
   *
   * @throws what the store's `list()` throws.
   */
  attemptDomain(domain: string): Promise<number> {
    const { released, clock } = this.#services;
    released.open(domain, clock.now());
    return this.#domains.order(domain);
  }

  /**
   * Makes recipients due that wait: each message is changed in the queue, and goes its usual way
   * from there, within the limits. Gives the number of messages made due. Those being worked on, and
   * those an operator holds, are passed over.
   *
   * @param select which recipients; all by default.
   * @throws what the store's `list()` throws.
   */
  async retryNow(select: (recipient: QueuedRecipient) => boolean = () => true): Promise<number> {
    const { store, signal } = this.#services;
    const seen = new Set<string>();
    const entries = store.list()[Symbol.asyncIterator]();
    let count = 0;
    const worker = async () => {
      while (!signal.aborted) {
        const { done, value: entry } = await entries.next();
        if (done) return;
        if (!isWaiting(entry, select)) continue;
        for (const index of firstOfDomains(entry.recipients, select, seen, MOST_DOMAINS)) {
          await this.makeWay(entry, index);
        }
        if (await this.#makeDue(entry.id, select)) count++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return count;
  }

  /**
   * What comes due for the domain of a recipient is tried without delay: that its destination was down is
   * forgotten, and what is kept for ETRN may go. Never throws: a router that does is the attempt's to tell of.
   */
  async makeWay(entry: QueueEntry, recipient: number): Promise<void> {
    const { route, released, forget, clock } = this.#services;
    try {
      const way = await route(entry, recipient);
      if ("reply" in way) return;
      const { domain } = entry.recipients[recipient]!.address;
      if (way.kind === "hold") released.open(domain, clock.now());
      forget(destinationOf(way.kind === "hold" ? way.then : way));
    } catch {
      // The attempt will meet the same trouble, and tell it.
    }
  }

  async #makeDue(id: string, select: (recipient: QueuedRecipient) => boolean): Promise<boolean> {
    const { result, reason = "" } = await applyChange(
      this.#services,
      id,
      { action: "retry" },
      select,
    );
    if (result === "failed") {
      this.#services.emit({ type: "queue.trouble", where: "retry", error: reason, message: id });
    }
    return result === "changed";
  }
}

function isWaiting(entry: QueueEntry, select: (recipient: QueuedRecipient) => boolean): boolean {
  return entry.held === undefined &&
    entry.recipients.some((one) => one.status === "waiting" && select(one));
}
