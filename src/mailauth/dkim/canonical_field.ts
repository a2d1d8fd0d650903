/**
 * Header fields as DKIM and ARC hash them (RFC 6376 §3.4.1, §3.4.2), and which of them a list of names means (§5.4.2).
 * Taking the value of `b=` out of a signature's own field is the caller's.
 *
 * Nothing fails: octets that are no header field come out by the same rules.
 *
 * @module
 */

import type { RawField } from "../../message/header.ts";
import { isBlank, SPACE } from "./canonical_blanks.ts";

/** What is forgiven on the way: `simple` nothing, `relaxed` other white space, folding, and the case of names. */
export type Canonicalization = "simple" | "relaxed";

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;

/**
 * The octets of a field as they are hashed, with the CRLF at their end. Where nothing changes that is `raw` itself.
 *
 * @param raw the field from its name to its last CRLF.
 *
 * @example
 * ```ts
 * import { canonicalField } from "./canonical_field.ts";
 * import { decode, encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 6376 §3.4.5
 * const field = encode("B : Y\t\r\n\tZ  \r\n");
 * assertEquals(decode(canonicalField(field, "relaxed")), "b:Y Z\r\n");
 * assertEquals(canonicalField(field, "simple"), field);
 * ```
 */
export function canonicalField(raw: Uint8Array, canonicalization: Canonicalization): Uint8Array {
  return canonicalization === "relaxed" ? relaxedField(raw) : simpleField(raw);
}

/**
 * The fields that a signature's `h=` means, in its order, each in canonical form. A name means the lowest field of that
 * name that was not yet taken; one more than there are means nothing, which keeps others from adding one (RFC 6376 §5.4.2).
 *
 * @param fields of the message, the uppermost first; without the signature that is made or checked.
 * @param names in any case.
 *
 * @example
 * ```ts
 * import { headerHashInput } from "./canonical_field.ts";
 * import { decode, encode } from "../../bytes.ts";
 * import { parseFields } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const fields = parseFields(encode("To: a\r\nReceived: new\r\nReceived: old\r\n"));
 * const input = headerHashInput(fields, ["received", "to", "to", "received"], "relaxed");
 * assertEquals(input.map(decode), ["received:old\r\n", "to:a\r\n", "received:new\r\n"]);
 * ```
 */
export function headerHashInput(
  fields: readonly RawField[],
  names: readonly string[],
  canonicalization: Canonicalization,
): Uint8Array[] {
  // The fields of each name that are left, the lowest last. Both lists may be long, and a stranger's.
  const left = new Map<string, RawField[]>();
  for (const name of names) left.set(name.toLowerCase(), []);
  for (const field of fields) left.get(field.name.toLowerCase())?.push(field);
  const input: Uint8Array[] = [];
  for (const name of names) {
    const field = left.get(name.toLowerCase())!.pop();
    if (field !== undefined) input.push(canonicalField(field.raw, canonicalization));
  }
  return input;
}

/** RFC 6376 §3.4.1: as it is. The last field of a message without a body may have no line end. */
function simpleField(raw: Uint8Array): Uint8Array {
  if (raw.at(-1) === LF && raw.at(-2) === CR) return raw;
  const whole = new Uint8Array(raw.length + 2);
  whole.set(raw);
  whole.set([CR, LF], raw.length);
  return whole;
}

/** RFC 6376 §3.4.2. */
function relaxedField(raw: Uint8Array): Uint8Array {
  const octets = new Uint8Array(raw.length + 2);
  const colon = raw.indexOf(COLON);
  let end = 0;
  for (let at = 0; at < colon; at++) {
    const octet = raw[at]!;
    octets[end++] = octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
  }
  if (colon >= 0) {
    while (isBlank(octets[end - 1])) end--;
    octets[end++] = COLON;
  }
  const value = end;
  let blank = false;
  for (let at = colon + 1; at < raw.length; at++) {
    const octet = raw[at]!;
    if (isBlank(octet)) {
      blank = true;
    } else if (octet === CR && raw[at + 1] === LF) {
      at++; // Folding, or the end.
    } else {
      if (blank && end > value) octets[end++] = SPACE;
      blank = false;
      octets[end++] = octet;
    }
  }
  octets[end] = CR;
  octets[end + 1] = LF;
  return octets.subarray(0, end + 2);
}
