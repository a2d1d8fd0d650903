/**
 * Names and passwords brought to one form before they are hashed or compared, so that the same
 * password typed on two keyboards is the same octets: SASLprep (RFC 4013) without its two tables that
 * need a Unicode 3.2 database.
 *
 * Done: blanks of all kinds become SPACE, invisible joiners vanish (RFC 3454 B.1), NFKC, and what
 * cannot be typed is refused (controls, private use, non-characters, lone surrogates, bidirectional and
 * tagging controls: C.2 to C.9). Not done: the check of right-to-left runs (RFC 3454 §6) and the refusal
 * of code points unassigned in Unicode 3.2, so emoji are welcome. Every string full SASLprep takes
 * comes out the same, but for the few characters whose NFKC Unicode has corrected since 3.2.
 *
 * @module
 */

import { encode } from "../../bytes.ts";
import { MAX_PASSWORD, type PasswordRules } from "./sasl.ts";

const BLANKS = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
const VANISHING =
  /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200c\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
const REFUSED = new RegExp(
  "[" +
    "\\p{Cc}\\p{Co}\\p{Cs}\\p{Noncharacter_Code_Point}" + // C.2.1 and part of C.2.2, C.3, C.5, C.4
    "\\u06dd\\u070f\\u180e\\u2028\\u2029\\u2061-\\u2063\\u206a-\\u206f\\ufff9-\\ufffd" + // C.2.2, C.6
    "\\u{1d173}-\\u{1d17a}" + // C.2.2
    "\\u2ff0-\\u2ffb" + // C.7
    "\\u0340\\u0341\\u200e\\u200f\\u202a-\\u202e" + // C.8
    "\\u{e0001}\\u{e0020}-\\u{e007f}" + // C.9
    "]",
  "u",
);

/** A prepared password, or `null` as {@link saslprep} gives it; empty where the rules have it. */
export function prepPassword(text: string, rules: PasswordRules): string | null {
  return text === "" && rules.emptyPassword === true ? "" : saslprep(text, MAX_PASSWORD);
}

/**
 * The prepared string, or `null` where it holds what cannot be typed, nothing is left, or more than
 * `limit` octets of UTF-8 are.
 *
 * @example
 * ```ts
 * import { saslprep } from "./saslprep.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(saslprep("I\u00adX", 100), "IX"); // RFC 4013 §3
 * assertEquals(saslprep("\u0007", 100), null);
 * ```
 */
export function saslprep(text: string, limit: number): string | null {
  const prepared = text.replace(BLANKS, " ").replace(VANISHING, "").normalize("NFKC");
  if (prepared === "" || REFUSED.test(prepared)) return null;
  return encode(prepared).length > limit ? null : prepared;
}
