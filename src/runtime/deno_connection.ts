/**
 * One plaintext socket of Deno as a {@link Connection}. It holds nothing but the socket: no buffer,
 * no timer, so an idle connection costs what its owner reads into. Time-outs are its owner's:
 * `close()` wakes what is pending with ECANCELED. TLS is made on top of it by `node_tls.ts`.
 *
 * @module
 */

import { rethrow } from "./deno_errors.ts";
import type { Connection, SocketAddress } from "./network.ts";
import { secureClient, secureServer } from "./node_tls.ts";
import { SystemError } from "./system_error.ts";
import type { TlsClientOptions, TlsServer } from "./tls.ts";

/** A TCP or unix socket, in the clear. */
export class DenoConnection implements Connection {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly tls = null;
  readonly #conn: Deno.Conn;
  #closed = false;

  /** Takes a socket over: `conn` must not be used elsewhere any more. */
  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.local = socketAddress(conn.localAddr);
    this.remote = socketAddress(conn.remoteAddr);
    // Replies are gathered into one write each, so Nagle's algorithm could only delay them. A peer
    // that is gone already makes this fail; the first read will tell.
    try {
      if (this.remote.transport === "tcp") (conn as Deno.TcpConn).setNoDelay(true);
    } catch { /* told by the first read */ }
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#conn.read(into).catch(rethrow);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#conn.write(bytes).then(
      (written) => written < bytes.length ? this.write(bytes.subarray(written)) : undefined,
      rethrow,
    );
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite().catch(rethrow);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  startTlsServer(server: TlsServer, received?: Uint8Array): Promise<Connection> {
    if (this.#closed) return Promise.reject(alreadyClosed());
    return secureServer(this, server, received);
  }

  startTlsClient(options: TlsClientOptions): Promise<Connection> {
    if (this.#closed) return Promise.reject(alreadyClosed());
    return secureClient(this, options);
  }
}

function alreadyClosed(): SystemError {
  return new SystemError("EBADF", "the connection is closed");
}

/**
 * Deno's address as ours. A dual-stack socket gives IPv4 peers as `::ffff:a.b.c.d` (RFC 4291
 * §2.5.5.2); policies and logs shall see one form of an address only. An unnamed unix peer has the
 * path `""`.
 */
export function socketAddress(addr: Deno.Addr): SocketAddress {
  if (!("hostname" in addr)) {
    return { transport: "unix", path: ("path" in addr && addr.path) || "" };
  }
  const hostname = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(addr.hostname)?.[1] ?? addr.hostname;
  return { transport: "tcp", hostname, port: addr.port };
}
