/**
 * The fields that carry a signature, as text: DKIM-Signature, and ARC's, which have the same form (RFC 6376 §3.2,
 * RFC 8617 §4.1). What is signed is the field with an empty `b=`, folded as it will be sent; the signature goes behind it.
 *
 * Nothing fails; that names and values are fit for a tag list is the caller's.
 *
 * @module
 */

import { concat, encode } from "../../bytes.ts";
import type { RawField } from "../../message/header.ts";
import { foldTags } from "../fold_tags.ts";
import { canonicalField, type Canonicalization, headerHashInput } from "./canonical_field.ts";

/** Characters of Base64 in a line. */
const BASE64_LINE = 72;

/**
 * A field of tags in the order given, with an empty `b=` last, on a line of its own, and without a line end. Folded
 * between tags, and in a value behind colons; other long values stay whole.
 *
 * @example
 * ```ts
 * import { formatUnsigned } from "./sign_field.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const tags = [["v", "1"], ["h", "from:to"]] as const;
 * assertEquals(formatUnsigned("DKIM-Signature", tags), "DKIM-Signature: v=1; h=from:to;\r\n b=");
 * ```
 */
export function formatUnsigned(
  name: string,
  tags: readonly (readonly [tag: string, value: string])[],
): string {
  const written = tags.map(([tag, value]) => ({ pieces: `${tag}=${value};`.split(/(?<=:)/) }));
  return foldTags(name, [...written, { pieces: ["b="], beginsLine: true }]);
}

/** The field with its signature, in lines, and a line end. */
export function formatSigned(name: string, unsigned: string, signature: Uint8Array): RawField {
  const base64 = signature.toBase64();
  let text = unsigned + base64.slice(0, BASE64_LINE);
  for (let at = BASE64_LINE; at < base64.length; at += BASE64_LINE) {
    text += `\r\n ${base64.slice(at, at + BASE64_LINE)}`;
  }
  return { name, raw: encode(`${text}\r\n`) };
}

/**
 * What is signed (RFC 6376 §3.7): the fields that `names` mean, then the signature's own field without its line end.
 *
 * @param unsigned as {@link formatUnsigned} gives it.
 */
export function signingInput(
  fields: readonly RawField[],
  names: readonly string[],
  unsigned: string,
  canonicalization: Canonicalization,
): Uint8Array {
  const own = canonicalField(encode(`${unsigned}\r\n`), canonicalization);
  return concat([
    ...headerHashInput(fields, names, canonicalization),
    own.subarray(0, own.length - 2),
  ]);
}
