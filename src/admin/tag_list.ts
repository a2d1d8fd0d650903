/**
 * Lists of tags as DKIM writes them (`v=DKIM1; p=…`, RFC 6376 §3.2), which DMARC, MTA-STS and TLS-RPT took over.
 * What the tags mean is for others.
 *
 * @module
 */

/** Tags by name, in their order; blanks around values are gone. */
export type TagList = ReadonlyMap<string, string>;

/**
 * Reads a list; `null` where a part is no tag or a name comes twice (RFC 6376 §3.2).
 *
 * @example
 * ```ts
 * import { parseTagList } from "./tag_list.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...parseTagList("v=DMARC1; p=none;")!], [["v", "DMARC1"], ["p", "none"]]);
 * assertEquals(parseTagList("v=DMARC1; none"), null);
 * ```
 */
export function parseTagList(text: string): TagList | null {
  const parts = text.split(";");
  if (parts.at(-1)!.trim() === "") parts.pop();
  const tags = new Map<string, string>();
  for (const part of parts) {
    const [, name, value] = /^\s*([A-Za-z]\w*)\s*=\s*([^]*?)\s*$/.exec(part) ?? [];
    if (name === undefined || value === undefined || tags.has(name)) return null;
    tags.set(name, value);
  }
  return tags;
}
