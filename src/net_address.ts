/**
 * Network addresses and networks as values (RFC 4291, RFC 4632): read, written canonically
 * (RFC 5952) and grouped by client. Host names and ports are no business of this file.
 *
 * Everything here is total: text that is no address gives `null`, `false`, or itself.
 *
 * @module
 */

/** An IP address: four octets (IPv4) or sixteen (IPv6). */
export type IpAddress = Uint8Array;

/** A network, such as `10.0.0.0/8`. The octets past the prefix are zero. */
export interface Network {
  /** The first address. */
  readonly address: IpAddress;
  /** How many leading bits make the network. */
  readonly prefix: number;
}

/** The first 96 bits of `::ffff:0:0/96`, IPv4 in the clothes of IPv6 (RFC 4291 §2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * Reads an IPv4 or IPv6 address. Leading zeros in IPv4 are refused: some programs read them as octal,
 * and an access rule must not mean two things. An IPv6 zone (`%eth0`) is refused.
 *
 * @example
 * ```ts
 * import { formatIp, parseIp } from "./net_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseIp("192.0.2.1"), Uint8Array.of(192, 0, 2, 1));
 * assertEquals(parseIp("192.0.2.256"), null);
 * assertEquals(formatIp(parseIp("2001:DB8:0:0::1")!), "2001:db8::1");
 * ```
 */
export function parseIp(text: string): IpAddress | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): IpAddress | null {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return null;
  const octets = new Uint8Array(4);
  const parts = text.split(".");
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    const value = Number(part);
    if (value > 255 || (part.length > 1 && part.startsWith("0"))) return null;
    octets[i] = value;
  }
  return octets;
}

function parseIpv6(text: string): IpAddress | null {
  if (text.length > 45) return null; // eight groups of four, the last two dotted
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (head === null || tail === null) return null;
  const zeros = 16 - head.length - tail.length;
  // "::" stands for one group or more (RFC 4291 §2.2).
  if (halves.length === 2 ? zeros < 2 : zeros !== 0) return null;
  const octets = new Uint8Array(16);
  octets.set(head, 0);
  octets.set(tail, 16 - tail.length);
  return octets;
}

/** The octets of `a:b:c`; the last group may be dotted IPv4 where `last` says the address ends here. */
function parseGroups(text: string, last: boolean): number[] | null {
  if (text === "") return [];
  const octets: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (last && index === groups.length - 1 && group.includes(".")) {
      const dotted = parseIpv4(group);
      if (dotted === null) return null;
      octets.push(...dotted);
    } else if (/^[0-9A-Fa-f]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
    } else {
      return null;
    }
  }
  return octets.length > 16 ? null : octets;
}

/**
 * The canonical text of an address: dotted, or by RFC 5952 in lower case with the longest run of
 * zero groups shortened, IPv4-mapped ones as `::ffff:192.0.2.1`.
 */
export function formatIp(address: IpAddress): string {
  if (address.length === 4) return formatIpv4(address);
  if (isMapped(address)) return `::ffff:${formatIpv4(address.subarray(12))}`;
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0),
  );
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":"); // one group alone is not shortened (RFC 5952 §4.2.2)
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

function formatIpv4([a, b, c, d]: IpAddress): string {
  return `${a}.${b}.${c}.${d}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length;) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    start = end + 1;
  }
  return best;
}

function isMapped(address: IpAddress): boolean {
  return address.length === 16 && MAPPED.every((octet, index) => address[index] === octet);
}

/** Addresses of clients last read. A session asks of its own again and again, but always of the same. */
const CLIENTS = new Map<string, IpAddress | null>();
/** How many are remembered at most: anybody may be a client. */
const MAX_CLIENTS = 1000;
/** Longest text that is remembered: of an address with its zone. */
const LONGEST_CLIENT = 64;

/** A client's address as rules mean it: without a zone, and IPv4 also where it came as `::ffff:`. */
function parseClient(text: string): IpAddress | null {
  const known = CLIENTS.get(text);
  if (known !== undefined) return known;
  const address = readClient(text);
  if (text.length > LONGEST_CLIENT) return address;
  if (CLIENTS.size === MAX_CLIENTS) CLIENTS.clear();
  CLIENTS.set(text, address);
  return address;
}

function readClient(text: string): IpAddress | null {
  const zone = text.indexOf("%");
  const address = parseIp(zone === -1 ? text : text.slice(0, zone));
  if (address === null || (zone !== -1 && address.length === 4)) return null;
  return isMapped(address) ? address.subarray(12) : address;
}

/**
 * Reads a network: `10.0.0.0/8`, `2001:db8::/32`, or one address. Bits set past the prefix are
 * refused, since `10.1.2.3/8` is more often a slip than a wish. IPv4-mapped networks become IPv4.
 *
 * @example
 * ```ts
 * import { networkContains, parseNetwork } from "./net_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const network = parseNetwork("10.0.0.0/8")!;
 * assertEquals(networkContains(network, "10.1.2.3"), true);
 * assertEquals(networkContains(network, "::ffff:10.1.2.3"), true);
 * assertEquals(networkContains(network, "11.0.0.1"), false);
 * assertEquals(parseNetwork("10.1.2.3/8"), null);
 * ```
 */
export function parseNetwork(text: string): Network | null {
  const slash = text.indexOf("/");
  const address = parseIp(slash === -1 ? text : text.slice(0, slash));
  if (address === null) return null;
  const bits = address.length * 8;
  const length = slash === -1 ? `${bits}` : text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length)) return null;
  const prefix = Number(length);
  if (prefix > bits || !samePrefix(mask(address, prefix), address, bits)) return null;
  if (isMapped(address) && prefix >= 96) {
    return { address: address.subarray(12), prefix: prefix - 96 };
  }
  return { address, prefix };
}

/** `10.0.0.0/8`. */
export function formatNetwork(network: Network): string {
  return `${formatIp(network.address)}/${network.prefix}`;
}

/**
 * Whether a client's address lies in the network. IPv4 clients of a dual-stack socket count as IPv4;
 * what is no address (`"unix"`) lies nowhere.
 */
export function networkContains(network: Network, ip: string): boolean {
  const address = parseClient(ip);
  if (address === null || address.length !== network.address.length) return false;
  return samePrefix(address, network.address, network.prefix);
}

/** Whether all addresses of a network lie in another one. */
export function networkCovers(outer: Network, inner: Network): boolean {
  return inner.address.length === outer.address.length && inner.prefix >= outer.prefix &&
    samePrefix(inner.address, outer.address, outer.prefix);
}

/** Whether the address is this machine itself: `127.0.0.0/8` (RFC 1122 §3.2.1.3) or `::1`. */
export function isLoopback(ip: string): boolean {
  const address = parseClient(ip);
  if (address === null) return false;
  if (address.length === 4) return address[0] === 127;
  return address.every((octet, index) => octet === (index === 15 ? 1 : 0));
}

/**
 * What kind of address it is. Only `unicast` ones, private ones (RFC 1918, RFC 4193) among them, can be
 * the address of another machine; `reserved` are 240.0.0.0/4 with the broadcast address (RFC 1112 §4) and
 * IPv4 written as `::a.b.c.d` (RFC 4291 §2.5.5.1).
 */
export type IpClass =
  | "unicast"
  | "unspecified"
  | "loopback"
  | "link-local"
  | "multicast"
  | "reserved";

const CLASSES: readonly (readonly [IpClass, readonly string[]])[] = [
  ["loopback", ["127.0.0.0/8", "::1/128"]],
  ["unspecified", ["0.0.0.0/8", "::/128"]],
  ["link-local", ["169.254.0.0/16", "fe80::/10"]],
  ["multicast", ["224.0.0.0/4", "ff00::/8"]],
  ["reserved", ["240.0.0.0/4", "::/96"]],
];

const CLASS_NETWORKS = CLASSES.map(([name, networks]) =>
  [name, networks.map(parseNetwork).filter((network) => network !== null)] as const
);

/**
 * What kind of address a text is, `null` where it is none. IPv4-mapped addresses count as IPv4.
 *
 * @example
 * ```ts
 * import { classifyIp } from "./net_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(classifyIp("192.0.2.1"), "unicast");
 * assertEquals(classifyIp("::ffff:127.0.0.1"), "loopback");
 * assertEquals(classifyIp("localhost"), null);
 * ```
 */
export function classifyIp(ip: string): IpClass | null {
  if (parseClient(ip) === null) return null;
  const found = CLASS_NETWORKS.find(([, networks]) =>
    networks.some((network) => networkContains(network, ip))
  );
  return found?.[0] ?? "unicast";
}

/**
 * What limits per client count by: the IPv4 address, the /64 of an IPv6 address (one customer has at
 * least that much, RFC 6177), or the text itself where it is no address.
 *
 * @example
 * ```ts
 * import { clientKey } from "./net_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(clientKey("::ffff:192.0.2.1"), "192.0.2.1");
 * assertEquals(clientKey("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
 * assertEquals(clientKey("unix"), "unix");
 * ```
 */
export function clientKey(ip: string): string {
  const address = parseClient(ip);
  if (address === null) return ip;
  if (address.length === 4) return formatIp(address);
  return formatNetwork({ address: mask(address, 64), prefix: 64 });
}

/**
 * A network as operators and the log read it: one IPv4 host by its address, as {@link clientKey} has it, all else with
 * its length. One IPv6 host keeps its `/128`, since its bare address stands for its /64.
 *
 * @example
 * ```ts
 * import { formatClients, parseNetwork } from "./net_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatClients(parseNetwork("192.0.2.7/32")!), "192.0.2.7");
 * assertEquals(formatClients(parseNetwork("192.0.2.0/24")!), "192.0.2.0/24");
 * assertEquals(formatClients(parseNetwork("2001:db8:1:2::/64")!), "2001:db8:1:2::/64");
 * ```
 */
export function formatClients(network: Network): string {
  const { address, prefix } = network;
  return address.length === 4 && prefix === 32 ? formatIp(address) : formatNetwork(network);
}

/**
 * The network of so many leading bits that a client's address is in, or the whole address where it has no more bits;
 * `null` where the text is no address. IPv4 clients of a dual-stack socket count as IPv4.
 *
 * @example
 * ```ts
 * import { formatNetwork, networkOf } from "./net_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const prefixes = { ipv4: 24, ipv6: 64 };
 * assertEquals(formatNetwork(networkOf("::ffff:192.0.2.1", prefixes)!), "192.0.2.0/24");
 * assertEquals(formatNetwork(networkOf("2001:db8::1", prefixes)!), "2001:db8::/64");
 * assertEquals(networkOf("unix", prefixes), null);
 * ```
 */
export function networkOf(
  ip: string,
  { ipv4, ipv6 }: { readonly ipv4: number; readonly ipv6: number },
): Network | null {
  const address = parseClient(ip);
  if (address === null) return null;
  const prefix = Math.min(address.length === 4 ? ipv4 : ipv6, address.length * 8);
  return { address: mask(address, prefix), prefix };
}

/**
 * A client's address as the log and trace fields show it: canonical, IPv4 also where the socket said
 * `::ffff:`, without a zone. What is no address is given back as it is.
 */
export function canonicalIp(ip: string): string {
  const address = parseClient(ip);
  return address === null ? ip : formatIp(address);
}

function mask(address: IpAddress, prefix: number): IpAddress {
  return address.map((octet, index) => octet & octetMask(prefix - 8 * index));
}

function samePrefix(a: IpAddress, b: IpAddress, prefix: number): boolean {
  for (let i = 0; i * 8 < prefix; i++) {
    if (((a[i]! ^ b[i]!) & octetMask(prefix - 8 * i)) !== 0) return false;
  }
  return true;
}

/** The mask of an octet of which the first `bits` count. */
function octetMask(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}
