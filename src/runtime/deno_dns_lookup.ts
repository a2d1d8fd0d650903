/**
 * One question to one name server, answered for sure or not at all. `Deno.resolveDns` asks first, as it finds
 * what there is; its "no" says nothing, so a query of our own asks again and reads the rcode.
 *
 * What fails is a value: `failed`, and whether the server is to blame.
 *
 * @module
 */

import { queryNameServer } from "./deno_dns_query.ts";
import { type DnsReading, MAX_ALIASES, readDnsAnswer } from "./dns_answer.ts";
import { type DnsData, type DnsType, RCODE } from "./dns_message.ts";
import type { NameServer } from "./resolv_conf.ts";
import { errorCode } from "./runtime.ts";

/** Seconds for which an answer without a TTL is remembered. */
const UNTIMED = 60;

/** Names that Deno leaves as they are. */
const PLAIN_NAME = /^[A-Za-z0-9_.-]+$/;

/** What came of a question; with `ill` the server answers nobody, or not us. */
export type ServerReading = DnsReading & { readonly ill?: boolean };

/**
 * Asks one server, for so many milliseconds at most. Deno's question gets half of them, so that ours has some
 * where a datagram is lost.
 */
export async function askNameServer(
  server: NameServer,
  name: string,
  type: DnsType,
  timeout: number,
  giveUp: AbortSignal,
): Promise<ServerReading> {
  try {
    return await within(timeout, giveUp, async (signal) => {
      const half = (half: AbortSignal) => resolveByDeno(name, type, half, server);
      const found = await within(timeout / 2, signal, half);
      return found ?? await askOurselves(server, name, type, signal);
    });
  } catch (error) {
    return { status: "failed", reason: describe(error), ill: true };
  }
}

/** Asks whom the system asks; `null` says nothing. */
export async function askSystem(
  name: string,
  type: DnsType,
  timeout: number,
  giveUp: AbortSignal,
): Promise<DnsReading | null> {
  return await within(timeout, giveUp, (signal) => resolveByDeno(name, type, signal));
}

/** What Deno finds, or `null`, which says nothing. */
async function resolveByDeno(
  name: string,
  type: DnsType,
  signal: AbortSignal,
  server?: NameServer,
): Promise<DnsReading | null> {
  if (!PLAIN_NAME.test(name)) return null;
  try {
    const nameServer = server && { ipAddr: server.address, port: server.port };
    // Without the dot at the end it would try the search list of the system too.
    const data = await resolve(`${name}.`, type, { nameServer, signal });
    if (data.length === 0 || !data.every(isPlain)) return null;
    return { status: "found", data, ttl: UNTIMED };
  } catch {
    return null;
  }
}

/** Whether Deno gave it as it is in DNS: it decodes A-labels, and takes text for ISO 8859-1. */
function isPlain(data: DnsData): boolean {
  switch (data.type) {
    case "MX":
      return PLAIN_NAME.test(data.exchange);
    case "PTR":
      return PLAIN_NAME.test(data.name);
    case "TXT":
      return /^[\x20-\x7e]*$/.test(data.text);
    default:
      return true;
  }
}

async function resolve(
  name: string,
  type: DnsType,
  options: Deno.ResolveDnsOptions,
): Promise<DnsData[]> {
  switch (type) {
    case "A":
    case "AAAA":
      return (await Deno.resolveDns(name, type, options)).map((address) => ({ type, address }));
    case "MX":
      return (await Deno.resolveDns(name, type, options)).map((record) => ({ type, ...record }));
    case "TXT":
      return (await Deno.resolveDns(name, type, options)).map((strings) => ({
        type,
        text: strings.join(""),
      }));
    case "PTR":
      return (await Deno.resolveDns(name, type, options)).map((target) => ({ type, name: target }));
    default:
      return [];
  }
}

/** Our own question, again for each name a CNAME leads to of which the answer says nothing. */
async function askOurselves(
  server: NameServer,
  name: string,
  type: DnsType,
  signal: AbortSignal,
): Promise<ServerReading> {
  let asked = name;
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
    const message = await queryNameServer(server, asked, type, signal);
    const reading = readDnsAnswer(message, asked, type);
    if (reading.status !== "alias") return { ...reading, ill: message.rcode === RCODE.refused };
    asked = reading.name;
  }
  return { status: "failed", reason: "a loop of CNAMEs" };
}

/** Does work with a signal that is aborted after so many milliseconds, or with the outer one. */
async function within<T>(
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new Deno.errors.TimedOut("no answer in time")), ms);
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

function describe(error: unknown): string {
  if (!(error instanceof Error)) return "no answer";
  if (error.name === "NotCapable") return "may not be asked (--allow-net)";
  return errorCode(error) ?? error.message;
}
