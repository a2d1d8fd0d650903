/**
 * One question to one name server, by UDP and, where the answer is cut off or datagrams are not permitted, by
 * TCP (RFC 1035 §4.2, RFC 7766): the octets there and back. An answer counts only when it comes from where the
 * question went, with its id and its question (RFC 5452 §9); others are passed over, and so is what is no DNS
 * message. The id is random, and the port is, as every question has a socket of its own.
 *
 * Sockets for streams are the adapter's, and so is what may be used, as Deno has permissions.
 *
 * What fails: no answer in time rejects with the signal's reason, a server that may not be asked with what the
 * adapter says then; the machine's own troubles with an errno `code` where there is one.
 *
 * @module
 */

import { createSocket } from "node:dgram";
import { isDnsAnswerTo, MAX_ALIASES, readDnsAnswer } from "./dns_answer.ts";
import {
  decodeDnsMessage,
  type DnsMessage,
  type DnsType,
  encodeDnsQuery,
  RCODE,
} from "./dns_message.ts";
import type { ServerReading } from "./dns_resolver.ts";
import { canonicalIp } from "../net_address.ts";
import type { Connection, Network } from "./network.ts";
import type { NameServer } from "./resolv_conf.ts";
import { errorCode, SystemError } from "./system_error.ts";

/** Milliseconds after which a question is sent again: a datagram may be lost on either way. */
const RESEND = 1000;

/** What a question needs of the adapter. */
export interface QueryMeans {
  /** Connects by TCP. */
  readonly connect: Network["connect"];
  /** Whether an address may be connected to, or with port 0 be bound to. */
  mayUse(hostname: string, port: number): Promise<boolean>;
  /** What to throw where it may not. */
  notPermitted(hostname: string): Error;
}

/**
 * What a server says, asked again for each name a CNAME leads to of which the answer says nothing.
 *
 * @param dnssec whether it is asked what DNSSEC says, too. @throws as {@link queryNameServer}.
 */
export async function readNameServer(
  means: QueryMeans,
  server: NameServer,
  name: string,
  type: DnsType,
  signal: AbortSignal,
  dnssec = false,
): Promise<ServerReading> {
  let asked = name;
  /** Whether DNSSEC vouches for every CNAME so far. */
  let authenticated = true;
  /** Seconds for which all of it holds. */
  let ttl = Infinity;
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
    let message = await queryNameServer(means, server, asked, type, signal, dnssec);
    // Who does not know EDNS says so, and vouches for nothing (RFC 6891 §6.2.2, §7).
    if (dnssec && (message.rcode === RCODE.formatError || message.rcode === RCODE.notImplemented)) {
      message = await queryNameServer(means, server, asked, type, signal);
    }
    const reading = readDnsAnswer(message, asked, type);
    if (reading.status === "failed") return { ...reading, ill: message.rcode === RCODE.refused };
    authenticated &&= reading.authenticated === true;
    ttl = Math.min(ttl, reading.ttl);
    if (reading.status !== "alias") {
      const last = aliases > 0 && reading.status === "found" ? { canonical: asked } : {};
      const vouched = reading.authenticated && { authenticated };
      return { ...last, ...reading, ttl, ...vouched, ill: false };
    }
    asked = reading.name;
  }
  return { status: "failed", reason: "a loop of CNAMEs" };
}

/** Does work with a signal that is aborted after so many milliseconds, or with the outer one. */
export async function within<T>(
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const late = () => limit.abort(new SystemError("ETIMEDOUT", "no answer in time"));
  const timer = setTimeout(late, ms);
  const onAbort = () => limit.abort(outer.reason);
  outer.addEventListener("abort", onAbort, { once: true });
  if (outer.aborted) onAbort();
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", onAbort);
  }
}

/** The reading that a question has which failed with an error. */
export function failedReading(error: unknown): ServerReading {
  const reason = !(error instanceof Error) ? "no answer" : error.name === "NotCapable" // Deno's permissions
    ? "may not be asked (--allow-net)"
    : errorCode(error) ?? error.message;
  return { status: "failed", reason, ill: true };
}

/**
 * Asks. The signal is the only limit of time.
 *
 * @throws what {@link encodeDnsQuery} throws, and as said above.
 */
export async function queryNameServer(
  means: QueryMeans,
  server: NameServer,
  name: string,
  type: DnsType,
  signal: AbortSignal,
  dnssec = false,
): Promise<DnsMessage> {
  const [id = 0] = crypto.getRandomValues(new Uint16Array(1));
  const query = encodeDnsQuery(id, name, type, dnssec);
  const accept = (octets: Uint8Array) => {
    const message = decodeDnsMessage(octets);
    return message !== null && isDnsAnswerTo(message, id, name, type) ? message : null;
  };
  const { address, port } = server;
  if (!await means.mayUse(address, port)) throw means.notPermitted(address);
  try {
    // A socket for datagrams is bound to any address; TCP is as good (RFC 7766 §5).
    if (await means.mayUse(address.includes(":") ? "::" : "0.0.0.0", 0)) {
      const message = await askByDatagram(server, query, accept, signal);
      if (!message.truncated) return message;
    }
    return await askByStream(means, server, query, accept, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** What takes octets for the answer, or does not. */
type Accept = (octets: Uint8Array) => DnsMessage | null;

function askByDatagram(
  server: NameServer,
  query: Uint8Array,
  accept: Accept,
  signal: AbortSignal,
): Promise<DnsMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>();
  if (signal.aborted) return Promise.reject(signal.reason);
  const socket = createSocket(server.address.includes(":") ? "udp6" : "udp4");
  const send = () => {
    socket.send(query, server.port, server.address, (error) => error && reject(error));
  };
  const timer = setInterval(send, RESEND);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.on("error", reject);
  socket.on("message", (octets, from) => {
    const fromServer = from.port === server.port &&
      canonicalIp(from.address) === canonicalIp(server.address);
    const message = fromServer ? accept(octets) : null;
    if (message !== null) resolve(message);
  });
  send();
  return promise.finally(() => {
    clearInterval(timer);
    signal.removeEventListener("abort", onAbort);
    return new Promise<void>((closed) => socket.close(() => closed()));
  });
}

async function askByStream(
  means: QueryMeans,
  server: NameServer,
  query: Uint8Array,
  accept: Accept,
  signal: AbortSignal,
): Promise<DnsMessage> {
  const { address: hostname, port } = server;
  const connection = await means.connect({ transport: "tcp", hostname, port }, { signal });
  const close = () => connection.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    const framed = new Uint8Array(2 + query.length);
    framed.set([query.length >> 8, query.length & 0xff]);
    framed.set(query, 2);
    await connection.write(framed);
    const [high = 0, low = 0] = await readExactly(connection, 2);
    const message = accept(await readExactly(connection, (high << 8) | low));
    if (message === null) throw new Error("an answer to another question");
    return message;
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

async function readExactly(connection: Connection, length: number): Promise<Uint8Array> {
  const octets = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const read = await connection.read(octets.subarray(at));
    if (read === null) throw new SystemError("ECONNRESET", "the answer breaks off");
    at += read;
  }
  return octets;
}
