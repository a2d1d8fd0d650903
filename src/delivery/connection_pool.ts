/**
 * Connections kept open for a moment after a message, for the next one to the same place: a handshake, an
 * EHLO and a login are spared. A kept connection is only ever used for what is the same in all that was
 * decided when it was made: our name, address, our address, name, TLS and what guards it, credentials. So a pool outlasts a
 * change of options: what was made by the old ones rests until its time is over. And a connection whose message
 * is about to go out whole can be had for the next one, whose commands go along.
 *
 * What fails: a connection that ends while it is kept is dropped; that one may end in the very moment it
 * is taken is for the taker to see.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import type { ExchangeTarget, SmtpExchange } from "./smtp_exchange.ts";
import type { DaneGuard, StsGuard } from "./tls_guard.ts";

/** How many are kept, and how long. */
export interface PoolLimits {
  /** Milliseconds without a message. Default 5,000. */
  readonly idle?: number;
  /** In all. Default 200. */
  readonly connections?: number;
}

/** Connections that rest. */
export class ConnectionPool {
  readonly #clock: Clock;
  readonly #idle: number;
  readonly #most: number;
  /** By key; the last one given is taken first, so that the others come to their end. */
  readonly #resting = new Map<string, SmtpExchange[]>();
  /** By key, connections whose message is about to go out whole, or waits for its answer. */
  readonly #offered = new Map<string, SmtpExchange[]>();
  /** Connections that are saying good-bye. */
  readonly #leaving = new Set<Promise<void>>();
  #size = 0;
  #stopped = false;

  /** An empty pool. */
  constructor(clock: Clock, { idle = 5_000, connections = 200 }: PoolLimits = {}) {
    this.#clock = clock;
    this.#idle = idle;
    this.#most = connections;
  }

  /** How many connections rest here. */
  get size(): number {
    return this.#size;
  }

  /** A connection that is still in use has room for one message more, until it is given back. */
  offer(key: string, exchange: SmtpExchange): void {
    const offered = this.#offered.get(key);
    if (offered === undefined) this.#offered.set(key, [exchange]);
    else offered.push(exchange);
  }

  /**
   * A connection that was given under this key and is still good, as far as can be known.
   *
   * @param follows whether it may be one that was offered, to go behind the message that is under way there.
   */
  take(key: string, follows = false): SmtpExchange | null {
    return (follows ? this.#takeOffered(key) : null) ?? this.#takeResting(key);
  }

  #takeOffered(key: string): SmtpExchange | null {
    const offered = this.#offered.get(key);
    for (let exchange; (exchange = offered?.pop()) !== undefined;) {
      if (offered!.length === 0) this.#offered.delete(key);
      if (!exchange.usable) continue;
      exchange.users++;
      return exchange;
    }
    return null;
  }

  #takeResting(key: string): SmtpExchange | null {
    const exchanges = this.#resting.get(key);
    for (let exchange; (exchange = exchanges?.pop()) !== undefined;) {
      this.#size--;
      if (exchanges!.length === 0) this.#resting.delete(key);
      exchange.users = 1;
      if (exchange.wake()) return exchange;
      this.leave(exchange);
    }
    return null;
  }

  /**
   * Keeps a connection, or ends it when it is of no more use or there are enough. One that somebody else has taken
   * meanwhile is for that one to give.
   */
  give(key: string, exchange: SmtpExchange): void {
    this.#withdraw(key, exchange);
    if (--exchange.users > 0) return;
    if (!exchange.usable || this.#stopped || this.#size >= this.#most) return this.leave(exchange);
    const exchanges = this.#resting.get(key) ?? [];
    this.#resting.set(key, exchanges);
    exchanges.push(exchange);
    this.#size++;
    exchange.rest(this.#clock.now() + this.#idle, () => {
      this.#remove(key, exchanges, exchange);
      this.leave(exchange);
    });
  }

  /** Ends a connection with QUIT; nobody need wait for it but {@link stop}. */
  leave(exchange: SmtpExchange): void {
    const leaving = exchange.quit().finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /** Ends all connections, and keeps none from now on. Takes two seconds at most. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const exchanges of this.#resting.values()) {
      for (const exchange of exchanges) {
        exchange.wake();
        this.leave(exchange);
      }
    }
    this.#resting.clear();
    this.#size = 0;
    await Promise.all(this.#leaving);
  }

  #withdraw(key: string, exchange: SmtpExchange): void {
    const offered = this.#offered.get(key);
    const at = offered?.indexOf(exchange) ?? -1;
    if (at === -1) return;
    offered!.splice(at, 1);
    if (offered!.length === 0) this.#offered.delete(key);
  }

  #remove(key: string, exchanges: SmtpExchange[], exchange: SmtpExchange): void {
    const at = exchanges.indexOf(exchange);
    if (at === -1) return;
    exchanges.splice(at, 1);
    this.#size--;
    if (exchanges.length === 0 && this.#resting.get(key) === exchanges) this.#resting.delete(key);
  }
}

/** What two connections must have in common to do for one another: our name and the target. */
export function targetKey(hostname: string, target: ExchangeTarget): string {
  const known = keys.get(target);
  if (known?.hostname === hostname) return known.key;
  const { address, source, serverName, protocol, tls, authorities, credentials } = target;
  const key = JSON.stringify([
    hostname,
    protocol,
    address,
    source,
    serverName,
    [tls.start, tls.mandatory, tls.verify, tls.guard && guardKey(tls.guard)],
    authorities,
    credentials,
  ]);
  keys.set(target, { hostname, key });
  return key;
}

/** What two guards must have in common: all that a peer has to prove. */
function guardKey(guard: DaneGuard | StsGuard): unknown[] {
  if (guard.kind === "sts") return [guard.kind, guard.domain, guard.mode];
  const records = guard.records.map(({ usage, selector, matching, data }) =>
    [usage, selector, matching, data.toHex()].join(" ")
  );
  return [guard.kind, guard.names, records.sort()];
}

/** Keys of targets that are used for more than one message. */
const keys = new WeakMap<ExchangeTarget, { readonly hostname: string; readonly key: string }>();
