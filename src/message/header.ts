/**
 * A message's header section as a list of raw fields (RFC 5322 §2.2, RFC 5321 §4.4): untouched fields
 * stay byte for byte as they came. New fields are made here, folded, and unable to become two.
 *
 * Where the header section ends is `head_collector.ts`; what a structured value means is
 * `structured.ts` and those who use it.
 *
 * @module
 */

import { concat, decode, decodeStrict, encodeBrief, utf8Fits } from "../bytes.ts";

/** One header field with its folding and its CRLF. */
export interface RawField {
  /** The name as written. */
  readonly name: string;
  /** All octets of the field, from the name to the last CRLF. */
  readonly raw: Uint8Array;
}

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;

/** Columns a line should stay within (RFC 5322 §2.1.1). */
const FOLD_AT = 78;
/** Octets no line may pass are 998 (RFC 5322 §2.1.1); a word longer than this is broken. */
const LONGEST_WORD = 900;
/** The same, for lines. */
const LONGEST_LINE = 998;

/** What may name a field here: RFC 5322 §2.2, and short enough to leave room for a value. */
const FIELD_NAME = /^[!-9;-~]{1,76}$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * Splits a header section into its fields. The views share `head`'s octets. Lines that are no field
 * make one of empty name, so that {@link formatFields} always gives the same octets back.
 *
 * @example
 * ```ts
 * import { fieldValue, formatFields, parseFields } from "./header.ts";
 * import { encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const head = encode("Subject: a\r\n b\r\nTo: c@d.example\r\n");
 * const fields = parseFields(head);
 * assertEquals(fields.map((field) => field.name), ["Subject", "To"]);
 * assertEquals(fieldValue(fields[0]!), "a b");
 * assertEquals(formatFields(fields), head);
 * ```
 */
export function parseFields(head: Uint8Array): RawField[] {
  const fields: RawField[] = [];
  // Names are cut from one text, not decoded one by one. Where that has another length, octets and
  // characters do not count alike.
  const text = decode(head);
  const whole = text.length === head.length ? text : null;
  for (let start = 0; start < head.length;) {
    const end = endOfField(head, start);
    const nameEnd = endOfName(head, start, end);
    const raw = head.subarray(start, end);
    const name = whole?.slice(start, nameEnd) ?? decode(head.subarray(start, nameEnd));
    fields.push({ name, raw });
    start = end;
  }
  return fields;
}

/** Where the field ends that begins there: one past the CRLF that no white space follows. */
export function endOfField(head: Uint8Array, start: number): number {
  for (let at = start;;) {
    const lf = head.indexOf(LF, at);
    if (lf === -1) return head.length;
    at = lf + 1;
    const folded = head[at] === 0x20 || head[at] === 0x09;
    if (lf > start && head[lf - 1] === CR && !folded) return at;
  }
}

/** One past the name: printable ASCII (RFC 5322 §2.2) with a colon behind, perhaps after white space (§4.5). */
function endOfName(head: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && head[at]! > 0x20 && head[at]! < 0x7f && head[at] !== COLON) at++;
  let colon = at;
  while (head[colon] === 0x20 || head[colon] === 0x09) colon++;
  return colon < end && head[colon] === COLON ? at : start;
}

/** The octets of the fields, one after another. The empty line that ends them is the caller's. */
export function formatFields(fields: readonly RawField[]): Uint8Array {
  return concat(fields.map((field) => field.raw));
}

/**
 * A field's value as text, unfolded and trimmed: UTF-8 (RFC 6532) where it is that, else Latin-1, as
 * raw 8-bit headers mostly are. It holds no line break, but other controls may be in it.
 */
export function fieldValue(field: RawField): string {
  const octets = field.raw.subarray(field.raw.indexOf(COLON) + 1);
  const text = decodeStrict(octets) ?? latin1.decode(octets);
  const line = text.endsWith("\r\n") ? text.slice(0, -2) : text;
  return trim(/[\r\n]/.test(line) ? unfold(line) : line);
}

const latin1 = new TextDecoder("latin1");

function unfold(text: string): string {
  return text.replace(/\r\n(?=[ \t])/g, "").replace(/[\r\n]+/g, " ");
}

/** Whether the field has this name, in any case. */
export function isField(field: RawField, name: string): boolean {
  if (field.name === name) return true;
  return field.name.length === name.length && field.name.toLowerCase() === name.toLowerCase();
}

/** The first field of a name, or `null`. */
export function findField(fields: readonly RawField[], name: string): RawField | null {
  return fields.find((field) => isField(field, name)) ?? null;
}

/** All fields of a name. */
export function findFields(fields: readonly RawField[], name: string): RawField[] {
  return fields.filter((field) => isField(field, name));
}

/** The fields but those of a name. */
export function removeFields(fields: readonly RawField[], name: string): RawField[] {
  return fields.filter((field) => !isField(field, name));
}

/**
 * Makes a field, folded at 78 columns where its value has spaces (RFC 5322 §2.2.3) and at every line
 * break of the value. Whatever the value holds, one field comes out: a line break only folds, other
 * control characters become `?`, and no line is empty or longer than 998 octets.
 *
 * @throws {TypeError} when the name is no field name.
 *
 * @example
 * ```ts
 * import { makeField } from "./header.ts";
 * import { decode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const field = makeField("X-Note", "harmless\r\nBcc: victim@example.org");
 * assertEquals(decode(field.raw), "X-Note: harmless\r\n Bcc: victim@example.org\r\n");
 * ```
 */
export function makeField(name: string, value: string): RawField {
  return { name, raw: encodeBrief(`${formatField(name, value)}\r\n`) };
}

/**
 * A field whose value is folded already: what stands behind the colon is the value, octet for octet, and behind it
 * a CRLF. `null` where that would not be one field: a line break that no white space follows, a line without
 * anything on it, a control character, more than 998 octets in a line, or a name that is none.
 *
 * @example
 * ```ts
 * import { verbatimField } from "./header.ts";
 * import { decode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const field = verbatimField("X-Note", "  a\r\n\tb")!;
 * assertEquals(decode(field.raw), "X-Note:  a\r\n\tb\r\n");
 * assertEquals(verbatimField("X-Note", " a\r\nBcc: victim@example.org"), null);
 * ```
 */
export function verbatimField(name: string, value: string): RawField | null {
  if (!FIELD_NAME.test(name)) return null;
  const text = `${name}:${value}`;
  const isWhole = text.split("\r\n").every((line, index) =>
    (index === 0 || /^[ \t]+[^ \t]/.test(line)) && !CONTROL.test(line) &&
    line.isWellFormed() && utf8Fits(line, LONGEST_LINE)
  );
  return isWhole ? { name, raw: encodeBrief(`${text}\r\n`) } : null;
}

/**
 * The text of {@link makeField}, without its last line end.
 *
 * @throws {TypeError} when the name is no field name.
 */
export function formatField(name: string, value: string): string {
  if (!FIELD_NAME.test(name)) throw new TypeError(`not a header field name: "${name}"`);
  const lines = cleanValue(value).split(/[\r\n]+/).map(trimEnd).filter((line) => line !== "");
  let text = `${name}:`;
  let column = text.length;
  lines.forEach((line, index) => {
    const indented = /^[ \t]/.test(line) ? line : ` ${line}`;
    for (const [at, word] of splitWords(indented).entries()) {
      const fits = column + word.length <= FOLD_AT || text.length === name.length + 1;
      if (at === 0 && index > 0 || !fits) {
        text += "\r\n";
        column = 0;
      }
      text += word;
      column += word.length;
    }
  });
  if (lines.length === 0) text += " ";
  return text;
}

/**
 * The value with nothing in it that can end a line but CR and LF: some programs that read mail take what
 * Unicode calls a line end for one.
 */
function cleanValue(value: string): string {
  // deno-lint-ignore no-control-regex
  return value.toWellFormed().replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029]/g, "?");
}

/** Words with the white space before them, each fit to stand on a line of its own. */
function splitWords(line: string): string[] {
  return (line.match(/[ \t]+[^ \t]+/g) ?? []).flatMap((word) => {
    if (utf8Fits(word, LONGEST_WORD)) return [word];
    // A character has four octets at most.
    const pieces = word.replace(/^[ \t]+/, "").match(/.{1,225}/gsu) ?? [];
    return pieces.map((piece) => ` ${piece}`);
  });
}

/** Without the white space at both ends. */
function trim(text: string): string {
  let start = 0;
  while (text[start] === " " || text[start] === "\t") start++;
  return trimEnd(text.slice(start));
}

/** Without the white space at the end. (A regular expression would take quadratic time.) */
function trimEnd(text: string): string {
  let end = text.length;
  while (text[end - 1] === " " || text[end - 1] === "\t") end--;
  return text.slice(0, end);
}
