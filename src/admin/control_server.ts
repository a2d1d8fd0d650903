/**
 * The control socket of a running station: a unix socket over which its operator asks for things. It
 * knows how requests come and answers go, and leaves what they mean to its commands. Several clients may
 * ask at once; an answer is made no faster than it is read; a client that goes away ends its own.
 *
 * Who may connect: the owner of the socket, and root. Its mode is made 0600 as soon as it is there; until
 * then (and where files have no modes) it is 0755, which on Linux lets nobody else connect either, and
 * it lies in a folder of mode 0700. There are no passwords: whoever may connect owns the mail anyway.
 *
 * What fails: `start` throws what listening throws (`EADDRINUSE` when another server answers there, `ENAMETOOLONG`);
 * afterwards every fault ends one answer, as an error the client is told.
 *
 * @module
 */

import { encode } from "../bytes.ts";
import { describeError } from "../events.ts";
import type { Files } from "../runtime/files.ts";
import { openFresh } from "../runtime/fresh_file.ts";
import {
  type Connection,
  type Listener,
  type Network,
  SOCKET_PATH_LIMIT,
} from "../runtime/network.ts";
import type { Clock } from "../runtime/runtime.ts";
import { errorCode, SystemError } from "../runtime/system_error.ts";
import {
  CONTROL_VERSION,
  type ControlEnd,
  ControlError,
  type ControlLine,
  type JsonObject,
  parseControlLine,
  REQUEST_LIMIT,
} from "./control_protocol.ts";
import { LineTooLongError, readLines } from "./line_reader.ts";
import { LineWriter } from "./line_writer.ts";

/**
 * Answers one kind of request: yields lines, and returns what the end shall say beside `ok`. It should
 * stop soon when the signal is aborted: the client is gone or the server stops.
 *
 * @throws {ControlError} for what the client shall be told; anything else is told as `failed`.
 */
export type ControlCommand = (
  request: JsonObject,
  signal: AbortSignal,
) => AsyncGenerator<ControlLine, JsonObject, void>;

/** What a control server is made of. */
export interface ControlServerOptions {
  readonly network: Network;
  readonly files: Files;
  readonly clock: Clock;
  /** Where the socket shall lie: in a folder of mode 0700. */
  readonly path: string;
  /** By the name in `do`. */
  readonly commands: Readonly<Record<string, ControlCommand>>;
  /** Is told of faults that no client sees. */
  readonly onFault?: (error: unknown) => void;
  /** Clients at once; default 32. */
  readonly clients?: number;
}

/** Milliseconds a client has to say what it wants. */
const REQUEST_TIME = 10_000;

/** Milliseconds that answers have to say that they end, when the server stops. */
const FAREWELL_TIME = 500;

/** The server's side of the control socket. */
export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #listener: Listener;
  readonly #stopping = new AbortController();
  readonly #running = new Map<Connection, Promise<void>>();
  readonly #accepting: Promise<void>;

  private constructor(options: ControlServerOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.#accepting = this.#accept();
  }

  /** Listens; a socket that a dead process left is replaced. */
  static async start(options: ControlServerOptions): Promise<ControlServer> {
    const listener = await listen(options);
    try {
      await makePrivate(options.files, options.path);
    } catch (error) {
      listener.close();
      throw error;
    }
    return new ControlServer(options, listener);
  }

  /** Stops listening and ends all answers; resolves when all is quiet. */
  async stop(): Promise<void> {
    this.#stopping.abort(new ControlError("stopping", "the server is going down"));
    this.#listener.close();
    await this.#accepting;
    const quiet = new AbortController();
    const { clock } = this.#options;
    // A client that reads no more must not hold up the stop: closing wakes what waits for it.
    clock.sleep(FAREWELL_TIME, quiet.signal).then(() => {
      for (const connection of this.#running.keys()) connection.close();
    }, () => {});
    await Promise.all(this.#running.values());
    quiet.abort();
  }

  async #accept(): Promise<void> {
    const onFault = (error: unknown) => this.#options.onFault?.(error);
    for (;;) {
      const connection = await this.#listener.accept(onFault).catch((error) => {
        onFault(error);
        return null;
      });
      if (connection === null) return;
      const task = this.#serve(connection).catch(onFault).finally(() => {
        connection.close();
        this.#running.delete(connection);
      });
      this.#running.set(connection, task);
    }
  }

  async #serve(connection: Connection): Promise<void> {
    const gone = new AbortController();
    const signal = AbortSignal.any([gone.signal, this.#stopping.signal]);
    const writer = new LineWriter(connection);
    try {
      await writer.write(await this.#converse(connection, writer, gone, signal));
      await writer.flush();
      await connection.closeWrite();
    } catch (error) {
      // A client that goes away in the middle is no fault of ours.
      if (!gone.signal.aborted && errorCode(error) === undefined) throw error;
    }
  }

  /** From the request to the end of the answer, which is not yet written. */
  async #converse(
    connection: Connection,
    writer: LineWriter,
    gone: AbortController,
    signal: AbortSignal,
  ): Promise<ControlEnd> {
    const lines = readLines(connection, REQUEST_LIMIT);
    try {
      const request = await this.#readRequest(connection, lines);
      // Nothing more is to come: what does come, or the end, says that the client is gone.
      lines.next().then(() => gone.abort(), () => gone.abort());
      const extra = await this.#answer(request, writer, signal);
      return { ...extra, type: "end", ok: true };
    } catch (error) {
      if (gone.signal.aborted) throw error;
      return { type: "end", ok: false, error: explain(error) };
    }
  }

  async #readRequest(
    connection: Connection,
    lines: AsyncGenerator<Uint8Array>,
  ): Promise<JsonObject> {
    const inTime = new AbortController();
    const stop = AbortSignal.any([inTime.signal, this.#stopping.signal]);
    this.#options.clock.sleep(REQUEST_TIME, stop).then(() => connection.close(), () => {});
    const { value: line } = await lines.next().finally(() => inTime.abort());
    const request = parseControlLine(line ?? new Uint8Array(0));
    if (request === null) throw new ControlError("bad-request", "the request is no JSON object");
    if (request.yizhan !== CONTROL_VERSION) {
      throw new ControlError(
        "version",
        `this server speaks version ${CONTROL_VERSION} of the control protocol; ` +
          "use the yizhan it was started with, or restart it",
      );
    }
    if (this.#running.size > (this.#options.clients ?? 32)) {
      throw new ControlError("busy", "too many ask at once; try again in a moment");
    }
    return request;
  }

  async #answer(
    request: JsonObject,
    writer: LineWriter,
    signal: AbortSignal,
  ): Promise<JsonObject> {
    const { commands } = this.#options;
    const name = request.do;
    if (typeof name !== "string" || !Object.hasOwn(commands, name)) {
      throw new ControlError("bad-request", `this server knows no command ${JSON.stringify(name)}`);
    }
    const lines = commands[name]!(request, signal);
    try {
      for (;;) {
        signal.throwIfAborted();
        const { done, value } = await lines.next();
        if (done) return value;
        await writer.write(value);
      }
    } finally {
      await lines.return({}).catch(() => {});
    }
  }
}

function explain(error: unknown): { code: string; message: string } {
  if (error instanceof ControlError) return { code: error.code, message: error.message };
  if (error instanceof LineTooLongError) return { code: "bad-request", message: error.message };
  return { code: "failed", message: describeError(error) };
}

async function listen({ network, path }: ControlServerOptions): Promise<Listener> {
  const size = encode(path).length;
  if (size > SOCKET_PATH_LIMIT) {
    const message =
      `the path of a socket has at most ${SOCKET_PATH_LIMIT} octets, this has ${size}: ${path}`;
    throw new SystemError("ENAMETOOLONG", message);
  }
  // A socket that a dead process left is replaced, that of a living one is EADDRINUSE.
  return await network.listen({ transport: "unix", path });
}

/** Mode 0600, by way of a file that has it. */
async function makePrivate(files: Files, path: string): Promise<void> {
  if (await files.stat(path) === null) return; // no file system knows this socket
  const pattern = `${path}.mode`;
  const handle = await openFresh(files, pattern);
  handle.close();
  try {
    await files.copyAccess(pattern, path);
  } finally {
    await files.remove(pattern);
  }
}
