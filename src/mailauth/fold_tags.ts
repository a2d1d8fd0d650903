/**
 * Lists of tags (RFC 6376 §3.2) as the text of a field, in lines of a length that mail has: for the fields of DKIM and
 * ARC. Which tags, and where one may be broken, is the caller's. Pure; nothing fails.
 *
 * @module
 */

/** Columns a line should stay within (RFC 5322 §2.1.1). */
const FOLD_AT = 78;

/** A tag as it is written. */
export interface WrittenTag {
  /** Such as `["h=from:", "to;"]`: a line may end between them. What is longer than a line stays whole. */
  readonly pieces: readonly string[];
  /** It begins a line, wherever the one before it ended. */
  readonly beginsLine?: boolean;
}

/**
 * A field without the line end behind it. Tags are a space apart, or a line.
 *
 * @example
 * ```ts
 * import { foldTags } from "./fold_tags.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const tags = [{ pieces: ["v=1;"] }, { pieces: ["h=from:", "to;"] }, { pieces: ["b="], beginsLine: true }];
 * assertEquals(foldTags("DKIM-Signature", tags), "DKIM-Signature: v=1; h=from:to;\r\n b=");
 * ```
 */
export function foldTags(name: string, tags: readonly WrittenTag[]): string {
  let text = `${name}:`;
  let column = text.length;
  for (const { pieces, beginsLine = false } of tags) {
    let space = " ";
    let mustFold = beginsLine;
    for (const piece of pieces) {
      const folds = mustFold || column + space.length + piece.length > FOLD_AT;
      text += folds ? `\r\n ${piece}` : space + piece;
      column = (folds ? 1 : column + space.length) + piece.length;
      space = "";
      mustFold = false;
    }
  }
  return text;
}
