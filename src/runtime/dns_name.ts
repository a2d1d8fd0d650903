/**
 * Names as DNS has them: text and octets (RFC 1035 §3.1, §5.1), how they are compared, and where the names of an
 * address are. Total: what is no name is `null` or `false`.
 *
 * @module
 */

import { parseIp } from "../net_address.ts";

/** The longest label, in octets (RFC 1035 §2.3.4). */
export const MAX_LABEL = 63;
/** The longest name, with the octet of the root (RFC 1035 §2.3.4). */
export const MAX_NAME = 255;

/** Whether DNS can carry a name: labels of 1 to 63 octets, 255 together. `""` is the root. */
export function isDnsName(name: string): boolean {
  return encodeDnsName(name) !== null;
}

/** Names as they are compared: lower case (RFC 4343), no dot at the end. */
export function normalizeDnsName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/(?<!\\)\.$/, "");
}

/**
 * Where the names of an address are asked for (RFC 1035 §3.5, RFC 3596 §2.5), or `null` where the text is
 * no address.
 *
 * @example
 * ```ts
 * import { reverseDnsName } from "./dns_name.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(reverseDnsName("192.0.2.7"), "7.2.0.192.in-addr.arpa");
 * ```
 */
export function reverseDnsName(address: string): string | null {
  const octets = parseIp(address);
  if (octets === null) return null;
  if (octets.length === 4) return `${[...octets].reverse().join(".")}.in-addr.arpa`;
  const nibbles = [...octets].flatMap((octet) => [octet >> 4, octet & 15]);
  return `${nibbles.reverse().map((nibble) => nibble.toString(16)).join(".")}.ip6.arpa`;
}

/**
 * A name on the wire, uncompressed; `null` where DNS cannot carry it. `\.` and `\046` are octets that are no
 * separators (RFC 1035 §5.1).
 */
export function encodeDnsName(name: string): Uint8Array | null {
  if (name.length > 4 * MAX_NAME) return null;
  const octets: number[] = [0];
  let length = 0; // Where the label in work has its length octet.
  const text = name.replace(/(?<!\\)\.$/, "");
  if (text === "") return name === "" || name === "." ? Uint8Array.of(0) : null;
  for (const [piece] of text.matchAll(/\\\d{3}|\\[^]|[^]/g)) {
    if (piece === ".") {
      if (!endLabel(octets, length)) return null;
      length = octets.push(0) - 1;
      continue;
    }
    const octet = octetOf(piece);
    if (octet === null) return null;
    octets.push(octet);
  }
  if (!endLabel(octets, length)) return null;
  octets.push(0);
  return octets.length > MAX_NAME ? null : Uint8Array.from(octets);
}

function endLabel(octets: number[], at: number): boolean {
  const length = octets.length - at - 1;
  octets[at] = length;
  return length > 0 && length <= MAX_LABEL;
}

/** The octet a character or an escape stands for. Only ASCII: IDNs come as A-labels. */
function octetOf(piece: string): number | null {
  const value = piece.length === 4 ? Number(piece.slice(1)) : piece.charCodeAt(piece.length - 1);
  return piece === "\\" || value > (piece.length === 4 ? 255 : 0x7f) ? null : value;
}

/** An octet of a label as text: visible ASCII as it is, but for what has a meaning in names; the rest as `\DDD` (RFC 1035 §5.1). */
export function formatDnsOctet(octet: number): string {
  if (octet === 0x2e || octet === 0x5c) return `\\${String.fromCharCode(octet)}`;
  if (octet > 0x20 && octet < 0x7f) return String.fromCharCode(octet);
  return `\\${octet.toString().padStart(3, "0")}`;
}
