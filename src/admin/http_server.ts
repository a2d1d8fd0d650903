/**
 * HTTP/1.1 as far as monitoring and mail programs need it (RFC 9112): one request a connection, without a body or
 * with a small one, then a response and the end. It stands on the sockets that mail stands on, so that it is the
 * same on every runtime, and everything a stranger controls is bounded: the head of a request, its body, how long
 * it takes, how many there are at once. There is no keep-alive, no chunking, no pipelining, and so nothing to
 * smuggle.
 *
 * What fails: `listen` throws what listening throws (`EADDRINUSE`, `EACCES`, …); afterwards every fault ends
 * one connection.
 *
 * @module
 */

import { concat, encode } from "../bytes.ts";
import type { Connection, Listener, Network, SocketAddress } from "../runtime/network.ts";
import type { Clock } from "../runtime/runtime.ts";
import { ClientCounts } from "../server/client_counts.ts";
import type { HttpHandler } from "./monitor.ts";

/** What a server is made of. */
export interface HttpServerOptions {
  readonly network: Network;
  readonly clock: Clock;
  /** Answers; what it throws is answered 500. */
  readonly handler: HttpHandler;
  /** Is told of faults that no client sees. */
  readonly onFault?: (error: unknown) => void;
  /** Connections at once; others are closed. Default 32. */
  readonly connections?: number;
  /** Of them of one client, by `ClientCounts`; others are closed. Default: as many. */
  readonly connectionsPerClient?: number;
  /** Milliseconds from the first octet of a request to the last of its response. Default 10,000. */
  readonly patience?: number;
  /** Octets of a request's body that are read. Default 0: none. */
  readonly bodyLimit?: number;
  /** What becomes of a connection before the request, such as TLS; it throws where that fails. */
  readonly secure?: (connection: Connection) => Promise<Connection>;
}

/** Octets of a request's head. */
const HEAD_LIMIT = 8192;
/** Octets that are still read after the response: a socket closed with octets unread is reset. */
const LAST_OCTETS = 65_536;

/** A listening server. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #listener: Listener;
  readonly #open = new Set<Connection>();
  readonly #clients = new ClientCounts();
  readonly #running: Promise<void>;

  private constructor(options: HttpServerOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.#running = this.#accept();
  }

  /** Listens. @throws what the machine says when the address cannot be had. */
  static async listen(options: HttpServerOptions, address: SocketAddress): Promise<HttpServer> {
    return new HttpServer(options, await options.network.listen(address));
  }

  /** Where it listens, with the real port. */
  get address(): SocketAddress {
    return this.#listener.address;
  }

  /** Stops listening and breaks off what is under way; resolves when the socket is free. */
  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
    await this.#running;
  }

  async #accept(): Promise<void> {
    const { connections = 32, connectionsPerClient = connections } = this.#options;
    const onFault = (error: unknown) => this.#options.onFault?.(error);
    for (let connection; (connection = await this.#listener.accept(onFault)) !== null;) {
      // One client alone must not keep all others out, such as an authority that looks for a proof.
      const client = this.#open.size >= connections
        ? null
        : this.#clients.enter(connection.remote, connectionsPerClient);
      if (client === null) connection.close();
      else this.#serve(connection).then(() => this.#clients.leave(client));
    }
  }

  /** Never rejects. */
  async #serve(plain: Connection): Promise<void> {
    this.#open.add(plain);
    const { clock, secure, patience = 10_000, bodyLimit = 0 } = this.#options;
    const done = new AbortController();
    clock.sleep(patience, done.signal).then(() => plain.close(), () => {});
    let connection = plain;
    try {
      if (secure !== undefined) connection = await secure(plain);
      const request = await readRequest(connection, bodyLimit);
      if (request === null) return; // gone without a word
      const response = typeof request === "number" ? failure(request) : await this.#answer(request);
      const isHead = typeof request !== "number" && request.method === "HEAD";
      await connection.write(await formatResponse(response, isHead));
      await connection.closeWrite();
      await drain(connection);
    } catch {
      // The client is gone, or out of time.
    } finally {
      done.abort();
      connection.close();
      plain.close();
      this.#open.delete(plain);
    }
  }

  async #answer(request: Request): Promise<Response> {
    try {
      return await this.#options.handler(request);
    } catch (error) {
      this.#options.onFault?.(error);
      return failure(500);
    }
  }
}

/** The request; the status that says what is wrong with it; `null` where none came. */
async function readRequest(
  connection: Connection,
  bodyLimit: number,
): Promise<Request | number | null> {
  const buffer = new Uint8Array(HEAD_LIMIT);
  let text = "";
  let looked = 0;
  for (let size = 0; size < HEAD_LIMIT;) {
    const length = await connection.read(buffer.subarray(size));
    if (length === null) return size === 0 ? null : 400;
    text += LATIN1.decode(buffer.subarray(size, size + length));
    size += length;
    const end = text.indexOf("\r\n\r\n", looked);
    // It may come octet by octet: what was looked at is not looked at again.
    looked = Math.max(0, size - 3);
    if (end < 0) continue;
    const request = parseRequest(text.slice(0, end));
    if (typeof request === "number" || bodyLimit === 0) return request;
    return await withBody(connection, request, buffer.subarray(end + 4, size), bodyLimit);
  }
  return 431;
}

/** The same request with its body; the length must be said ahead (RFC 9112 §6.3). */
async function withBody(
  connection: Connection,
  request: Request,
  begun: Uint8Array,
  limit: number,
): Promise<Request | number | null> {
  const { method, url, headers } = request;
  if (headers.has("transfer-encoding")) return 411;
  const said = headers.get("content-length") ?? "0";
  if (!/^\d{1,9}$/.test(said)) return 400;
  const size = Number(said);
  if (size > limit) return 413;
  if (size === 0 || method === "GET" || method === "HEAD") return request;
  const body = new Uint8Array(size);
  body.set(begun.subarray(0, size));
  for (let at = Math.min(begun.length, size); at < size;) {
    const length = await connection.read(body.subarray(at));
    if (length === null) return null;
    at += length;
  }
  return new Request(url, { method, headers, body });
}

const LATIN1 = new TextDecoder("latin1");

/**
 * Reads the head of a request, without the empty line at its end: the request, or the status to refuse it with.
 * Its URL has no host: the field Host has what the client calls us.
 */
export function parseRequest(head: string): Request | number {
  const [start = "", ...fields] = head.split("\r\n");
  const parts = /^([A-Z]{1,20}) (\/[!-~]*) HTTP\/(\d)\.\d$/.exec(start);
  if (parts === null) return 400;
  const [, method = "", target = "", version = ""] = parts;
  if (version !== "1") return 505;
  // RFC 9112 §3.2: whoever says two means to be taken for two.
  if (fields.filter((field) => /^host:/i.test(field)).length > 1) return 400;
  const headers = new Headers();
  try {
    for (const field of fields) {
      const pair = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(field);
      if (pair === null) return 400;
      headers.append(pair[1]!, pair[2]!);
    }
    return new Request(`http://localhost${target}`, { method, headers });
  } catch {
    return 400; // a field with a control character, or a method that no program may use
  }
}

async function formatResponse(response: Response, isHead: boolean): Promise<Uint8Array> {
  const body = new Uint8Array(await response.arrayBuffer());
  const { status, headers } = response;
  const lines = [`HTTP/1.1 ${status} ${REASONS.get(status) ?? ""}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  lines.push(`content-length: ${body.length}`, "connection: close", "", "");
  const head = encode(lines.join("\r\n"));
  return isHead ? head : concat([head, body]);
}

function failure(status: number): Response {
  const text = `${REASONS.get(status)}\n`;
  return new Response(text, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}

async function drain(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (let heard = 0; heard < LAST_OCTETS;) {
    const length = await connection.read(buffer);
    if (length === null) return;
    heard += length;
  }
}

/** RFC 9110 §15: those that this server says. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [200, "OK"],
  [301, "Moved Permanently"],
  [400, "Bad Request"],
  [404, "Not Found"],
  [405, "Method Not Allowed"],
  [411, "Length Required"],
  [413, "Content Too Large"],
  [431, "Request Header Fields Too Large"],
  [500, "Internal Server Error"],
  [503, "Service Unavailable"],
  [505, "HTTP Version Not Supported"],
]);
