/**
 * Connections in memory: a socket is two pipes, one each way; a connection is a socket and what TLS
 * agreed on over it. Stricter than a real one: a second read or write at the same time throws where a
 * real one might mix up octets.
 *
 * @module
 */

import type { Pipe } from "./memory_pipe.ts";
import { secureClient, secureServer } from "./memory_tls.ts";
import type { Connection, SocketAddress } from "./network.ts";
import { SystemError } from "./system_error.ts";
import type { TlsClientOptions, TlsInfo, TlsServer } from "./tls.ts";

/** One end of a link. */
export interface MemoryEnd {
  /** Its own address. */
  readonly local: SocketAddress;
  /** The other end's. */
  readonly remote: SocketAddress;
  /** What the other end writes. */
  readonly incoming: Pipe;
  /** What this end writes. */
  readonly outgoing: Pipe;
  /** Called once, when this end is closed. */
  readonly onClose: () => void;
}

/** A connection over one end of a link, in the clear or secured. */
export class MemoryConnection implements Connection {
  readonly tls: TlsInfo | null;
  readonly #end: MemoryEnd;
  #closed = false;

  /** In the clear, or secured with what `tls` says. */
  constructor(end: MemoryEnd, tls: TlsInfo | null = null) {
    this.#end = end;
    this.tls = tls;
  }

  get local(): SocketAddress {
    return this.#end.local;
  }

  get remote(): SocketAddress {
    return this.#end.remote;
  }

  // deno-lint-ignore require-await
  async read(into: Uint8Array): Promise<number | null> {
    this.#checkOpen();
    return this.#end.incoming.read(into);
  }

  // deno-lint-ignore require-await
  async write(bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    return this.#end.outgoing.write(bytes);
  }

  // deno-lint-ignore require-await
  async closeWrite(): Promise<void> {
    this.#checkOpen();
    this.#end.outgoing.end();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end.outgoing.end();
    this.#end.incoming.abandon();
    this.#end.onClose();
  }

  startTlsServer(server: TlsServer, received?: Uint8Array): Promise<Connection> {
    return this.#startTls(() => secureServer(this, server, received));
  }

  startTlsClient(options: TlsClientOptions): Promise<Connection> {
    return this.#startTls(() => secureClient(this, options));
  }

  /** A failed handshake closes the socket; one that `close()` cut off says so. */
  async #startTls(handshake: () => Promise<TlsInfo>): Promise<Connection> {
    this.#checkOpen();
    if (this.tls !== null) throw new SystemError("EPROTO", "the connection is secured already");
    try {
      return new MemoryConnection(this.#end, await handshake());
    } catch (error) {
      if (this.#closed) throw new SystemError("ECANCELED", "woken by close", { cause: error });
      this.close();
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new SystemError("EBADF", "the connection is closed");
  }
}
