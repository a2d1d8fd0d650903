/**
 * A plaintext socket of `node:net` as a {@link Connection}: for a runtime that has no sockets of its own, and
 * for what those cannot do, which in Deno is to connect from a chosen address. It reads ahead as far as the
 * stream does (64 KiB at most).
 *
 * What fails: as every connection; `connectTo` with EADDRNOTAVAIL where the source is not ours, or of the other
 * family.
 *
 * @module
 */

import { connect, type NetConnectOpts, type Socket } from "node:net";
import process from "node:process";
import type { Connection, ConnectOptions, SocketAddress } from "./network.ts";
import { nodeAddress } from "./node_address.ts";
import { secureClient, secureServer } from "./node_tls.ts";
import { acceptTls, connectTls, type Secured } from "./node_tls_handshake.ts";
import { errorCode, SystemError } from "./system_error.ts";
import type { TlsClientOptions, TlsInfo, TlsServer } from "./tls.ts";

/**
 * Whether TLS is given the socket itself. Bun's is made for that: over a stream of ours it chooses no certificate by
 * name and knows no half-closed connection. Deno's reads such a socket however much its own reader lags behind.
 */
const OVER_SOCKETS = process.versions["bun"] !== undefined;

/** Connects, by TCP also from an address of ours. */
export function connectTo(
  address: SocketAddress,
  options: ConnectOptions = {},
): Promise<Connection> {
  const { signal, source } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const socket = connect({ ...targetOf(address, source), allowHalfOpen: true });
  const onAbort = () => {
    socket.destroy();
    reject(signal!.reason);
  };
  const onError = (error: Error) => {
    socket.destroy();
    reject(source === undefined ? error : sourceError(error, source));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.once("error", onError);
  socket.once("connect", () => {
    socket.off("error", onError);
    const ends = { local: { transport: "unix", path: "" }, remote: address } as const;
    resolve(new NodeConnection(socket, address.transport === "unix" ? ends : {}));
  });
  return promise.finally(() => signal?.removeEventListener("abort", onAbort));
}

function targetOf(address: SocketAddress, source: string | undefined): NetConnectOpts {
  if (address.transport === "unix") return { path: address.path };
  const { hostname: host, port } = address;
  const from = source === undefined ? {} : { localAddress: source };
  return { host, port, ...from, noDelay: true };
}

/** The kernel's words for an address that is not ours, or of the wrong family, differ by the way there. */
function sourceError(error: Error, source: string): Error {
  const code = errorCode(error);
  if (code !== "EINVAL" && code !== "EAFNOSUPPORT") return error;
  return new SystemError("EADDRNOTAVAIL", `cannot connect from ${source}`, { cause: error });
}

/** The ends of a connection, where the socket does not tell. */
export interface KnownEnds {
  readonly local?: SocketAddress | undefined;
  readonly remote?: SocketAddress | undefined;
}

/** A TCP or unix socket, in the clear. */
export class NodeConnection implements Connection {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly tls: TlsInfo | null;
  readonly #socket: Socket;
  #ended = false;
  #closed = false;
  #failure: unknown = null;
  #wakeRead: (() => void) | null = null;
  #failWrite: (() => void) | null = null;
  /** What this has become. */
  #secured: NodeConnection | null = null;
  readonly #onReadable = () => this.#wakeRead?.();
  readonly #onEnd = () => {
    this.#ended = true;
    this.#wakeRead?.();
  };
  readonly #onError = (error: unknown) => this.#fail(error);
  readonly #onClose = () => this.#fail(reset());

  /** Takes a connected socket over: `socket` must not be used elsewhere any more. */
  constructor(socket: Socket, { local, remote }: KnownEnds = {}, tls: TlsInfo | null = null) {
    this.#socket = socket;
    this.tls = tls;
    // Of a unix socket one end at least has no name.
    const unnamed = local?.transport === "unix" ? { transport: "unix", path: "" } as const : null;
    this.local = local ?? nodeAddress(socket.localAddress, socket.localPort);
    this.remote = remote ?? unnamed ?? nodeAddress(socket.remoteAddress, socket.remotePort);
    socket.on("readable", this.#onReadable).on("end", this.#onEnd);
    socket.on("error", this.#onError).on("close", this.#onClose);
    // It was reset before it came here, and tells no more of it.
    if (socket.destroyed) this.#fail(reset());
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#closed) throw badDescriptor();
    for (;;) {
      if (this.#failure !== null && !this.#ended) throw this.#failure;
      const chunk = this.#take(into.length);
      if (chunk !== null) {
        into.set(chunk);
        return chunk.length;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wakeRead = resolve);
      this.#wakeRead = null;
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#whileOpen((done) => this.#socket.write(bytes, done));
  }

  closeWrite(): Promise<void> {
    return this.#whileOpen((done) => this.#socket.end(() => done()));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = false;
    this.#failure = new SystemError("ECANCELED", "woken by close");
    this.#secured?.close();
    this.#socket.destroy();
    this.#wakeRead?.();
    this.#failWrite?.();
  }

  startTlsServer(server: TlsServer, received?: Uint8Array): Promise<Connection> {
    const refused = this.#refuseTls();
    if (refused !== null) return Promise.reject(refused);
    if (!OVER_SOCKETS) return secureServer(this, server, received);
    if (received !== undefined) this.#socket.unshift(received);
    return this.#secure(() => acceptTls(this.#socket, server));
  }

  startTlsClient(options: TlsClientOptions): Promise<Connection> {
    const refused = this.#refuseTls();
    if (refused !== null) return Promise.reject(refused);
    if (!OVER_SOCKETS) return secureClient(this, options);
    return this.#secure(() => connectTls(this.#socket, options));
  }

  #refuseTls(): SystemError | null {
    if (this.#closed) return badDescriptor();
    return this.tls === null
      ? null
      : new SystemError("EPROTO", "the connection is secured already");
  }

  /** Hands the socket over to TLS, with what it has read ahead. */
  async #secure(handshake: () => Promise<Secured>): Promise<Connection> {
    const raw = this.#socket;
    raw.off("readable", this.#onReadable).off("end", this.#onEnd).off("close", this.#onClose);
    try {
      const { socket, info } = await handshake();
      this.#secured = new NodeConnection(socket, { local: this.local, remote: this.remote }, info);
    } catch (error) {
      const canceled = this.#closed;
      this.close();
      throw canceled ? new SystemError("ECANCELED", "woken by close", { cause: error }) : error;
    }
    if (this.#closed) this.#secured.close();
    return this.#secured;
  }

  /** What the stream has, at most so much; asks it for more where it has nothing. */
  #take(limit: number): Uint8Array | null {
    const length = Math.min(limit, this.#socket.readableLength);
    const chunk = this.#socket.read(length);
    return length === 0 ? null : chunk;
  }

  /** One call of the socket with a callback; rejects, too, when the socket ends without calling. */
  #whileOpen(call: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#closed) return Promise.reject(badDescriptor());
    return new Promise((resolve, reject) => {
      this.#failWrite = () => reject(this.#failure);
      call((error) => {
        this.#failWrite = null;
        if (error) reject(this.#failure ?? error);
        else resolve();
      });
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wakeRead?.();
    this.#failWrite?.();
  }
}

function reset(): SystemError {
  return new SystemError("ECONNRESET", "the connection was reset");
}

function badDescriptor(): SystemError {
  return new SystemError("EBADF", "the connection is closed");
}
