/**
 * DNS records as zone files have them (RFC 1035 §5): names with the dot at their end, texts in strings of at most
 * 255 octets, quoted and escaped. Any authoritative server loads them.
 *
 * @module
 */

import { encode } from "../bytes.ts";
import type { DnsData } from "../runtime/dns_message.ts";
import {
  asciiDomain,
  domainRecords,
  hostRecords,
  type MailDomain,
  type MailHost,
} from "./dns_records.ts";
import type { WantedRecord } from "./wanted_record.ts";

/** Seconds for which others may remember a record: short enough to mend a slip. */
const TTL = 3600;
/** Octets of one string (RFC 1035 §3.3). */
const MAX_STRING = 255;

/**
 * A record as a line.
 *
 * @example
 * ```ts
 * import { formatZoneRecord } from "./zone_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   formatZoneRecord("example.org", { type: "MX", preference: 10, exchange: "mx.example.org" }),
 *   "example.org. 3600 IN MX 10 mx.example.org.",
 * );
 * ```
 */
export function formatZoneRecord(name: string, data: DnsData): string {
  return `${absolute(name)} ${TTL} IN ${data.type} ${formatZoneData(data)}`;
}

/** What stands behind the type. Of an SOA only what is known of it. */
export function formatZoneData(data: DnsData): string {
  switch (data.type) {
    case "A":
    case "AAAA":
      return data.address;
    case "CNAME":
    case "NS":
    case "PTR":
      return absolute(data.name);
    case "MX":
      return `${data.preference} ${absolute(data.exchange)}`;
    case "SRV":
      return `${data.priority} ${data.weight} ${data.port} ${absolute(data.target)}`;
    case "TXT":
      return formatStrings(data.text);
    case "TLSA":
      return `${data.usage} ${data.selector} ${data.matching} ${data.data.toHex()}`;
    case "SOA":
      return String(data.minimum);
  }
}

/**
 * The records of each domain as zone files, one after the other. Those of the host are with the domain it lies in,
 * else as comments with the first one.
 */
export function formatZones(host: MailHost, domains: readonly MailDomain[]): string {
  const zones = domains.map(({ domain }) => asciiDomain(domain));
  const home = Math.max(0, zones.findIndex((zone) => isInside(host.hostname, zone)));
  return domains.map((domain, index) => {
    const own = index === home ? hostRecords(host) : [];
    const unknown = index === home && host.addresses.length === 0 ? [host.hostname] : [];
    return formatZone(zones[index]!, unknown, [...own, ...domainRecords(host, domain)]);
  }).join("\n");
}

/** What lies in another zone, and what is for later, is a comment. */
function formatZone(
  zone: string,
  unknown: readonly string[],
  records: readonly WantedRecord[],
): string {
  const lines = [
    `; DNS records for ${zone}, as a zone file has them. In the form of a provider each line is a name, a`,
    "; type and a value; many want names without the dot at the end. What begins with ; is not for this zone.",
  ];
  for (const name of unknown) {
    lines.push(
      "",
      `; Where this host is: publish its addresses. Nobody has said yet which they are. Each of them also`,
      `; needs a PTR record that leads back to ${name}; whoever gave it to you sets that.`,
      `; ${absolute(name)} ${TTL} IN A ADDRESS`,
    );
  }
  let said = "";
  for (const { name, data, need, why } of records) {
    const reason = why.map((line) => `; ${line}`).join("\n");
    if (reason !== said) lines.push("", reason);
    said = reason;
    const published = isInside(name, zone) && need !== "later";
    lines.push((published ? "" : "; ") + formatZoneRecord(name, data));
  }
  return `${lines.join("\n")}\n`;
}

function isInside(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

function absolute(name: string): string {
  return `${name}.`;
}

function formatStrings(text: string): string {
  const octets = encode(text);
  const strings: string[] = [];
  for (let at = 0; at === 0 || at < octets.length; at += MAX_STRING) {
    strings.push(`"${[...octets.subarray(at, at + MAX_STRING)].map(escape).join("")}"`);
  }
  return strings.join(" ");
}

/** RFC 1035 §5.1: `\"`, `\\`, and `\DDD` for what is not visible. */
function escape(octet: number): string {
  if (octet === 0x22 || octet === 0x5c) return `\\${String.fromCharCode(octet)}`;
  if (octet >= 0x20 && octet < 0x7f) return String.fromCharCode(octet);
  return `\\${String(octet).padStart(3, "0")}`;
}
