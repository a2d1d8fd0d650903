/**
 * Name servers as text: `/etc/resolv.conf` (resolv.conf(5)) and `address:port`. Reading the file is for
 * others.
 *
 * Reading one is total: what is no name server is passed over, or `null`.
 *
 * @module
 */

import { classifyIp, formatIp, parseIp } from "../net_address.ts";

/** Where a name server answers. */
export interface NameServer {
  /** An IP address. */
  readonly address: string;
  /** By UDP and TCP alike. */
  readonly port: number;
}

/** The port of DNS (RFC 1035 §4.2). */
const DNS_PORT = 53;

/** The most that resolv.conf(5) lets count (MAXNS). */
const MAX_SERVERS = 3;

/**
 * The name servers of a resolv.conf, in its order. Other settings have no meaning here: mail domains are
 * never completed from a search list.
 *
 * @example
 * ```ts
 * import { parseResolvConf } from "./resolv_conf.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseResolvConf("search example.org\nnameserver 192.0.2.53\n"), [
 *   { address: "192.0.2.53", port: 53 },
 * ]);
 * ```
 */
export function parseResolvConf(text: string): NameServer[] {
  return text
    .split("\n")
    .map((line) => parseIp(/^nameserver[ \t]+([^\s#;]+)/.exec(line)?.[1] ?? ""))
    .filter((address) => address !== null)
    .map((address) => ({ address: formatIp(address), port: DNS_PORT }))
    .slice(0, MAX_SERVERS);
}

/**
 * Whether the operator says there that the AD bit of these servers can be believed: they validate, and nobody sits
 * between (resolv.conf(5), `options trust-ad`). The last word counts.
 */
export function trustsAuthenticData(text: string): boolean {
  const options = text.split("\n").flatMap((line) =>
    /^options[ \t]+(.*)$/.exec(line)?.[1]?.split(/[ \t]+/) ?? []
  );
  return options.findLast((option) => /^(?:no-)?trust-ad$/.test(option)) === "trust-ad";
}

/** Hand on what others far away say, AD and all: the name server of Docker's networks, and systemd-resolved's proxy. */
const FORWARDERS = ["127.0.0.11", "127.0.0.54"];

/**
 * Whether a name server is known to hand on AD as it comes. Docker writes itself into the resolv.conf of a container,
 * beside the `options` of its host, which are about another server: there `trust-ad` is nobody's word.
 */
export function isForwarder({ address }: NameServer): boolean {
  return FORWARDERS.includes(address);
}

/** Whether a name server is on this machine, so that nobody sits between. */
export function isLocalServer(server: NameServer): boolean {
  return classifyIp(server.address) === "loopback" && !isForwarder(server);
}

/**
 * One name server: `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`; `null` where it
 * is none.
 */
export function parseNameServer(text: string): NameServer | null {
  const bare = parseIp(text);
  if (bare !== null) return { address: formatIp(bare), port: DNS_PORT };
  const match = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):([1-9]\d{0,4})$/.exec(text);
  const address = parseIp(match?.[1] ?? match?.[2] ?? "");
  const port = Number(match?.[3]);
  return address === null || port > 65535 ? null : { address: formatIp(address), port };
}

/**
 * Several of them, as an operator gives them.
 *
 * @throws {TypeError} naming the first that is none.
 */
export function parseNameServers(texts: readonly string[]): NameServer[] {
  return texts.map((text) => {
    const server = parseNameServer(text);
    if (server === null) throw new TypeError(`no name server such as "192.0.2.53:53": ${text}`);
    return server;
  });
}

/** `192.0.2.53:53`, `[2001:db8::53]:53`. */
export function formatNameServer({ address, port }: NameServer): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
