/**
 * Lists of tags as DKIM writes them (`v=DKIM1; p=…`, RFC 6376 §3.2), which ARC, DMARC, MTA-STS and TLS-RPT took over.
 * What the tags mean is for others.
 *
 * Pure; a text that is no such list is `null`. The time taken is linear, whatever a stranger sends.
 *
 * @module
 */

/** Tags by name, in their order; the white space around values is gone, that within them is as it was. */
export type TagList = ReadonlyMap<string, string>;

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
/** What no value holds: controls but those of folding (RFC 6376 §3.2, tval). Beyond ASCII: RFC 8616 §3. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/**
 * Reads a list; `null` where a part is no tag, a name comes twice or a value has control characters (RFC 6376 §3.2).
 *
 * @param text folded or not: CR and LF are white space.
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
  if (CONTROL.test(text)) return null;
  const parts = text.split(";");
  if (trimFws(parts.at(-1)!) === "") parts.pop();
  const tags = new Map<string, string>();
  for (const part of parts) {
    const equals = part.indexOf("=");
    if (equals === -1) return null;
    const name = trimFws(part.slice(0, equals));
    if (!NAME.test(name) || tags.has(name)) return null;
    tags.set(name, trimFws(part.slice(equals + 1)));
  }
  return tags;
}

/** A list within a value, such as `h=From : To`: its parts, without the white space around them. */
export function splitTagValue(value: string, separator: string): string[] {
  return value.split(separator).map(trimFws);
}

/** Without the white space at both ends. (A regular expression would take quadratic time.) */
function trimFws(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isFws(text.charCodeAt(start))) start++;
  while (end > start && isFws(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Blank, tab, and the line ends of folding (RFC 6376 §2.8). */
function isFws(unit: number): boolean {
  return unit === 0x20 || unit === 0x09 || unit === 0x0d || unit === 0x0a;
}
