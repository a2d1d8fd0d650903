/**
 * One listening socket: accepts, holds the limits on how many may be connected, and starts an
 * {@link SmtpConnection} for each that may. Turning one away costs one short write.
 *
 * The socket outlasts what it is for: {@link SmtpListener.adopt} changes role, settings and limits of
 * connections to come. Those that are open end as they began, and are counted on.
 *
 * @module
 */

import {
  type Connection,
  formatSocketAddress,
  type Listener,
  type SocketAddress,
} from "../runtime/network.ts";
import { formatReply, reply } from "../smtp/reply.ts";
import type { ClientCounts } from "./client_counts.ts";
import {
  type ConnectionServices,
  type ConnectionSettings,
  SmtpConnection,
} from "./smtp_connection.ts";

/** How many may be connected. */
export interface ConnectionLimits {
  /** At once, on this listener. */
  readonly connections: number;
  /** At once from one address (IPv6: one /64), on all listeners together; loopback and unix sockets are exempt. */
  readonly connectionsPerClient: number;
}

/** What holds where nothing is said. */
export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  connections: 10_000,
  connectionsPerClient: 50,
};

/** What the next connections are served by. Never changed, only replaced. */
export interface ListenerPlan {
  readonly services: ConnectionServices;
  readonly settings: ConnectionSettings;
  readonly limits: ConnectionLimits;
}

/** One listener and its connections. */
export class SmtpListener {
  readonly #listener: Listener;
  readonly #nextId: () => string;
  readonly #clients: ClientCounts;
  #plan: ListenerPlan;
  readonly #open = new Map<SmtpConnection, string>();
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  #stopping = false;
  /** Those who wait for the last connection to end. */
  readonly #waiting: (() => void)[] = [];

  /** Accepts nobody before {@link start}. @param clients counts the connections of all listeners. */
  constructor(
    listener: Listener,
    plan: ListenerPlan,
    nextId: () => string,
    clients: ClientCounts,
  ) {
    this.#listener = listener;
    this.#plan = plan;
    this.#nextId = nextId;
    this.#clients = clients;
  }

  /** Where it listens. */
  get address(): SocketAddress {
    return this.#listener.address;
  }

  /** How many are connected. */
  get connections(): number {
    return this.#open.size;
  }

  /** What it is now. */
  get plan(): ListenerPlan {
    return this.#plan;
  }

  /** Whether it takes connections. */
  get listening(): boolean {
    return !this.#closed;
  }

  /** Serves the connections to come by another plan. */
  adopt(plan: ListenerPlan): void {
    this.#plan = plan;
  }

  /** Accepts from here on; once. */
  start(): void {
    this.#running = this.#run();
  }

  /** Accepts no more, and lets the connections be; resolves when the last has ended. */
  async retire(): Promise<void> {
    this.#close();
    // One that was accepted just now is served too.
    await this.#running;
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Accepts no more; resolves when the last connection has ended, those that are idle at once, and
   * all of them when `giveUp` is aborted.
   */
  async stop(giveUp: AbortSignal): Promise<void> {
    this.#stopping = true;
    this.#close();
    for (const connection of this.#open.keys()) connection.stop();
    const abandon = () => {
      for (const connection of this.#open.keys()) connection.abandon();
    };
    if (giveUp.aborted) abandon();
    giveUp.addEventListener("abort", abandon);
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    giveUp.removeEventListener("abort", abandon);
    await this.#running;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
  }

  async #run(): Promise<void> {
    const { emit } = this.#plan.services;
    const address = formatSocketAddress(this.address);
    emit({ type: "listener.started", listener: this.#name, address });
    const onTrouble = (error: unknown) =>
      emit({ type: "listener.trouble", listener: this.#name, error: String(error) });
    for (let connection; (connection = await this.#listener.accept(onTrouble)) !== null;) {
      this.#admit(connection);
    }
    emit({ type: "listener.stopped", listener: this.#name, address });
  }

  get #name(): string {
    return this.#plan.settings.listener;
  }

  #admit(connection: Connection): void {
    if (this.#stopping) return this.#turnAway(connection, "station is stopping");
    const { services, settings, limits } = this.#plan;
    if (this.#open.size >= limits.connections) {
      return this.#turnAway(connection, "too many connections");
    }
    const client = this.#clients.enter(connection.remote, limits.connectionsPerClient);
    if (client === null) {
      return this.#turnAway(connection, "too many connections from this address");
    }
    const served = new SmtpConnection(connection, this.#nextId(), services, settings);
    this.#open.set(served, client);
    served.serve(this.#ended);
  }

  readonly #ended = (served: SmtpConnection): void => {
    this.#clients.leave(this.#open.get(served)!);
    this.#open.delete(served);
    if (this.#open.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  };

  #turnAway(connection: Connection, reason: string): void {
    const { services: { emit }, settings: { listener, session, implicitTls } } = this.#plan;
    const client = connection.remote.transport === "tcp" ? connection.remote.hostname : "unix";
    emit({ type: "session.refused", listener, client, reason });
    // Under TLS nobody could read it. A peer that does not read is not waited for.
    if (implicitTls) return connection.close();
    const words = formatReply(reply(421, "4.7.0", reason), session.extensions.enhancedStatusCodes);
    connection.write(words).catch(() => {}).finally(() => connection.close());
  }
}
