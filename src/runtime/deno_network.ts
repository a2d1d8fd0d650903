/**
 * Listening and connecting by Deno. The accept loop is by hand: after one EMFILE `for await` over a
 * listener ends, and a mail server that stopped accepting would be dead without anybody knowing.
 *
 * What fails: `listen` and `connect` throw with an errno `code` (EADDRINUSE, ECONNREFUSED,
 * ENOTFOUND, …). `accept` never throws: its troubles are reported and waited out.
 *
 * @module
 */

import { DenoConnection, socketAddress } from "./deno_connection.ts";
import { rethrow, withErrorCode } from "./deno_errors.ts";
import { mayUse, notPermitted } from "./deno_permissions.ts";
import type {
  Connection,
  ConnectOptions,
  Listener,
  ListenOptions,
  Network,
  SocketAddress,
} from "./network.ts";
import { connectTo } from "./node_connection.ts";
import { NodeTlsServer } from "./node_tls_server.ts";
import { errorCode } from "./system_error.ts";
import type { TlsServer, TlsServerOptions } from "./tls.ts";

/** Milliseconds between two tries to accept when the machine is short of something. */
const TROUBLE_PAUSE = 100;

/** Troubles of one peer and not of the machine: the next accept may well work at once. */
const PEER_TROUBLES: ReadonlySet<string | undefined> = new Set([
  "ECONNABORTED",
  "ECONNRESET",
  "ECANCELED",
  "EPROTO",
]);

/** The sockets of this machine. */
export class DenoNetwork implements Network {
  /** Listeners on unix sockets that are closed and still have their path. */
  readonly #leaving = new Map<string, Promise<unknown>>();

  /** An unstable API: it is there with `--unstable-net`, and to ask for it without ends the process. */
  readonly canShare: boolean = "listenDatagram" in Deno;

  async listen(address: SocketAddress, options: ListenOptions = {}): Promise<Listener> {
    if (address.transport === "unix") await this.#leaving.get(address.path);
    try {
      return this.#open(address, options);
    } catch (error) {
      if (address.transport === "unix" && await isStale(address.path, error)) {
        try {
          await Deno.remove(address.path);
          return this.#open(address, options);
        } catch (again) {
          rethrow(again);
        }
      }
      rethrow(error);
    }
  }

  #open(address: SocketAddress, { shared = false }: ListenOptions): Listener {
    const leaving = this.#leaving;
    return new DenoListener(open(address, shared && this.canShare), (left) => {
      if (address.transport !== "unix") return;
      leaving.set(address.path, left);
      left.finally(() => leaving.delete(address.path));
    });
  }

  async connect(address: SocketAddress, options: ConnectOptions = {}): Promise<Connection> {
    const { signal, source } = options;
    signal?.throwIfAborted();
    try {
      if (address.transport === "unix") return await connectUnix(address.path, signal);
      // Deno's own connect has no way to choose the address of this end.
      if (source !== undefined) return await connectByNode(source, address, signal);
      const { hostname, port } = address;
      return new DenoConnection(await Deno.connect({ hostname, port, signal }));
    } catch (error) {
      signal?.throwIfAborted();
      rethrow(error);
    }
  }

  tlsServer(options: TlsServerOptions): TlsServer {
    return new NodeTlsServer(options);
  }
}

/** A listening socket of Deno. */
export class DenoListener implements Listener {
  readonly address: SocketAddress;
  readonly #listener: Deno.Listener;
  readonly #onClose: (left: Promise<unknown>) => void;
  /** Settles when no accept is pending. */
  #accepting: Promise<unknown> = Promise.resolve();
  #closed = false;
  #endPause: (() => void) | null = null;

  /**
   * Takes a socket over: `listener` must not be used elsewhere any more.
   *
   * @param onClose is told when it is closed, with what settles when its address is free again.
   */
  constructor(listener: Deno.Listener, onClose: (left: Promise<unknown>) => void = () => {}) {
    this.#listener = listener;
    this.#onClose = onClose;
    this.address = socketAddress(listener.addr);
  }

  async accept(onTrouble?: (error: unknown) => void): Promise<Connection | null> {
    while (!this.#closed) {
      try {
        const accepting = this.#listener.accept();
        this.#accepting = accepting;
        return new DenoConnection(await accepting);
      } catch (error) {
        if (this.#closed) return null;
        const trouble = withErrorCode(error);
        onTrouble?.(trouble);
        if (!PEER_TROUBLES.has(errorCode(trouble))) await this.#pause();
      }
    }
    return null;
  }

  /**
   * Deno removes the path of a unix socket itself, but not before the accept that is pending has ended, a turn of
   * the event loop later: who listens there too early finds it taken, and would lose it again.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    this.#onClose(this.#accepting.catch(() => {}));
    this.#endPause?.();
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, TROUBLE_PAUSE);
    this.#endPause = resolve;
    await promise;
    this.#endPause = null;
    clearTimeout(timer);
  }
}

function open(address: SocketAddress, reusePort: boolean): Deno.Listener {
  if (address.transport === "unix") return Deno.listen({ transport: "unix", path: address.path });
  const { hostname, port } = address;
  return Deno.listen({ hostname, port, ...(reusePort && { reusePort }) });
}

/**
 * Whether a path is taken only by the socket of a process that is gone: nobody answers there. A
 * file that is no socket refuses a connect too, and must not be touched.
 */
async function isStale(path: string, error: unknown): Promise<boolean> {
  if (errorCode(error) !== "EADDRINUSE") return false;
  try {
    if (!(await Deno.lstat(path)).isSocket) return false;
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (refused) {
    return errorCode(refused) === "ECONNREFUSED";
  }
}

async function connectByNode(
  source: string,
  address: { readonly hostname: string; readonly port: number },
  signal?: AbortSignal,
): Promise<Connection> {
  if (!await mayUse(source, 0)) throw notPermitted(source);
  if (!await mayUse(address.hostname, address.port)) throw notPermitted(address.hostname);
  return await connectTo({ transport: "tcp", ...address }, { source, signal });
}

/** Deno's connect takes no signal for unix sockets; a connection that comes too late is closed. */
async function connectUnix(path: string, signal?: AbortSignal): Promise<Connection> {
  const connecting = Deno.connect({ transport: "unix", path });
  if (signal === undefined) return new DenoConnection(await connecting);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return new DenoConnection(await Promise.race([connecting, aborted]));
  } catch (error) {
    connecting.then((late) => late.close(), () => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
