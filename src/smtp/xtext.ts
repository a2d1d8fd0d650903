/**
 * xtext, the encoding of parameter values (RFC 3461 §4), and its Unicode kin for `utf-8` addresses
 * (RFC 6533 §3). Text ↔ text; octets beyond ASCII are UTF-8.
 *
 * The decoders give `null` for what is not well-formed. They do not judge what was encoded: a
 * decoded control character is still a control character, and the caller's to refuse.
 *
 * @module
 */

import { decodeStrict, encode } from "../bytes.ts";

/**
 * Decodes xtext: printable ASCII but `+` and `=`, and `+XX` for any octet (RFC 3461 §4). Lower-case
 * digits are read too. `null` also where the octets are not UTF-8.
 *
 * @example
 * ```ts
 * import { decodeXtext, encodeXtext } from "./xtext.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decodeXtext("e+3Dmc2@example.com"), "e=mc2@example.com"); // RFC 4954 §5
 * assertEquals(encodeXtext("e=mc2@example.com"), "e+3Dmc2@example.com");
 * assertEquals(decodeXtext("+3"), null);
 * ```
 */
export function decodeXtext(text: string): string | null {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})*$/.test(text)) return null;
  if (!text.includes("+")) return text;
  const octets: number[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "+") {
      octets.push(Number.parseInt(text.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      octets.push(text.charCodeAt(at));
    }
  }
  return decodeStrict(Uint8Array.from(octets));
}

/** Encodes as xtext (RFC 3461 §4). Lone surrogates become U+FFFD. */
export function encodeXtext(text: string): string {
  let encoded = "";
  for (const octet of encode(text)) {
    const plain = octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d;
    encoded += plain
      ? String.fromCharCode(octet)
      : `+${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/**
 * Decodes the address of a `utf-8` ORCPT: utf-8-addr-xtext (all ASCII, `\x{NNNN}` for the rest) or
 * utf-8-addr-unitext (UTF-8 as it is), RFC 6533 §3.
 *
 * @example
 * ```ts
 * import { decodeUnitext } from "./xtext.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decodeUnitext("\\x{8C6A}@example.com"), "豪@example.com");
 * assertEquals(decodeUnitext("豪@example.com"), "豪@example.com");
 * assertEquals(decodeUnitext("a=b@example.com"), null);
 * ```
 */
export function decodeUnitext(text: string): string | null {
  if (!/^(?:[!-*,-<>-[\]-~\u0080-\u{10ffff}]|\\x\{[0-9A-Fa-f]{2,6}\})*$/u.test(text)) return null;
  let sound = text.isWellFormed();
  const decoded = text.replace(/\\x\{([0-9A-Fa-f]+)\}/g, (_, digits: string) => {
    const point = Number.parseInt(digits, 16);
    sound &&= point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    return sound ? String.fromCodePoint(point) : "";
  });
  return sound ? decoded : null;
}

/**
 * Encodes an address as utf-8-addr-xtext: safe where SMTPUTF8 is not spoken (RFC 6533 §3). Lone
 * surrogates become U+FFFD.
 */
export function encodeUnitext(text: string): string {
  return text.toWellFormed().replace(/[^!-*,-<>-[\]-~]/gu, (character) => {
    const digits = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
    return `\\x{${digits.padStart(2, "0")}}`;
  });
}
