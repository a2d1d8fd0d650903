/**
 * The form in which a signature's own field is signed: without its signature (RFC 6376 §3.7). Those that make such fields
 * and those that check them, of DKIM and of ARC, must agree on it to the octet, however oddly the field is folded.
 *
 * Pure; octets that are no such field come back as they are.
 *
 * @module
 */

import type { RawField } from "../../message/header.ts";

const COLON = 0x3a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const LOWER_B = 0x62;

/**
 * A field with the value of its `b=` taken out (RFC 6376 §3.7), and with its CRLF: octet for octet what was signed, but
 * for canonicalization. ARC's fields are signed the same way.
 *
 * @example
 * ```ts
 * import { withoutSignature } from "./signed_form.ts";
 * import { decode, encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const raw = encode("DKIM-Signature: v=1; b = aGVs\r\n bG8= ;\r\n\tbh=YQ==\r\n");
 * const signed = withoutSignature({ name: "DKIM-Signature", raw });
 * assertEquals(decode(signed), "DKIM-Signature: v=1; b =;\r\n\tbh=YQ==\r\n");
 * ```
 */
export function withoutSignature({ raw }: RawField): Uint8Array {
  const end = endOfValue(raw);
  for (let start = raw.indexOf(COLON) + 1; start < end;) {
    const semicolon = raw.indexOf(SEMICOLON, start);
    const stop = semicolon === -1 ? end : semicolon;
    const value = valueOfB(raw, start, stop);
    if (value !== -1) {
      const rest = raw.length - stop;
      const signed = raw.slice(0, value + rest);
      signed.set(raw.subarray(stop), value);
      return signed;
    }
    start = stop + 1;
  }
  return raw;
}

/** Where the value of a tag begins, if the tag is `b`; else -1. */
function valueOfB(raw: Uint8Array, start: number, stop: number): number {
  let at = skipFws(raw, start, stop);
  if (at === stop || raw[at] !== LOWER_B) return -1;
  at = skipFws(raw, at + 1, stop);
  return at < stop && raw[at] === EQUALS ? at + 1 : -1;
}

function skipFws(raw: Uint8Array, start: number, stop: number): number {
  let at = start;
  while (at < stop && isFws(raw[at]!)) at++;
  return at;
}

function isFws(octet: number): boolean {
  return octet === 0x20 || octet === 0x09 || octet === 0x0d || octet === 0x0a;
}

/** Where the last CRLF begins. */
function endOfValue(raw: Uint8Array): number {
  const { length } = raw;
  return raw[length - 1] === 0x0a && raw[length - 2] === 0x0d ? length - 2 : length;
}
