/**
 * The MIME fields of a message or part (RFC 2045 §5, §6): read leniently, as mail programs do, and
 * changed in place.
 *
 * @module
 */

import { fieldValue, findField, isField, makeField, type RawField } from "./header.ts";
import { lexStructured } from "./structured.ts";

/** What a Content-Type says, as far as it concerns a relay. */
export interface ContentType {
  /** In lower case, such as `text`. */
  readonly type: string;
  /** In lower case, such as `plain`. */
  readonly subtype: string;
  /** The boundary; `null` where there is none, or none that everybody reads alike. */
  readonly boundary: string | null;
}

const TOKEN = "[!#$%&'*+\\-.0-9A-Z^_`a-z{|}~]+";
const FULL_TYPE = new RegExp(`[ \\t]*(${TOKEN})[ \\t]*/[ \\t]*(${TOKEN})`, "y");
const SKIPPED = /(?:[ \t;]|\([^()\\]*\))+/y;
const NAME = /([^=;\s"()]+)[ \t]*=[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
/** More than tokens: many write `boundary=----=_Part:1` without quotes. */
const BARE = /[^;\s"()]+/y;
/** RFC 2046 §5.1.1 says 70 at most; not everybody keeps to it. */
const BOUNDARY = /^[ -~]{0,199}[!-~]$/;

/**
 * Reads a Content-Type value; `null` where no type can be made out.
 *
 * @example
 * ```ts
 * import { parseContentType } from "./mime_fields.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseContentType('Multipart/Mixed; charset=x; Boundary="a b"'), {
 *   type: "multipart",
 *   subtype: "mixed",
 *   boundary: "a b",
 * });
 * assertEquals(parseContentType("text"), null);
 * ```
 */
export function parseContentType(value: string): ContentType | null {
  const start = matchAt(FULL_TYPE, value, 0);
  if (start === null) return null;
  const boundaries: string[] = [];
  for (let at = start[0].length; at < value.length;) {
    at += matchAt(SKIPPED, value, at)?.[0].length ?? 0;
    const name = matchAt(NAME, value, at);
    if (name === null) break;
    at += name[0].length;
    const quoted = matchAt(QUOTED, value, at);
    const given = quoted ?? matchAt(BARE, value, at);
    if (given === null) break;
    at += given[0].length;
    const key = name[1]?.toLowerCase() ?? "";
    if (key === "boundary") boundaries.push(quoted?.[1]?.replace(/\\(.)/g, "$1") ?? given[0]);
    // In several pieces or with a character set (RFC 2231), where few would look for it.
    if (key.startsWith("boundary*")) boundaries.push("");
  }
  const [boundary = ""] = boundaries;
  return {
    type: start[1]?.toLowerCase() ?? "",
    subtype: start[2]?.toLowerCase() ?? "",
    boundary: boundaries.length === 1 && BOUNDARY.test(boundary) ? boundary : null,
  };
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** The Content-Transfer-Encoding in lower case, `7bit` where there is none (RFC 2045 §6.1). */
export function transferEncodingOf(fields: readonly RawField[]): string {
  const field = findField(fields, "Content-Transfer-Encoding");
  if (field === null) return "7bit";
  const lexemes = lexStructured(fieldValue(field)) ?? [];
  return lexemes.map((lexeme) => lexeme.text).join("").toLowerCase();
}

/** Whether what is encoded so stands there as it is (RFC 2045 §6.2). */
export function isIdentity(encoding: string): boolean {
  return encoding === "7bit" || encoding === "8bit" || encoding === "binary";
}

/** The fields with one of this name and value: in the place of the first that was there, or at the end. */
export function setField(fields: readonly RawField[], name: string, value: string): RawField[] {
  const made = makeField(name, value);
  const at = fields.findIndex((field) => isField(field, name));
  if (at === -1) return [...fields, made];
  return fields.flatMap((field, index) => {
    if (index === at) return [made];
    return isField(field, name) ? [] : [field];
  });
}
