/**
 * TLS over any plaintext {@link Connection}, both ways, by `node:tls`. Knows no runtime but Node's
 * built-ins, so every adapter that has them can use it.
 *
 * What fails: the handshakes, see `node_tls_handshake.ts`, and what any connection does. The peer's
 * end of TCP counts as an orderly end even without close_notify: many mail systems never send one,
 * and SMTP marks the ends of its commands and messages itself.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
import type { Connection, SocketAddress } from "./network.ts";
import { acceptTls, connectTls } from "./node_tls_handshake.ts";
import { errorCode, SystemError } from "./system_error.ts";
import type { TlsClientOptions, TlsInfo, TlsServer } from "./tls.ts";
import { TlsCarrier } from "./tls_carrier.ts";

/** Octets encrypted at once: what is in flight is held in memory twice. */
const WRITE_PIECE = 64 * 1024;

/** Becomes the server's side of TLS; see {@link Connection.startTlsServer}. */
export async function secureServer(
  plain: Connection,
  server: TlsServer,
  received?: Uint8Array,
): Promise<Connection> {
  const carrier = new TlsCarrier(plain, received);
  const { socket, info } = await acceptTls(carrier.duplex, server);
  return new TlsConnection(plain, carrier, socket, info);
}

/** Becomes the client's side of TLS; see {@link Connection.startTlsClient}. */
export async function secureClient(
  plain: Connection,
  options: TlsClientOptions,
): Promise<Connection> {
  const carrier = new TlsCarrier(plain);
  const { socket, info } = await connectTls(carrier.duplex, options);
  return new TlsConnection(plain, carrier, socket, info);
}

/** A secured connection. Decrypts only what is asked for, see {@link TlsCarrier}. */
class TlsConnection implements Connection {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly tls: TlsInfo;
  readonly #plain: Connection;
  readonly #carrier: TlsCarrier;
  readonly #socket: TLSSocket;
  /** Decrypted but not yet read. */
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  /** Closed by its owner. */
  #closed = false;
  /** Closed by whomever. */
  #over = false;
  #failure: unknown = null;
  #wakeRead: (() => void) | null = null;
  #failWrite: (() => void) | null = null;

  constructor(plain: Connection, carrier: TlsCarrier, socket: TLSSocket, info: TlsInfo) {
    this.local = plain.local;
    this.remote = plain.remote;
    this.tls = info;
    this.#plain = plain;
    this.#carrier = carrier;
    this.#socket = socket;
    carrier.want(0);
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      carrier.want(0);
      this.#wakeRead?.();
    });
    socket.on("end", () => {
      this.#ended = true;
      this.#wakeRead?.();
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#stop());
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#closed) throw badDescriptor();
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk !== undefined) return this.#copy(chunk, into);
      if (this.#ended) return null;
      if (this.#over) throw this.#reason();
      await new Promise<void>((resolve) => {
        this.#wakeRead = resolve;
        this.#carrier.want(into.length);
      });
      this.#wakeRead = null;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += WRITE_PIECE) {
      await this.#writePiece(bytes.subarray(at, at + WRITE_PIECE));
    }
  }

  closeWrite(): Promise<void> {
    return this.#whileOpen((done) => this.#socket.end(done));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#chunks.length = 0;
    this.#plain.close();
    this.#socket.destroy();
    this.#stop();
  }

  startTlsServer(): Promise<Connection> {
    return Promise.reject(new SystemError("EPROTO", "the connection is secured already"));
  }

  startTlsClient(): Promise<Connection> {
    return this.startTlsServer();
  }

  #copy(chunk: Uint8Array, into: Uint8Array): number {
    const length = Math.min(chunk.length, into.length);
    into.set(chunk.subarray(0, length));
    if (length === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(length);
    return length;
  }

  #writePiece(piece: Uint8Array): Promise<void> {
    return this.#whileOpen((done) => this.#socket.write(piece, done));
  }

  /** One call of the socket with a callback; rejects, too, when the socket ends without calling. */
  #whileOpen(call: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#closed) return Promise.reject(badDescriptor());
    if (this.#over) return Promise.reject(this.#reason());
    return new Promise((resolve, reject) => {
      this.#failWrite = () => reject(this.#reason());
      call((error) => {
        this.#failWrite = null;
        if (error) reject(this.#reason());
        else resolve();
      });
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= errorOfStream(this.#carrier.errored ?? error);
    this.#stop();
  }

  #stop(): void {
    this.#over = true;
    this.#wakeRead?.();
    this.#failWrite?.();
  }

  /** Why it is over. Made when somebody asks: most ends are of no interest, and an error's stack is costly. */
  #reason(): unknown {
    if (this.#closed) return new SystemError("ECANCELED", "woken by close");
    // A reset shows as `close` without `error`.
    return this.#failure ?? errorOfStream(this.#carrier.errored ?? reset());
  }
}

/** Errors of the socket keep their errno; TLS's own (a forged record, an alert) become EPROTO. */
function errorOfStream(error: unknown): unknown {
  const code = errorCode(error);
  if (code !== undefined && /^E[A-Z]+$/.test(code)) return error;
  return new SystemError("EPROTO", `TLS: ${error instanceof Error ? error.message : error}`, {
    cause: error,
  });
}

function reset(): SystemError {
  return new SystemError("ECONNRESET", "the connection was reset");
}

function badDescriptor(): SystemError {
  return new SystemError("EBADF", "the connection is closed");
}
