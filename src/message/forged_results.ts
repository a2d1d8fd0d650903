/**
 * Authentication-Results fields that claim to be ours though we did not write them. Whoever reads mail here believes
 * those that bear our name, so at the border such fields are taken out (RFC 8601 §5). ARC-Authentication-Results are
 * not: they are sealed, and a chain without one would be broken (RFC 8617 §4.1.1).
 *
 * A field that is well-formed is ours when its authserv-id is. One that is malformed may be read in as many ways as
 * there are readers, so it is taken for ours when our name is anywhere in it.
 *
 * Pure and total; the time taken is linear.
 *
 * @module
 */

import { domainKey } from "../address.ts";
import { isAscii } from "../bytes.ts";
import { parseAuthenticationResults } from "./authentication_results.ts";
import { decodeEncodedWords } from "./encoded_word.ts";
import { fieldValue, isField, type RawField } from "./header.ts";
import { withoutComments } from "./structured.ts";

const NAME = "Authentication-Results";
/** What stations call themselves: names of hosts, or plain words. */
const NAME_LIKE = /^[\p{L}\p{N}\p{M}._-]+$/u;

/**
 * Whether a field is an Authentication-Results field that bears one of our names, or may be read to bear it.
 *
 * @param authservIds our names, in any case, in A-labels or U-labels.
 *
 * @example
 * ```ts
 * import { isOurs } from "./forged_results.ts";
 * import { makeField } from "./header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const field = (value: string) => makeField("Authentication-Results", value);
 * assertEquals(isOurs(field("(x) MX.example.org 1; spf=pass"), ["mx.example.org"]), true);
 * assertEquals(isOurs(field("mx.example.net; spf=pass (mx.example.org)"), ["mx.example.org"]), false);
 * ```
 */
export function isOurs(field: RawField, authservIds: readonly string[]): boolean {
  if (!isField(field, NAME)) return false;
  const value = fieldValue(field);
  const ours = new Set(authservIds.map(keyOf));
  const parsed = parseAuthenticationResults(value);
  if (parsed === null) return mentions(value, ours);
  const { authservId } = parsed;
  // `mx.example.org/1` and the like are no names of anybody: a reader may stop at what he does not expect there.
  return ours.has(keyOf(authservId)) || !NAME_LIKE.test(authservId) && mentions(authservId, ours);
}

/**
 * Which of the Authentication-Results fields {@link isOurs} finds, as occurrences of that name (1: the uppermost), the
 * lowest first: taken out in this order, none changes the number of the next.
 */
export function forgedOccurrences(
  fields: readonly RawField[],
  authservIds: readonly string[],
): number[] {
  return fields.filter((field) => isField(field, NAME))
    .flatMap((field, index) => isOurs(field, authservIds) ? [index + 1] : [])
    .reverse();
}

/** A name as names are compared: as domains are (RFC 8601 §2.5), without a dot at the end. */
function keyOf(authservId: string): string {
  return domainKey(plain(authservId).replace(/\.$/, ""));
}

/** Without what is not seen, in the compatible form: a reader may drop or fold it. */
function plain(text: string): string {
  return text.normalize("NFKC").replace(/[\p{Cc}\p{Cf}]+/gu, "");
}

/** Whether a text holds one of the names, however it is quoted, split, commented or encoded. */
function mentions(text: string, names: ReadonlySet<string>): boolean {
  const written = text.replace(/\\/g, "");
  if (holds(written, names)) return true;
  // Some programs decode every field (RFC 2047), though in this one nothing may be encoded.
  return written.includes("=?") && holds(decodeEncodedWords(written, written.length), names);
}

function holds(text: string, names: ReadonlySet<string>): boolean {
  const readable = plain(text).toLowerCase();
  const joined = withoutComments(readable).replace(/[\s"]+/g, "");
  const all = [...names].filter((name) => name !== "");
  if (all.some((name) => readable.includes(name) || joined.includes(name))) return true;
  // Names in U-labels; those in A-labels were found. To make A-labels of thousands of words takes long.
  if (!all.some((name) => name.includes("xn--"))) return false;
  const words = `${readable} ${joined}`.match(/[\p{L}\p{N}\p{M}._-]+/gu) ?? [];
  return words.some((word) => word.length <= 255 && !isAscii(word) && names.has(keyOf(word)));
}
