/**
 * Names by Deno. `Deno.resolveDns` asks first, as it finds what there is; its "no" says nothing: it gives the same
 * error for a name that does not exist and for a name server that is ill. So a query of our own asks again and
 * reads the rcode (`node_dns_query.ts`). Where a name server is trusted to validate only ours is asked: Deno's answers
 * do not say what DNSSEC vouches for.
 *
 * What fails is a value: `failed`, and whether the server is to blame.
 *
 * @module
 */

import { DenoNetwork } from "./deno_network.ts";
import { mayUse, notPermitted } from "./deno_permissions.ts";
import type { DnsReading } from "./dns_answer.ts";
import type { DnsData, DnsType } from "./dns_message.ts";
import {
  type DnsMeans,
  DnsResolver,
  type ResolverOptions,
  type ServerReading,
} from "./dns_resolver.ts";
import { failedReading, type QueryMeans, readNameServer, within } from "./node_dns_query.ts";
import type { NameServer } from "./resolv_conf.ts";
import { systemClock } from "./node_clock.ts";
import type { Resolver } from "./resolver.ts";

/** Seconds for which an answer without a TTL is remembered. */
const UNTIMED = 60;

/** Names that Deno leaves as they are. */
const PLAIN_NAME = /^[A-Za-z0-9_.-]+$/;

/** What our own question needs of Deno. */
export const DENO_QUERIES: QueryMeans = {
  connect: (address, options) => new DenoNetwork().connect(address, options),
  mayUse,
  notPermitted,
};

/** The resolver of this machine. */
export function denoResolver(options: Partial<ResolverOptions> = {}): Resolver {
  return new DnsResolver(MEANS, { clock: systemClock, ...options });
}

/**
 * Asks one server, for so many milliseconds at most. Deno's question gets half of them, so that ours has some
 * where a datagram is lost.
 */
async function askNameServer(
  server: NameServer,
  name: string,
  type: DnsType,
  timeout: number,
  giveUp: AbortSignal,
  dnssec: boolean,
): Promise<ServerReading> {
  try {
    return await within(timeout, giveUp, async (signal) => {
      if (dnssec) return await readNameServer(DENO_QUERIES, server, name, type, signal, dnssec);
      const half = (half: AbortSignal) => resolveByDeno(name, type, half, server);
      const found = await within(timeout / 2, signal, half);
      return found ?? await readNameServer(DENO_QUERIES, server, name, type, signal);
    });
  } catch (error) {
    return failedReading(error);
  }
}

/** Asks whom the system asks; `null` says nothing. */
async function askSystem(
  name: string,
  type: DnsType,
  timeout: number,
  giveUp: AbortSignal,
): Promise<DnsReading | null> {
  return await within(timeout, giveUp, (signal) => resolveByDeno(name, type, signal));
}

const MEANS: DnsMeans = {
  askServer: askNameServer,
  askSystem,
  readText: (path) => Deno.readTextFile(path),
};

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
