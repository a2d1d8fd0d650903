/**
 * One question to one name server, by UDP and, where the answer is cut off or datagrams are not permitted, by
 * TCP (RFC 1035 §4.2, RFC 7766): the octets there and back. An answer counts only when it comes from where the
 * question went, with its id and its question (RFC 5452 §9); others are passed over, and so is what is no DNS
 * message. The id is random, and the port is, as every question has a socket of its own.
 *
 * What fails: no answer in time rejects with the signal's reason, a server that may not be asked with `NotCapable`;
 * the machine's own troubles with an errno `code` where there is one.
 *
 * @module
 */

import { createSocket } from "node:dgram";
import { withErrorCode } from "./deno_errors.ts";
import { isDnsAnswerTo } from "./dns_answer.ts";
import { mayUse, notPermitted } from "./deno_permissions.ts";
import { decodeDnsMessage, type DnsMessage, type DnsType, encodeDnsQuery } from "./dns_message.ts";
import { canonicalIp } from "../net_address.ts";
import type { NameServer } from "./resolv_conf.ts";

/** Milliseconds after which a question is sent again: a datagram may be lost on either way. */
const RESEND = 1000;

/**
 * Asks. The signal is the only limit of time.
 *
 * @throws what {@link encodeDnsQuery} throws, and as said above.
 */
export async function queryNameServer(
  server: NameServer,
  name: string,
  type: DnsType,
  signal: AbortSignal,
): Promise<DnsMessage> {
  const [id = 0] = crypto.getRandomValues(new Uint16Array(1));
  const query = encodeDnsQuery(id, name, type);
  const accept = (octets: Uint8Array) => {
    const message = decodeDnsMessage(octets);
    return message !== null && isDnsAnswerTo(message, id, name, type) ? message : null;
  };
  const { address, port } = server;
  if (!await mayUse(address, port)) throw notPermitted(address);
  try {
    // A socket for datagrams is bound to any address; TCP is as good (RFC 7766 §5).
    if (await mayUse(address.includes(":") ? "::" : "0.0.0.0", 0)) {
      const message = await askByDatagram(server, query, accept, signal);
      if (!message.truncated) return message;
    }
    return await askByStream(server, query, accept, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw withErrorCode(error);
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
  server: NameServer,
  query: Uint8Array,
  accept: Accept,
  signal: AbortSignal,
): Promise<DnsMessage> {
  const { address: hostname, port } = server;
  const connection = await Deno.connect({ hostname, port, signal });
  let open = true;
  const close = () => {
    if (open) connection.close();
    open = false;
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    const framed = new Uint8Array(2 + query.length);
    framed.set([query.length >> 8, query.length & 0xff]);
    framed.set(query, 2);
    for (let sent = 0; sent < framed.length;) {
      sent += await connection.write(framed.subarray(sent));
    }
    const [high = 0, low = 0] = await readExactly(connection, 2);
    const message = accept(await readExactly(connection, (high << 8) | low));
    if (message === null) throw new Error("an answer to another question");
    return message;
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

async function readExactly(connection: Deno.Conn, length: number): Promise<Uint8Array> {
  const octets = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const read = await connection.read(octets.subarray(at));
    if (read === null) throw new Deno.errors.UnexpectedEof("the answer breaks off");
    at += read;
  }
  return octets;
}
