/**
 * Connections kept open for a moment after a message, for the next one to the same place: a handshake, an
 * EHLO and a login are spared. A kept connection is only ever used for what is the same in all that was
 * decided when it was made: our name, address, our address, name, TLS, credentials. So a pool outlasts a
 * change of options: what was made by the old ones rests until its time is over.
 *
 * What fails: a connection that ends while it is kept is dropped; that one may end in the very moment it
 * is taken is for the taker to see.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import type { ExchangeTarget, SmtpExchange } from "./smtp_exchange.ts";

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

  /** A connection that was given under this key and is still good, as far as can be known. */
  take(key: string): SmtpExchange | null {
    const exchanges = this.#resting.get(key);
    for (let exchange; (exchange = exchanges?.pop()) !== undefined;) {
      this.#size--;
      if (exchanges!.length === 0) this.#resting.delete(key);
      if (exchange.wake()) return exchange;
      this.leave(exchange);
    }
    return null;
  }

  /** Keeps a connection, or ends it when it is of no more use or there are enough. */
  give(key: string, exchange: SmtpExchange): void {
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
  const { address, source, serverName, protocol, tls, authorities, credentials } = target;
  return JSON.stringify([
    hostname,
    protocol,
    address,
    source,
    serverName,
    [tls.start, tls.mandatory, tls.verify],
    authorities,
    credentials,
  ]);
}
