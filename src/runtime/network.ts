/**
 * Sockets, as the rest of the program sees them: listeners, connections, and how a connection becomes TLS (`tls.ts`).
 *
 * What fails: as `runtime.ts` says of all that touches the machine.
 *
 * @module
 */

import type { TlsClientOptions, TlsInfo, TlsServer, TlsServerOptions } from "./tls.ts";

/** Where a socket is, or shall be. */
export type SocketAddress =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/** Octets that the path of a unix socket has at most, on Linux. */
export const SOCKET_PATH_LIMIT = 107;

/** `127.0.0.1:2525`, `[::1]:2525` or `unix:/run/x.sock`, for people and logs. */
export function formatSocketAddress(address: SocketAddress): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Sockets, in and out. */
export interface Network {
  /** Whether several may share a TCP address, see {@link ListenOptions}; absent: no. */
  readonly canShare?: boolean;
  /** Listens. Port 0 takes a free one; {@link Listener.address} tells which. */
  listen(address: SocketAddress, options?: ListenOptions): Promise<Listener>;
  /** Connects; aborting the signal gives up. */
  connect(address: SocketAddress, options?: ConnectOptions): Promise<Connection>;
  /**
   * Readies the server's side of TLS.
   *
   * @throws {TypeError} when a certificate cannot be read or does not belong to its key; the message
   * says which.
   */
  tlsServer(options: TlsServerOptions): TlsServer;
}

/** How to listen. */
export interface ListenOptions {
  /**
   * Others that say so too may listen at the same address, in this process or another one of the same user; the
   * system gives each a part of the connections (SO_REUSEPORT). TCP only, and where {@link Network.canShare}.
   */
  readonly shared?: boolean;
}

/** How to connect. */
export interface ConnectOptions {
  /** Gives up when aborted. */
  readonly signal?: AbortSignal;
  /** The IP address of ours to connect from (TCP only); absent: the system chooses. */
  readonly source?: string;
}

/** A listening socket. */
export interface Listener {
  /** The address in force (the real port where 0 was asked for). */
  readonly address: SocketAddress;
  /**
   * The next connection, or `null` once closed. Passing troubles (too many open files, a peer gone
   * before it was accepted) are waited out inside and reported to `onTrouble`; they never end it.
   */
  accept(onTrouble?: (error: unknown) => void): Promise<Connection | null>;
  /** Stops listening; a pending `accept` gives `null`. A unix socket's path is removed. */
  close(): void;
}

/** One connection, in the clear or secured. Only one read and one write may be pending at a time. */
export interface Connection {
  /** Our end. */
  readonly local: SocketAddress;
  /** The peer's end. IPv4 peers of a dual-stack socket appear in dotted form, not `::ffff:`. */
  readonly remote: SocketAddress;
  /** What TLS agreed on, `null` in the clear. */
  readonly tls: TlsInfo | null;
  /** Reads at least one octet; gives how many, or `null` at the peer's orderly end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes all of it. The bytes belong to the connection until the promise settles. */
  write(bytes: Uint8Array): Promise<void>;
  /** Says that no more will be written (FIN, or TLS close_notify). */
  closeWrite(): Promise<void>;
  /** Ends both directions at once; wakes a pending read or write. Harmless when already closed. */
  close(): void;
  /**
   * Becomes the server's side of TLS on this socket. This connection must not be used afterwards.
   * `received` is what was already read of the peer's first flight.
   *
   * @throws when the handshake fails; the socket is closed then.
   */
  startTlsServer(server: TlsServer, received?: Uint8Array): Promise<Connection>;
  /**
   * Becomes the client's side of TLS on this socket. This connection must not be used afterwards.
   *
   * @throws when the handshake fails or, with `verify`, the certificate is not valid for the name;
   * the socket is closed then.
   */
  startTlsClient(options: TlsClientOptions): Promise<Connection>;
}
