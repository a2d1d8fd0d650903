/**
 * ARC-Seal and ARC-Message-Signature as text (RFC 8617 §4.1, RFC 6376 §3.2): tags, folded. With an empty `b=` it is what
 * is signed; the signature then stands on lines of its own, so that it changes nothing else.
 *
 * Pure; that names and values are fit for a tag list is the caller's.
 *
 * @module
 */

import { foldTags } from "../fold_tags.ts";

/** A tag. */
export type Tag = readonly [name: string, value: string];

/**
 * `usual`: tags as given, `b=` last, the instance had better be first (RFC 8617 §4.1.3); folded wherever a line would be
 * too long. `plain`: tags by their names, folded between them only: two sealers that do so make the same field of the same
 * message, as tests of one beside another want it. White space within `b=` is signed by the seal.
 */
export type SealForm = "usual" | "plain";

/**
 * A field without the line end behind it.
 *
 * @param signature for `b=`, in Base64; may be empty.
 *
 * @example
 * ```ts
 * import { formatTags } from "./seal_field.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const tags = [["i", "1"], ["cv", "none"]] as const;
 * assertEquals(formatTags("ARC-Seal", tags, "AbC=", "usual"), "ARC-Seal: i=1; cv=none;\r\n b=AbC=");
 * assertEquals(
 *   formatTags("ARC-Seal", tags, "AbC=", "plain"),
 *   "ARC-Seal:\r\n b=AbC=;\r\n cv=none; i=1",
 * );
 * ```
 */
export function formatTags(
  name: string,
  tags: readonly Tag[],
  signature: string,
  form: SealForm,
): string {
  const all: Tag[] = [...tags, ["b", signature]];
  if (form === "plain") all.sort(([a], [b]) => a < b ? -1 : 1);
  return foldTags(
    name,
    all.map(([tag, value], index) => {
      const written = `${tag}=${value}${index < all.length - 1 ? ";" : ""}`;
      return {
        pieces: form === "plain" ? [written] : breakable(tag, written),
        // So are the lines of all else the same without a signature.
        beginsLine: tag === "b" || all[index - 1]?.[0] === "b",
      };
    }),
  );
}

/** The pieces of a tag between which a line may end. */
function breakable(tag: string, written: string): string[] {
  if (tag === "h") return written.split(/(?<=:)/);
  return tag === "b" ? written.match(/.{1,72}/g) ?? [] : [written];
}
