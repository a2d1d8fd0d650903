/**
 * Listening and connecting by `node:net`, for a runtime that has no sockets of its own.
 *
 * `node:net` accepts by itself and cannot be told to wait; so a few connections wait here for `accept()`, and
 * what comes beyond them is closed at once. A server that held back at its limit would do no better: the
 * kernel's queue is as long.
 *
 * What fails: `listen` and `connect` throw with an errno `code` (EADDRINUSE, ECONNREFUSED, ENOTFOUND, …).
 * `accept` never throws: troubles are reported.
 *
 * @module
 */

import { lstatSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import type {
  Connection,
  ConnectOptions,
  Listener,
  ListenOptions,
  Network,
  SocketAddress,
} from "./network.ts";
import { connectTo, NodeConnection } from "./node_connection.ts";
import { nodeAddress } from "./node_address.ts";
import { NodeTlsServer } from "./node_tls_server.ts";
import { errorCode, SystemError } from "./system_error.ts";
import type { TlsServer, TlsServerOptions } from "./tls.ts";

/** Connections that wait for `accept()`, as many as kernels keep by default. */
const BACKLOG = 511;

/** The sockets of this machine. */
export class NodeNetwork implements Network {
  readonly canShare: boolean = process.platform === "linux";

  async listen(address: SocketAddress, { shared = false }: ListenOptions = {}): Promise<Listener> {
    if (address.transport === "tcp") return await NodeListener.open(address, shared);
    // Not left to the system: Bun takes a path over, whoever listens there.
    await freePath(address.path);
    return await NodeListener.open(address);
  }

  connect(address: SocketAddress, options: ConnectOptions = {}): Promise<Connection> {
    return connectTo(address, options);
  }

  tlsServer(options: TlsServerOptions): TlsServer {
    return new NodeTlsServer(options);
  }
}

/** A listening socket of `node:net`. */
class NodeListener implements Listener {
  readonly address: SocketAddress;
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  #troubles: unknown[] = [];
  #wake: (() => void) | null = null;
  #closed = false;

  private constructor(server: Server, asked: SocketAddress) {
    this.#server = server;
    const bound = server.address();
    this.address = asked.transport === "tcp" && typeof bound === "object" && bound !== null
      ? nodeAddress(bound.address, bound.port)
      : asked;
    server.on("connection", (socket) => this.#take(socket));
    server.on("error", (error) => {
      this.#troubles.push(error);
      this.#wake?.();
    });
  }

  static open(address: SocketAddress, shared = false): Promise<NodeListener> {
    const { promise, resolve, reject } = Promise.withResolvers<NodeListener>();
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
    server.once("error", (error) => reject(inPlainWords(error)));
    server.listen(
      address.transport === "unix"
        ? { path: address.path, backlog: BACKLOG }
        : { host: address.hostname, port: address.port, reusePort: shared, backlog: BACKLOG },
      () => {
        server.removeAllListeners("error");
        resolve(new NodeListener(server, address));
      },
    );
    return promise;
  }

  async accept(onTrouble?: (error: unknown) => void): Promise<Connection | null> {
    for (;;) {
      for (const trouble of this.#troubles.splice(0)) onTrouble?.(trouble);
      if (this.#closed) return null;
      const socket = this.#waiting.shift();
      if (socket !== undefined) {
        return new NodeConnection(socket, { local: this.#unixAddress() });
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = null;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.address.transport === "unix") removePath(this.address.path);
    this.#server.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    this.#wake?.();
  }

  #take(socket: Socket): void {
    if (this.#closed || this.#waiting.length >= BACKLOG) {
      socket.destroy();
      return;
    }
    // A peer that is gone before it is accepted must not end the process.
    socket.on("error", () => {});
    this.#waiting.push(socket);
    this.#wake?.();
  }

  #unixAddress(): SocketAddress | undefined {
    return this.address.transport === "unix" ? this.address : undefined;
  }
}

/** What the system says, by errno; `node:net` adds the call and the address, which our callers do themselves. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
};

function inPlainWords(error: unknown): unknown {
  const code = errorCode(error) ?? "";
  const words = WORDS[code];
  return words === undefined ? error : new SystemError(code, words, { cause: error });
}

/**
 * Makes a path free that is taken only by the socket of a process that is gone: nobody answers there.
 *
 * @throws `EADDRINUSE` where somebody answers, or something else than a socket lies there.
 */
async function freePath(path: string): Promise<void> {
  const kind = kindOf(path);
  if (kind === "nothing") return;
  if (kind === "socket") {
    try {
      (await connectTo({ transport: "unix", path })).close();
    } catch (error) {
      if (errorCode(error) !== "ECONNREFUSED") throw error;
      return removePath(path);
    }
  }
  throw new SystemError("EADDRINUSE", "Address already in use");
}

function kindOf(path: string): "nothing" | "socket" | "other" {
  try {
    return lstatSync(path).isSocket() ? "socket" : "other";
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "nothing";
    throw error;
  }
}

function removePath(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}
