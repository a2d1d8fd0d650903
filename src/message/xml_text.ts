/**
 * Text in XML, so that nothing in it can become markup.
 *
 * @module
 */

// deno-lint-ignore no-control-regex
const NOT_XML = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]/g;

/**
 * Text for an element or an attribute in double quotes. Characters that XML 1.0 §2.2 has no place for become `?`.
 *
 * @example
 * ```ts
 * import { escapeXml } from "./xml_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(escapeXml('<a b="c">&'), "&lt;a b=&quot;c&quot;&gt;&amp;");
 * ```
 */
export function escapeXml(text: string): string {
  return text.toWellFormed().replace(NOT_XML, "?").replace(/[&<>"']/g, (sign) => SIGNS[sign]!);
}

const SIGNS: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};
