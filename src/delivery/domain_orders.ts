/**
 * Orders to try all mail for a domain, of which anybody may give many: they share looks through the queue.
 *
 * @module
 */

import { domainPatternKey, isMeantBy } from "../domain_pattern.ts";
import type { Clock } from "../runtime/runtime.ts";

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
