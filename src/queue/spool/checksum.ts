/**
 * The checksums of segments and journals: CRC-32 (as zlib and gzip have it). It is there to find what a crash or a bad
 * disk left, not what an attacker wrote, who would have to write into the spool for that; and it costs a hundredth of a
 * SHA-256. Pure.
 *
 * @module
 */

import { crc32 } from "node:zlib";

/** The sum of each octet alone. */
const TABLE = Uint32Array.from({ length: 256 }, (_, octet) => {
  let sum = octet;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1;
  return sum;
});

/** Octets up to which the table here costs less than a call into the runtime. */
const SHORT = 128;

/**
 * The checksum of the octets from one place to before another, after octets of which `before` is the checksum.
 *
 * @example
 * ```ts
 * import { checksumOf } from "./checksum.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // The check value that every description of this CRC-32 gives.
 * const octets = encode("123456789");
 * assertEquals(checksumOf(octets, 5, 9, checksumOf(octets, 0, 5)), 0xcbf43926);
 * ```
 */
export function checksumOf(octets: Uint8Array, from: number, to: number, before = 0): number {
  if (to - from > SHORT) return crc32(octets.subarray(from, to), before);
  let sum = ~before;
  for (let at = from; at < to; at++) sum = TABLE[(sum ^ octets[at]!) & 0xff]! ^ (sum >>> 8);
  return ~sum >>> 0;
}

/** A checksum in text, where it is not known yet. */
export const NO_CHECKSUM = "00000000";

/** Writes a checksum at a place: eight hexadecimal digits. */
export function writeChecksum(octets: Uint8Array, at: number, sum: number): void {
  for (let digit = 0; digit < 8; digit++) {
    const value = (sum >>> (28 - 4 * digit)) & 0xf;
    octets[at + digit] = value < 10 ? 0x30 + value : 0x57 + value;
  }
}
