/**
 * One request over HTTPS, on the sockets, names and TLS that mail goes by: so it is the same on every runtime, asks the
 * name servers that mail asks, and can be had in a network of memory. One connection, one request, one response; no
 * redirects, no cookies, nothing kept.
 *
 * Who names the host is a stranger (a domain that mail goes to), so what mail does not connect to is not connected to
 * here either: loopback, links, and the like, unless the caller allows it. A host of a private network may be connected
 * to; that it must show a certificate for the name keeps the request from it.
 *
 * What fails: nothing is thrown; a failure is a value that says at what it was. An aborted signal is a failure too.
 *
 * @module
 */

import { concat, encode } from "../../bytes.ts";
import { classifyIp, type Network as IpNetwork, networkContains } from "../../net_address.ts";
import type { Connection, Network } from "../../runtime/network.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { briefOf } from "../peer_check.ts";
import { type HttpResponse, HttpResponseDecoder } from "./response_decoder.ts";

/** What it is made with. */
export interface HttpsServices {
  /** The sockets. */
  readonly network: Network;
  /** The names. */
  readonly resolver: Resolver;
  /** For how long it takes. */
  readonly clock: Clock;
}

/** A request. */
export interface HttpsRequest {
  readonly method: "GET" | "POST";
  /** A host name in A-labels. */
  readonly host: string;
  /** Default 443. */
  readonly port?: number;
  /** From the slash on, in printable ASCII. */
  readonly target: string;
  /** Beside Host, Connection and Content-Length. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Octets of the response's body. */
  readonly limit: number;
  /** Milliseconds for all of it. */
  readonly patience: number;
  /** More roots to trust, PEM. */
  readonly authorities?: readonly string[];
  /** Addresses that may be connected to though they are loopback, link-local or the like. */
  readonly allowAddresses?: readonly IpNetwork[];
  readonly signal?: AbortSignal;
}

/** Why there is no response. */
export interface HttpsFailure {
  readonly stage: "dns" | "connect" | "tls" | "http";
  /** For people. */
  readonly reason: string;
  /** What was thrown, where something was. */
  readonly cause?: unknown;
}

/** Addresses that are tried, and milliseconds that each has to answer. */
const MAX_ADDRESSES = 4;
const CONNECT_TIMEOUT = 10_000;

/** Makes a request. Never throws. */
export async function requestHttps(
  services: HttpsServices,
  request: HttpsRequest,
): Promise<HttpResponse | HttpsFailure> {
  const over = new AbortController();
  const { clock } = services;
  const { patience, signal } = request;
  const late = () => over.abort(new Error(`it took longer than ${patience / 1000} s`));
  const stop = () => over.abort(new Error("it was broken off"));
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  const done = new AbortController();
  clock.sleep(patience, done.signal).then(late, () => {});
  try {
    return await converse(services, request, over.signal);
  } finally {
    done.abort();
    signal?.removeEventListener("abort", stop);
  }
}

async function converse(
  services: HttpsServices,
  request: HttpsRequest,
  over: AbortSignal,
): Promise<HttpResponse | HttpsFailure> {
  const found = await findAddresses(services.resolver, request, over);
  if ("stage" in found) return found;
  const plain = await connect(services, found, request, over);
  if ("stage" in plain) return plain;
  let connection: Connection = plain;
  const close = () => connection.close();
  over.addEventListener("abort", close, { once: true });
  if (over.aborted) close();
  let stage: HttpsFailure["stage"] = "tls";
  try {
    const { host: serverName, authorities } = request;
    connection = await plain.startTlsClient({
      serverName,
      verify: true,
      ...(authorities && authorities.length > 0 && { authorities }),
    });
    stage = "http";
    // The signal may have come between the two: the old one was closed then, and this one was not.
    over.throwIfAborted();
    await connection.write(formatRequest(request));
    return await readResponse(connection, request.limit);
  } catch (error) {
    const cause = over.aborted ? over.reason : error;
    return { stage, reason: wordsOf(cause), cause };
  } finally {
    over.removeEventListener("abort", close);
    connection.close();
  }
}

async function findAddresses(
  resolver: Resolver,
  { host, allowAddresses = [] }: HttpsRequest,
  over: AbortSignal,
): Promise<readonly string[] | HttpsFailure> {
  const [v6, v4] = await Promise.all([resolver.aaaa(host, over), resolver.a(host, over)]);
  const known = [v6, v4].map((answer) => answer.status === "found" ? answer.records : []);
  // By turns: a machine without IPv6 must not spend all its tries on the addresses of a large host.
  const longest = Math.max(...known.map(({ length }) => length));
  const found = Array.from(
    { length: longest },
    (_, index) => known.flatMap((of) => of[index] ?? []),
  )
    .flat();
  const usable = [...new Set(found)].filter((address) =>
    classifyIp(address) === "unicast" ||
    allowAddresses.some((network) => networkContains(network, address))
  );
  if (usable.length > 0) return usable.slice(0, MAX_ADDRESSES);
  const stage = "dns";
  if (found.length > 0) {
    return { stage, reason: `${host} has only addresses that are not connected to: ${found[0]}` };
  }
  if (over.aborted) return { stage, reason: wordsOf(over.reason) };
  const failed = [v6, v4].find(({ status }) => status === "failed");
  return failed?.status === "failed"
    ? { stage, reason: `DNS gives no answer about ${host}: ${failed.reason}` }
    : { stage, reason: `${host} has no address` };
}

async function connect(
  { network, clock }: HttpsServices,
  addresses: readonly string[],
  { host, port = 443 }: HttpsRequest,
  over: AbortSignal,
): Promise<Connection | HttpsFailure> {
  let reason = "";
  for (const hostname of addresses) {
    if (over.aborted) break;
    const late = new AbortController();
    const done = new AbortController();
    clock.sleep(CONNECT_TIMEOUT, done.signal).then(() => late.abort(), () => {});
    try {
      return await network.connect({ transport: "tcp", hostname, port }, {
        signal: AbortSignal.any([over, late.signal]),
      });
    } catch (error) {
      const why = late.signal.aborted ? "no answer in time" : wordsOf(error);
      reason ||= `cannot connect to ${host} [${hostname}]:${port}: ${why}`;
    } finally {
      done.abort();
    }
  }
  return { stage: "connect", reason: over.aborted ? wordsOf(over.reason) : reason };
}

function formatRequest(
  { method, host, port = 443, target, headers = {}, body }: HttpsRequest,
): Uint8Array {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `Host: ${port === 443 ? host : `${host}:${port}`}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [`Content-Length: ${body.length}`]),
    "Connection: close",
  ];
  return concat([encode(`${lines.join("\r\n")}\r\n\r\n`), body ?? new Uint8Array(0)]);
}

async function readResponse(
  connection: Connection,
  limit: number,
): Promise<HttpResponse | HttpsFailure> {
  const decoder = new HttpResponseDecoder(limit);
  const buffer = new Uint8Array(16 * 1024);
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) return { stage: "http", reason: "the connection ended in the middle" };
    const fault = decoder.receive(buffer.subarray(0, length));
    if (fault !== null) return { stage: "http", reason: fault };
    const { done } = decoder;
    if (done !== null) return done;
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? briefOf(error) : errorCode(error) ?? String(error);
}
