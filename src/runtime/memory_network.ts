/**
 * The sockets of one machine in memory. Several machines meet on one {@link MemoryWires}; loopback
 * addresses and unix paths are each machine's own. Names are not resolved, but `localhost` is.
 *
 * What fails: what fails in a real network, with the same errno names (EADDRINUSE, EADDRNOTAVAIL,
 * ECONNREFUSED, ECONNRESET, EPIPE), and what the link's conditions order.
 *
 * @module
 */

import type { MemoryConnection } from "./memory_connection.ts";
import { MemoryTlsServer } from "./memory_tls.ts";
import { delayOf, type MemoryWires } from "./memory_wires.ts";
import {
  type Connection,
  type ConnectOptions,
  formatSocketAddress,
  type Listener,
  type ListenOptions,
  type Network,
  type SocketAddress,
} from "./network.ts";
import { SystemError } from "./system_error.ts";
import type { TlsServer, TlsServerOptions } from "./tls.ts";

/** The first port given where none is asked for (RFC 6335 §6). */
const FIRST_FREE_PORT = 49152;

/** One machine's sockets. */
export class MemoryNetwork implements Network {
  /** What lies between this machine and the others. */
  readonly wires: MemoryWires<MemoryNetwork>;
  /** The address this machine connects from. */
  readonly address: string;
  readonly canShare = true;
  readonly #listeners = new Set<MemoryListener>();
  #nextPort = FIRST_FREE_PORT;
  #down = false;

  /**
   * A machine with an address, on wires it may share with others.
   *
   * @throws {SystemError} EADDRNOTAVAIL when another machine has the address.
   */
  constructor(wires: MemoryWires<MemoryNetwork>, address: string) {
    this.wires = wires;
    this.address = address;
    this.#claim(address);
  }

  // deno-lint-ignore require-await
  async listen(
    address: SocketAddress,
    { shared = false }: ListenOptions = {},
  ): Promise<Listener> {
    this.#checkUp();
    const wanted = this.#localAddress(address);
    if (this.#listenersFor(wanted).some((other) => !shared || !other.shared)) {
      throw new SystemError("EADDRINUSE", `${formatSocketAddress(wanted)} is in use`);
    }
    const listener = new MemoryListener(wanted, shared, () => this.#listeners.delete(listener));
    this.#listeners.add(listener);
    return listener;
  }

  async connect(address: SocketAddress, options: ConnectOptions = {}): Promise<Connection> {
    const { signal, source } = options;
    signal?.throwIfAborted();
    this.#checkUp();
    const server = withLiteral(address);
    const client = this.#clientAddress(server, source);
    const conditions = this.wires.conditions(client, server);
    if (conditions.connect === "ignore") await never(signal);
    const delay = delayOf(conditions);
    const roundTrip = delay() + delay();
    if (roundTrip > 0) await this.wires.clock.sleep(roundTrip, signal);
    this.#checkUp();
    const machine = this.#machineOf(server);
    const listener = machine && machine.#nextListenerFor(server);
    if (!machine || !listener || conditions.connect === "refuse") {
      throw new SystemError("ECONNREFUSED", `nobody listens on ${formatSocketAddress(server)}`);
    }
    const [ours, theirs] = this.wires.link(
      { machine: this, address: client },
      { machine, address: server },
      conditions,
    );
    listener.offer(theirs);
    return ours;
  }

  tlsServer(options: TlsServerOptions): TlsServer {
    return new MemoryTlsServer(options.certificates);
  }

  /** The machine stops: its links are reset, its addresses free, every call fails from now on. */
  shutDown(): void {
    this.#down = true;
    for (const listener of [...this.#listeners]) listener.close();
    this.wires.remove(this);
  }

  #checkUp(): void {
    if (this.#down) throw new SystemError("EIO", "the machine is down");
  }

  #claim(hostname: string): void {
    if (!this.wires.claim(hostname, this)) {
      throw new SystemError("EADDRNOTAVAIL", `${hostname} is another machine's address`);
    }
  }

  #listenersFor(address: SocketAddress): MemoryListener[] {
    return [...this.#listeners].filter((listener) => overlap(address, listener.address));
  }

  /** Those who share an address take turns. */
  #nextListenerFor(address: SocketAddress): MemoryListener | undefined {
    const [next] = this.#listenersFor(address);
    if (next?.shared && this.#listeners.delete(next)) this.#listeners.add(next);
    return next;
  }

  #machineOf(address: SocketAddress): MemoryNetwork | undefined {
    if (address.transport === "unix" || isLoopback(address.hostname)) return this;
    return this.wires.machineAt(address.hostname);
  }

  #localAddress(address: SocketAddress): SocketAddress {
    const local = withLiteral(address);
    if (local.transport === "unix") return local;
    if (!isWildcard(local.hostname) && !isLoopback(local.hostname)) this.#claim(local.hostname);
    return local.port === 0 ? this.#withFreePort(local.hostname) : local;
  }

  #clientAddress(server: SocketAddress, source?: string): SocketAddress {
    if (server.transport === "unix") return { transport: "unix", path: "" };
    if (source !== undefined) {
      if (source.includes(":") !== server.hostname.includes(":")) {
        throw new SystemError("EADDRNOTAVAIL", `cannot connect from ${source}`);
      }
      if (!isLoopback(source)) this.#claim(source);
      return this.#withFreePort(source);
    }
    return this.#withFreePort(isLoopback(server.hostname) ? server.hostname : this.address);
  }

  #withFreePort(hostname: string): SocketAddress {
    for (;;) {
      const address: SocketAddress = { transport: "tcp", hostname, port: this.#nextPort };
      this.#nextPort = this.#nextPort === 65535 ? FIRST_FREE_PORT : this.#nextPort + 1;
      if (this.#listenersFor(address).length === 0) return address;
    }
  }
}

/** A listening socket in memory. */
class MemoryListener implements Listener {
  readonly address: SocketAddress;
  /** Whether others may listen there too. */
  readonly shared: boolean;
  readonly #waiting: MemoryConnection[] = [];
  readonly #onClose: () => void;
  #closed = false;
  #wake: (() => void) | null = null;

  constructor(address: SocketAddress, shared: boolean, onClose: () => void) {
    this.address = address;
    this.shared = shared;
    this.#onClose = onClose;
  }

  async accept(): Promise<Connection | null> {
    for (;;) {
      if (this.#closed) return null;
      const connection = this.#waiting.shift();
      if (connection !== undefined) return connection;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = null;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const connection of this.#waiting.splice(0)) connection.close();
    this.#onClose();
    this.#wake?.();
  }

  /** A peer has connected. */
  offer(connection: MemoryConnection): void {
    this.#waiting.push(connection);
    this.#wake?.();
  }
}

function overlap(a: SocketAddress, b: SocketAddress): boolean {
  if (a.transport === "unix" || b.transport === "unix") {
    return a.transport === "unix" && b.transport === "unix" && a.path === b.path;
  }
  return a.port === b.port &&
    (a.hostname === b.hostname || isWildcard(a.hostname) || isWildcard(b.hostname));
}

function withLiteral(address: SocketAddress): SocketAddress {
  return address.transport === "tcp" && address.hostname === "localhost"
    ? { ...address, hostname: "127.0.0.1" }
    : address;
}

function isWildcard(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}

function isLoopback(hostname: string): boolean {
  return hostname.startsWith("127.") || hostname === "::1";
}

/** Waits for the signal, which alone can end it. */
function never(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
