/**
 * One listening socket: accepts, holds the limits on how many may be connected, and starts an
 * {@link SmtpConnection} for each that may. Turning one away costs one short write.
 *
 * The socket outlasts what it is for: {@link SmtpListener.adopt} changes role, settings and limits of
 * connections to come. Those that are open end as they began, and are counted on.
 *
 * @module
 */

import { clientKey, isLoopback } from "../net_address.ts";
import {
  type Connection,
  formatSocketAddress,
  type Listener,
  type SocketAddress,
} from "../runtime/runtime.ts";
import { formatReply, reply } from "../smtp/reply.ts";
import {
  type ConnectionServices,
  type ConnectionSettings,
  SmtpConnection,
} from "./smtp_connection.ts";

/** How many may be connected. */
export interface ConnectionLimits {
  /** At once, in all. */
  readonly connections: number;
  /** At once from one address (IPv6: one /64); loopback and unix sockets are exempt. */
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
  #plan: ListenerPlan;
  readonly #open = new Map<SmtpConnection, string>();
  readonly #perClient = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  #stopping = false;
  /** Those who wait for the last connection to end. */
  readonly #waiting: (() => void)[] = [];

  /** Accepts nobody before {@link start}. */
  constructor(listener: Listener, plan: ListenerPlan, nextId: () => string) {
    this.#listener = listener;
    this.#plan = plan;
    this.#nextId = nextId;
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
    const client = clientOf(connection.remote);
    const count = client === null ? 0 : this.#perClient.get(client) ?? 0;
    const { services, settings, limits } = this.#plan;
    if (this.#open.size >= limits.connections) {
      return this.#turnAway(connection, "too many connections");
    }
    if (count >= limits.connectionsPerClient) {
      return this.#turnAway(connection, "too many connections from this address");
    }
    const served = new SmtpConnection(connection, this.#nextId(), services, settings);
    this.#open.set(served, client ?? "");
    if (client !== null) this.#perClient.set(client, count + 1);
    served.serve(this.#ended);
  }

  readonly #ended = (served: SmtpConnection): void => {
    const client = this.#open.get(served)!;
    this.#open.delete(served);
    const count = (this.#perClient.get(client) ?? 1) - 1;
    if (count > 0) this.#perClient.set(client, count);
    else this.#perClient.delete(client);
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

/** What connections are counted by, or `null` for those that are not. */
function clientOf(remote: SocketAddress): string | null {
  if (remote.transport === "unix" || isLoopback(remote.hostname)) return null;
  return clientKey(remote.hostname);
}
