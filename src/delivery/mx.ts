/**
 * Who to connect to: the hosts of a route and their addresses, in the order in which they are to be tried
 * (RFC 5321 §5.1). Pure but for what the resolver does; connecting, and remembering who was down, is for others.
 *
 * Rules beside the order. What only might be so (a name server that is ill) defers; only what was seen to be
 * so fails. What DNS says is what strangers say: an answer cannot make us connect to this machine, its
 * links or its own listeners (RFC 5321 §5.1 on loops, and services that trust whoever is local), unless the
 * route allows the address. Private networks (RFC 1918, RFC 4193) are real networks and are connected to. A
 * smarthost is the operator's word, so whatever is wrong with it defers: a slip in a setting must not
 * bounce all mail.
 *
 * @module
 */

import { isAddressLiteral, parseAddressLiteral } from "../address.ts";
import { canonicalIp, classifyIp, networkContains } from "../net_address.ts";
import type { MxRoute, RelaySettings, SmarthostRoute } from "../routing/route.ts";
import type { DnsAnswer, MxRecord, Resolver } from "../runtime/resolver.ts";
import type { Random } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { findAddresses } from "./host_addresses.ts";

/** A host to hand mail to. */
export interface MailHost {
  /** Its name in A-labels, or the address literal; what its certificate must be for. */
  readonly name: string;
  /** Of its MX record; 0 where there is none. */
  readonly preference: number;
  /** IP addresses, at least one, the first to be tried first. */
  readonly addresses: readonly string[];
  /** DNSSEC vouches for all of them. */
  readonly signed?: boolean;
  /** Whose addresses they are, where it is another name for one (CNAME), as far as a trusted name server told. */
  readonly canonical?: string;
}

/** What makes a host this station itself. */
export interface OwnStation {
  /** The names it answers by; none where nothing listens, and no mail can come back. */
  readonly hostnames: readonly string[];
  /** The IP addresses it is reached at, as far as they are known. */
  readonly addresses: readonly string[];
}

/** What a search gave. */
export type HostSearch =
  /** At least one, the first to be tried first; and why there may be more another time. */
  | {
    readonly status: "found";
    readonly hosts: readonly MailHost[];
    readonly missing?: Reply;
    /** DNSSEC vouches for who they are, or that there is no MX; or nobody had to be asked. */
    readonly named?: boolean;
  }
  /** Why not, in our own words. */
  | { readonly status: "deferred" | "failed"; readonly reply: Reply };

/** What a search came upon, for those who explain it. */
export type HostNote =
  /** Where the names of the hosts are from; `none`: DNS says that there is no MX, so the domain is its own host. */
  | {
    readonly type: "hosts";
    readonly from: "mx" | "none" | "literal" | "route";
    readonly hosts: readonly MxRecord[];
  }
  /** A host, or one address of it, that is not tried, and why not, in words. */
  | {
    readonly type: "passed-over";
    readonly host: MxRecord;
    readonly address?: string;
    readonly why: string;
  };

/** Who is told of what a search comes upon. */
export type WatchHosts = (note: HostNote) => void;

/** Hosts looked up for one message: the rest of a longer list is never asked for (a bound of ours). */
const MAX_HOSTS = 10;
/** Addresses in all, and of one family of one host: no list of a stranger keeps a delivery busy. */
const MAX_ADDRESSES = 20;
const MAX_OF_FAMILY = 4;

/** What a search goes by. */
interface Search {
  readonly resolver: Resolver;
  readonly settings: RelaySettings;
  readonly own: OwnStation;
  readonly signal: AbortSignal | undefined;
  readonly watch: WatchHosts | undefined;
}

/** A host with what was found of it. */
interface Candidate {
  readonly host: MxRecord;
  readonly answer: DnsAnswer<string>;
}

/**
 * Finds the hosts of a route. Never throws; an aborted search is deferred. `watch` is told what it comes upon.
 *
 * @example
 * ```ts
 * import { findHosts } from "./mx.ts";
 * import { memoryRuntime } from "../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { resolver, random } = memoryRuntime();
 * resolver.set("example.org", { mx: ["20 b.example.org", "10 a.example.org"] });
 * resolver.set("a.example.org", { a: ["192.0.2.1"], aaaa: ["2001:db8::1"] });
 * resolver.set("b.example.org", { a: ["192.0.2.2"] });
 * const route = {
 *   kind: "mx",
 *   domain: "example.org",
 *   port: 25,
 *   tls: "opportunistic",
 *   family: "ipv6-first",
 *   allowAddresses: [],
 *   connections: 20,
 *   eightBit: "convert",
 * } as const;
 * const own = { hostnames: ["mail.example.net"], addresses: [] };
 * assertEquals(await findHosts(resolver, route, own, random), {
 *   status: "found",
 *   hosts: [
 *     { name: "a.example.org", preference: 10, addresses: ["2001:db8::1", "192.0.2.1"] },
 *     { name: "b.example.org", preference: 20, addresses: ["192.0.2.2"] },
 *   ],
 * });
 * ```
 */
export async function findHosts(
  resolver: Resolver,
  route: MxRoute | SmarthostRoute,
  own: OwnStation,
  random: Random,
  signal?: AbortSignal,
  watch?: WatchHosts,
): Promise<HostSearch> {
  const search: Search = { resolver, settings: route, own, signal, watch };
  if (route.kind === "smarthost") {
    const name = normalize(route.host);
    watch?.({ type: "hosts", from: "route", hosts: [only(name)] });
    const found = classifyIp(name) === null
      ? await resolveHosts(search, name, [only(name)])
      : chooseHosts(search, name, [withAddress(name, name)]);
    return found.status === "failed" ? deferred(found.reply) : vouchedFor(found, true);
  }
  const { domain } = route;
  if (isAddressLiteral(domain)) {
    const address = parseAddressLiteral(domain)?.replace(/^\[(?:IPv6:)?|\]$/g, "");
    if (address === undefined) return failed(550, "5.1.2", `${domain} is no address`);
    watch?.({ type: "hosts", from: "literal", hosts: [only(domain)] });
    return vouchedFor(chooseHosts(search, domain, [withAddress(domain, address)]), true);
  }
  const answer = await resolver.mx(domain, signal);
  if (answer.status === "failed") {
    return { status: "deferred", reply: noAnswer(domain, answer.reason) };
  }
  if (answer.status === "found") {
    const named = answer.records.filter(({ exchange }) => exchange !== "");
    // RFC 7505 §3: a null MX stands alone; beside others it says nothing.
    if (named.length === 0) return failed(556, "5.1.10", `${domain} accepts no mail (null MX)`);
    const hosts = orderHosts(named, random);
    watch?.({ type: "hosts", from: "mx", hosts });
    return vouchedFor(await resolveHosts(search, domain, hosts), answer.authenticated);
  }
  if (answer.reason === "nxdomain") return failed(550, "5.1.2", `there is no domain ${domain}`);
  // RFC 5321 §5.1: no MX at all means that the domain is its own mail host.
  watch?.({ type: "hosts", from: "none", hosts: [only(domain)] });
  const found = await resolveHosts(search, domain, [only(domain)]);
  if (found.status === "found") return vouchedFor(found, answer.authenticated);
  if (found.status !== "failed" || found.reply.enhanced !== "5.4.4") return found;
  if (route.family.endsWith("-only")) return found;
  return failed(550, "5.1.2", `${domain} accepts no mail: it has neither MX nor address records`);
}

function vouchedFor(search: HostSearch, vouched = false): HostSearch {
  return search.status === "found" && vouched ? { ...search, named: true } : search;
}

function only(exchange: string): MxRecord {
  return { preference: 0, exchange };
}

function withAddress(name: string, address: string): Candidate {
  return { host: only(name), answer: { status: "found", records: [canonicalIp(address)] } };
}

/** Lower preferences first, equal ones in any order (RFC 5321 §5.1), each host once. */
function orderHosts(records: readonly MxRecord[], random: Random): MxRecord[] {
  const hosts = records.map(({ preference, exchange }) => ({
    preference,
    exchange: normalize(exchange),
  }));
  for (let last = hosts.length - 1; last > 0; last--) {
    const other = Math.floor(random.float() * (last + 1));
    [hosts[last], hosts[other]] = [hosts[other]!, hosts[last]!];
  }
  const seen = new Set<string>();
  return hosts
    .sort((a, b) => a.preference - b.preference)
    .filter(({ exchange }) => !seen.has(exchange) && seen.add(exchange));
}

/** Looks the hosts up, as far as they come before ourselves by name. */
async function resolveHosts(
  search: Search,
  domain: string,
  hosts: readonly MxRecord[],
): Promise<HostSearch> {
  const { resolver, settings: { family }, own, signal, watch } = search;
  const ownNames = new Set(own.hostnames.map(normalize));
  const isOurs = ({ exchange }: MxRecord) => ownNames.has(exchange);
  const others = before(hosts, isOurs, (host) => host, watch, "its name is ours");
  if (watch !== undefined) {
    const why = `only the first ${MAX_HOSTS} hosts are looked up`;
    for (const host of others.slice(MAX_HOSTS)) watch({ type: "passed-over", host, why });
  }
  const candidates = others.slice(0, MAX_HOSTS).map(async (host): Promise<Candidate> => ({
    host,
    answer: await findAddresses(resolver, host.exchange, family, signal),
  }));
  return chooseHosts(search, domain, await Promise.all(candidates));
}

/** Keeps what comes before ourselves by address, and of that what may be connected to. */
function chooseHosts(
  { settings, own, watch }: Search,
  domain: string,
  candidates: readonly Candidate[],
): HostSearch {
  const ownAddresses = new Set(own.addresses.map(canonicalIp));
  const isOurs = (address: string) => ownAddresses.has(address) && !isAllowed(settings, address);
  const others = before(
    candidates,
    ({ answer }) => answer.status === "found" && answer.records.some(isOurs),
    ({ host }) => host,
    watch,
    "an address of it is ours",
  );
  if (others.length === 0) {
    return failed(550, "5.4.6", `mail for ${domain} would come back: its host is this server`);
  }
  const hosts = usableHosts(others, settings);
  if (watch !== undefined) tellUnused(others, hosts, settings, watch);
  if (hosts.length === 0) return explain(domain, others);
  const unknown = firstUnknown(others);
  return { status: "found", hosts, ...(unknown !== null && { missing: unknown }) };
}

/**
 * What is preferred to the first that is ourselves. Its equals go too: else two stations of equal
 * preference would pass a mail to and fro (RFC 5321 §5.1).
 */
function before<T>(
  list: readonly T[],
  isOurs: (item: T) => boolean,
  hostOf: (item: T) => MxRecord,
  watch: WatchHosts | undefined,
  why: string,
): readonly T[] {
  const ours = list.filter(isOurs).map((item) => hostOf(item).preference);
  const limit = Math.min(Infinity, ...ours);
  if (watch !== undefined) {
    const least = `it is not preferred to this server (${limit})`;
    for (const item of list) {
      const host = hostOf(item);
      if (isOurs(item)) watch({ type: "passed-over", host, why: `${why}: it is this server` });
      else if (host.preference >= limit) watch({ type: "passed-over", host, why: least });
    }
  }
  return list.filter((item) => hostOf(item).preference < limit);
}

function usableHosts(candidates: readonly Candidate[], settings: RelaySettings): MailHost[] {
  const hosts: MailHost[] = [];
  let left = MAX_ADDRESSES;
  for (const { host, answer } of candidates) {
    if (answer.status !== "found" || left === 0) continue;
    const usable = [...new Set(answer.records)].filter((address) => mayConnect(settings, address));
    const addresses = usable
      .filter((address, index) => countFamily(usable.slice(0, index), address) < MAX_OF_FAMILY)
      .slice(0, left);
    if (addresses.length === 0) continue;
    left -= addresses.length;
    const { authenticated, canonical } = answer;
    hosts.push({
      ...{ name: host.exchange, preference: host.preference, addresses },
      ...(authenticated && { signed: true }),
      ...(canonical !== undefined && { canonical }),
    });
  }
  return hosts;
}

/** Tells of hosts and addresses that are left out, and why. */
function tellUnused(
  candidates: readonly Candidate[],
  hosts: readonly MailHost[],
  settings: RelaySettings,
  watch: WatchHosts,
): void {
  for (const { host, answer } of candidates) {
    const tell = (why: string, address?: string) =>
      watch({ type: "passed-over", host, ...(address !== undefined && { address }), why });
    if (answer.status === "failed") tell(`DNS gives no answer: ${answer.reason}`);
    else if (answer.status === "none") {
      tell(answer.reason === "nxdomain" ? "there is no such name" : "it has no address");
    } else {
      const used = hosts.find(({ name }) => name === host.exchange)?.addresses ?? [];
      for (const address of new Set(answer.records)) {
        if (used.includes(address)) continue;
        tell(
          mayConnect(settings, address)
            ? `at most ${MAX_OF_FAMILY} addresses of a family, and ${MAX_ADDRESSES} in all, are tried`
            : describeUnusable(settings, address),
          address,
        );
      }
    }
  }
}

function describeUnusable({ family }: RelaySettings, address: string): string {
  const kind = classifyIp(address);
  if (kind === "unicast") return `the route connects by ${family.slice(0, 4)} only`;
  return `${kind ?? "no"} address: the route's allowAddresses does not have it`;
}

function countFamily(addresses: readonly string[], like: string): number {
  return addresses.filter((address) => address.includes(":") === like.includes(":")).length;
}

function mayConnect(settings: RelaySettings, address: string): boolean {
  const family = address.includes(":") ? "ipv4-only" : "ipv6-only";
  if (settings.family === family) return false;
  return classifyIp(address) === "unicast" || isAllowed(settings, address);
}

/** Whether an address may be connected to whatever it is. */
export function isAllowed(settings: RelaySettings, address: string): boolean {
  return settings.allowAddresses.some((network) => networkContains(network, address));
}

/** Why no host is left. */
function explain(domain: string, candidates: readonly Candidate[]): HostSearch {
  const unknown = firstUnknown(candidates);
  if (unknown !== null) return { status: "deferred", reply: unknown };
  const found = candidates.flatMap(({ answer }) => answer.status === "found" ? answer.records : []);
  const local = found.find((address) => classifyIp(address) !== "unicast");
  if (local !== undefined) {
    return failed(
      550,
      "5.4.6",
      `mail for ${domain} would not leave this machine: its host has the address ${local}`,
    );
  }
  return failed(550, "5.4.4", `no mail host of ${domain} has an address that can be connected to`);
}

/** Of which host DNS has not said what its addresses are. */
function firstUnknown(candidates: readonly Candidate[]): Reply | null {
  for (const { host, answer } of candidates) {
    if (answer.status === "failed") return noAnswer(host.exchange, answer.reason);
  }
  return null;
}

function noAnswer(name: string, reason: string): Reply {
  return reply(451, "4.4.3", `DNS gives no answer about ${name}: ${reason}`);
}

function failed(code: number, enhanced: string, text: string): HostSearch {
  return { status: "failed", reply: reply(code, enhanced, text) };
}

/** Not now: a permanent reply becomes the temporary one of its kind. */
function deferred(why: Reply): HostSearch {
  const enhanced = why.enhanced?.replace(/^5/, "4");
  return { status: "deferred", reply: { ...why, code: 451, enhanced } };
}

function normalize(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
