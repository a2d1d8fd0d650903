/**
 * Listens in on connections: a network whose outgoing connections tell what passes, in the clear also where TLS
 * is spoken. Nothing in the server knows of it; what it is given is a `Network` like any other.
 *
 * @module
 */

import type { Connection, ConnectOptions, Network, SocketAddress } from "../../runtime/network.ts";
import type { TlsClientOptions, TlsInfo, TlsServer } from "../../runtime/tls.ts";

/** Who is told. A view of octets is valid during the call only. */
export interface Tap {
  /** The connection's opener is about to send these octets. */
  sent(octets: Uint8Array): void;
  /** It has received these. */
  received(octets: Uint8Array): void;
  /** From now on TLS is spoken. */
  secured(info: TlsInfo): void;
  /** It has closed the connection. */
  closed(): void;
}

/** The same network, but that `tapFor` is asked for a tap for each connection that was opened. */
export function tapNetwork(network: Network, tapFor: (to: SocketAddress) => Tap | null): Network {
  return {
    listen: (address) => network.listen(address),
    tlsServer: (options) => network.tlsServer(options),
    async connect(address: SocketAddress, options?: ConnectOptions): Promise<Connection> {
      const connection = await network.connect(address, options);
      const tap = tapFor(address);
      return tap === null ? connection : new TappedConnection(connection, tap);
    },
  };
}

class TappedConnection implements Connection {
  readonly #inner: Connection;
  readonly #tap: Tap;
  #closed = false;

  constructor(inner: Connection, tap: Tap) {
    this.#inner = inner;
    this.#tap = tap;
  }

  get local(): SocketAddress {
    return this.#inner.local;
  }

  get remote(): SocketAddress {
    return this.#inner.remote;
  }

  get tls(): TlsInfo | null {
    return this.#inner.tls;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const length = await this.#inner.read(into);
    if (length !== null) this.#tap.received(into.subarray(0, length));
    return length;
  }

  write(octets: Uint8Array): Promise<void> {
    // Before it is written: the answer must not be shown first.
    this.#tap.sent(octets);
    return this.#inner.write(octets);
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): void {
    if (!this.#closed) this.#tap.closed();
    this.#closed = true;
    this.#inner.close();
  }

  async startTlsServer(server: TlsServer, received?: Uint8Array): Promise<Connection> {
    return this.#secured(await this.#inner.startTlsServer(server, received));
  }

  async startTlsClient(options: TlsClientOptions): Promise<Connection> {
    return this.#secured(await this.#inner.startTlsClient(options));
  }

  #secured(connection: Connection): Connection {
    if (connection.tls !== null) this.#tap.secured(connection.tls);
    return new TappedConnection(connection, this.#tap);
  }
}
