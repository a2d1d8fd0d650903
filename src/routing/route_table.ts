/**
 * Which way mail for a domain goes when it does not end here: what the operator said for the domain
 * itself, for the nearest domain above it (`.example.org`), for everything (`*`), and where nothing was said, whoever DNS
 * names. Built once from options, which it checks; finding a route never fails.
 *
 * @module
 */

import { domainKey, parseDomain } from "../address.ts";
import { findByDomain, parseDomainPattern } from "../domain_pattern.ts";
import { type Network, parseIp, parseNetwork } from "../net_address.ts";
import type { SocketAddress } from "../runtime/network.ts";
import { checkArguments } from "./program_arguments.ts";
import type {
  Credentials,
  HoldRoute,
  LmtpRoute,
  MxRoute,
  RelaySettings,
  Route,
  SmarthostRoute,
  TlsLevel,
} from "./route.ts";

/** Connections at once to one destination, where a rule says nothing. */
export const DEFAULT_RELAY_CONNECTIONS = 20;

/** A rule of the operator's. */
export interface RouteOptions {
  /**
   * For whom: `example.org` for that domain, `.example.org` for all below it, `*` for everything that no
   * other rule names.
   */
  readonly domains: readonly string[];
  /** The way. */
  readonly via: ViaOptions;
  /**
   * Takes mail for these domains from anybody, as a backup MX does, or a station before another. Not with
   * `*`, which would be an open relay. Default `false`.
   */
  readonly accept?: boolean;
}

/** A way, where what is usual need not be said. */
export type ViaOptions = WayOptions | PipeOptions | HoldOptions;

/** A way over the network. */
export type WayOptions = MxOptions | SmarthostOptions | LmtpOptions;

/** See {@link MxRoute}. */
export type MxOptions =
  & { readonly kind: "mx"; readonly port?: number; readonly mtaSts?: boolean }
  & RelayOptions;

/** See {@link PipeRoute}. */
export interface PipeOptions {
  /** To a program. */
  readonly kind: "pipe";
  /** Its path, or a name in the system's path. */
  readonly program: string;
  /** Default none. */
  readonly arguments?: readonly string[];
  /** At once; default 4. */
  readonly processes?: number;
}

/** See {@link HoldRoute}. */
export interface HoldOptions {
  /** Into the queue only. */
  readonly kind: "hold";
  /** Default: whoever DNS names. */
  readonly then?: WayOptions;
}

/** See {@link SmarthostRoute}. */
export type SmarthostOptions = {
  readonly kind: "smarthost";
  readonly host: string;
  /** Default 587 with credentials, 465 with implicit TLS, else 25. */
  readonly port?: number;
  readonly implicitTls?: boolean;
  readonly credentials?: Credentials;
} & RelayOptions;

/** See {@link LmtpRoute}. */
export interface LmtpOptions {
  /** To an LMTP server. */
  readonly kind: "lmtp";
  /** Where it listens. */
  readonly address: SocketAddress;
  /** At once; default 10. */
  readonly connections?: number;
}

/** {@link RelaySettings}, networks as text (CIDR). */
export type RelayOptions =
  & Partial<Omit<RelaySettings, "allowAddresses">>
  & { readonly allowAddresses?: readonly string[] };

/** A rule ready for use: the domain is filled in when it is asked for. */
interface Rule {
  readonly route: (domain: string) => Route;
  readonly accept: boolean;
  readonly place: RulePlace;
}

/** Where a rule was written. */
export interface RulePlace {
  /** Its place among the options, from 0. */
  readonly index: number;
  /** Which of its domains: a key as `domainPatternKey` makes it. */
  readonly pattern: string;
}

/**
 * The rules of a station.
 *
 * @example
 * ```ts
 * import { RouteTable } from "./route_table.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const table = new RouteTable([
 *   { domains: ["*"], via: { kind: "smarthost", host: "smtp.example.net" } },
 *   { domains: [".example.org"], via: { kind: "mx" }, accept: true },
 * ]);
 * assertEquals(table.find("example.com").kind, "smarthost");
 * assertEquals(table.find("lists.example.org").kind, "mx");
 * assertEquals(table.accepts("lists.example.org"), true);
 * assertEquals(table.accepts("example.com"), false);
 * ```
 */
export class RouteTable {
  readonly #rules = new Map<string, Rule>();
  readonly #otherwise = routeOf({ kind: "mx" }, "default");

  /** @throws {TypeError} for a rule that cannot be; the message says which and why. */
  constructor(rules: readonly RouteOptions[] = []) {
    rules.forEach((rule, index) => this.#add(rule, index));
  }

  /** The way for a domain (or an address literal). */
  find(domain: string): Route {
    return (this.#rule(domain)?.route ?? this.#otherwise)(domainKey(domain));
  }

  /** Where the way was said that {@link find} gives; `null`: nowhere, it is the usual one. */
  place(domain: string): RulePlace | null {
    return this.#rule(domain)?.place ?? null;
  }

  /** Whether anybody may send mail for the domain through us. */
  accepts(domain: string): boolean {
    return findByDomain(this.#rules, domain)?.accept ?? false;
  }

  /** Whether mail for any domain is kept until ETRN. */
  get holdsAny(): boolean {
    return [...this.#rules.values()].some(({ route }) => route("example.org").kind === "hold");
  }

  #rule(domain: string): Rule | undefined {
    return findByDomain(this.#rules, domain) ?? this.#rules.get("*");
  }

  #add({ domains, via, accept = false }: RouteOptions, index: number): void {
    const where = `routes[${index}]`;
    if (domains.length === 0) throw new TypeError(`${where}: domains: name at least one, or "*"`);
    const route = routeOf(via, `${where}.via`);
    for (const domain of domains) {
      const key = readPattern(domain, where);
      if (key === "*" && accept) {
        throw new TypeError(`${where}: accept with domain "*" would relay for everybody`);
      }
      if (this.#rules.has(key)) throw new TypeError(`${where}: ${domain} has a rule already`);
      this.#rules.set(key, { route, accept, place: { index, pattern: key } });
    }
  }
}

function readPattern(text: string, where: string): string {
  if (text === "*") return text;
  const key = parseDomainPattern(text);
  if (key !== null) return key;
  throw new TypeError(`${where}: "${text}" is no domain such as example.org`);
}

/** Checks a way and gives what makes its route. */
function routeOf(via: ViaOptions, where: string): (domain: string) => Route {
  switch (via.kind) {
    case "hold": {
      const then = wayOf(via.then ?? { kind: "mx" }, `${where}.then`);
      return (domain): HoldRoute => ({ kind: "hold", domain, then: then(domain) });
    }
    case "pipe": {
      const { kind, program, arguments: words = [], processes = 4 } = via;
      if (program === "") throw new TypeError(`${where}: program is empty`);
      checkCount(processes, `${where}: processes`);
      const fault = checkArguments(words);
      if (fault !== null) throw new TypeError(`${where}: arguments: ${fault}`);
      return () => ({ kind, program, arguments: words, processes });
    }
    default:
      return wayOf(via, where);
  }
}

function wayOf(via: WayOptions, where: string): (domain: string) => HoldRoute["then"] {
  switch (via.kind) {
    case "mx": {
      const settings = relaySettings(via, "opportunistic", where, true);
      const port = readPort(via.port ?? 25, where);
      const { mtaSts = true } = via;
      return (domain): MxRoute => ({ kind: "mx", domain, port, mtaSts, ...settings });
    }
    case "smarthost": {
      const route = smarthost(via, where);
      return () => route;
    }
    case "lmtp": {
      const { kind, address, connections = 10 } = via;
      checkCount(connections, `${where}: connections`);
      const route: LmtpRoute = { kind, address, connections };
      return () => route;
    }
    default:
      throw new TypeError(`${where}: kind is none of mx, smarthost, lmtp, pipe, hold`);
  }
}

function smarthost(via: SmarthostOptions, where: string): SmarthostRoute {
  const { kind, host, implicitTls = false, credentials } = via;
  if (parseIp(host) === null && parseDomain(host) === null) {
    throw new TypeError(`${where}: host "${host}" is neither a name nor an IP address`);
  }
  checkCredentials(via, where);
  const relay = withHost(via, host);
  const usualPort = implicitTls ? 465 : credentials === undefined ? 25 : 587;
  const mustEncrypt = implicitTls || credentials !== undefined;
  const mustVerify = credentials !== undefined && credentials.allowUnverified !== true;
  const usualTls = mustVerify ? "verified" : mustEncrypt ? "required" : "opportunistic";
  return {
    kind,
    host,
    port: readPort(via.port ?? usualPort, where),
    implicitTls,
    ...(credentials && { credentials }),
    ...relaySettings(relay, usualTls, where, false),
  };
}

/** An address that the operator wrote down is meant, and so is `localhost`, be it loopback or not; what DNS says is another matter. */
function withHost(relay: RelayOptions, host: string): RelayOptions {
  const address = parseIp(host);
  const meant = address !== null
    ? [`${host}/${address.length * 8}`]
    : host.toLowerCase() === "localhost"
    ? ["127.0.0.0/8", "::1/128"]
    : [];
  return { ...relay, allowAddresses: [...relay.allowAddresses ?? [], ...meant] };
}

/** A password goes to a host known to be the right one, unless somebody says otherwise in so many words. */
function checkCredentials({ credentials, tls }: SmarthostOptions, where: string): void {
  if (credentials === undefined || tls === undefined) return;
  if (tls === "verified" || tls === "dane") return;
  if (tls !== "required") {
    throw new TypeError(`${where}: credentials never go in clear: tls "${tls}" cannot be`);
  }
  if (credentials.allowUnverified === true) return;
  throw new TypeError(
    `${where}: credentials need tls "verified"; ` +
      "say credentials.allowUnverified to offer the password to whoever answers",
  );
}

function relaySettings(
  relay: RelayOptions,
  usualTls: TlsLevel,
  where: string,
  usualDane: boolean,
): RelaySettings {
  const { tls = usualTls, authorities, source, connections = DEFAULT_RELAY_CONNECTIONS } = relay;
  const dane = relay.dane ?? (usualDane || tls === "dane");
  if (!dane && tls === "dane") {
    throw new TypeError(`${where}: tls "dane" needs dane, which is switched off`);
  }
  checkCount(connections, `${where}: connections`);
  for (const address of [source?.ipv4, source?.ipv6]) {
    if (address === undefined || parseIp(address) !== null) continue;
    throw new TypeError(`${where}: source ${address} is no IP address`);
  }
  return {
    ...{ tls, dane },
    ...(authorities && { authorities }),
    ...(source && { source }),
    family: relay.family ?? "ipv6-first",
    allowAddresses: (relay.allowAddresses ?? []).map((text) => readNetwork(text, where)),
    connections,
    eightBit: relay.eightBit ?? "convert",
  };
}

function readNetwork(text: string, where: string): Network {
  const network = parseNetwork(text);
  if (network !== null) return network;
  throw new TypeError(`${where}: allowAddresses: ${text} is not a network such as 127.0.0.0/8`);
}

function readPort(port: number, where: string): number {
  if (Number.isInteger(port) && port > 0 && port < 65536) return port;
  throw new TypeError(`${where}: there is no port ${port}`);
}

function checkCount(count: number, where: string): void {
  if (Number.isInteger(count) && count > 0) return;
  throw new TypeError(`${where}: ${count} is no whole number over 0`);
}
