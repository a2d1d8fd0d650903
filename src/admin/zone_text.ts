/**
 * DNS records as zone files have them (RFC 1035 §5): names with the dot at their end, texts in strings of at most
 * 255 octets, quoted and escaped. Any authoritative server loads them.
 *
 * @module
 */

import { encode } from "../bytes.ts";
import type { DnsData } from "../runtime/dns_message.ts";
import type { WantedRecord } from "./dns_records.ts";

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
    case "SOA":
      return String(data.minimum);
  }
}

/**
 * The records of a domain as a zone file, each with its reason. Those that lie in other zones, and those that are
 * for later, are comments.
 *
 * @param zone the domain.
 * @param beside more comments before the records.
 */
export function formatZone(
  zone: string,
  records: readonly WantedRecord[],
  beside: readonly string[] = [],
): string {
  const lines = beside.map((line) => `; ${line}`.trimEnd());
  let said = "";
  for (const { name, data, need, why } of records) {
    const reason = why.map((line) => `; ${line}`).join("\n");
    if (reason !== said) lines.push("", reason);
    said = reason;
    const inside = name === zone || name.endsWith(`.${zone}`);
    lines.push((inside && need !== "later" ? "" : "; ") + formatZoneRecord(name, data));
  }
  return `${lines.join("\n").trimStart()}\n`;
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
