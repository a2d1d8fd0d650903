/**
 * An SMTP reply as a value: three digits, an enhanced status code and lines of text
 * (RFC 5321 §4.2, RFC 2034, RFC 3463). Policies, intake and the session all speak in these.
 *
 * @module
 */

import { decode, encode, encodeBrief, isPrintable } from "../bytes.ts";

/** One reply to one command. */
export interface Reply {
  /** The three digits, 200 to 599 (RFC 5321 §4.2.1). */
  readonly code: number;
  /** The enhanced status code, such as `"5.1.1"` (RFC 3463); none for 1xx-3xx greetings and the like. */
  readonly enhanced?: string;
  /** The text, a string a line, without line ends. */
  readonly lines: readonly string[];
}

/**
 * Makes a reply; line breaks in the text make lines.
 *
 * @example
 * ```ts
 * import { reply } from "./reply.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(reply(550, "5.1.1", "no such user").lines, ["no such user"]);
 * ```
 */
export function reply(code: number, enhanced: string | undefined, text: string): Reply {
  const broken = text.includes("\n") || text.includes("\r");
  const lines = broken ? text.split(/\r\n|\r|\n/) : [text];
  return enhanced === undefined ? { code, lines } : { code, enhanced, lines };
}

/** The octets of replies that never change, with and without enhanced codes, once they were written. */
const FIXED = new WeakMap<Reply, { enhanced: Uint8Array | null; plain: Uint8Array | null }>();

/**
 * {@link reply}, for those that stay the same and are said again and again: its octets are made once. What
 * comes out must not be changed.
 */
export function fixedReply(code: number, enhanced: string | undefined, text: string): Reply {
  const fixed = reply(code, enhanced, text);
  FIXED.set(fixed, { enhanced: null, plain: null });
  return fixed;
}

/** Whether a reply is a Positive Completion, 2xx (RFC 5321 §4.2.1). */
export function isCompletion({ code }: Reply): boolean {
  return code >= 200 && code < 300;
}

/** Longest text of one reply line: 512 octets less code, enhanced code, CRLF (RFC 5321 §4.5.3.1.5). */
const MAX_TEXT = 490;

/**
 * The octets of a reply. Control characters, and what Unicode calls a line end, become `?`, over-long lines are cut, so that no text can
 * break the dialogue. With `enhanced` the RFC 2034 code leads each line of a 2xx, 4xx or 5xx reply. The
 * octets are to be written, not kept and not changed.
 */
export function formatReply(value: Reply, enhanced = true): Uint8Array {
  const fixed = FIXED.get(value);
  if (fixed === undefined) return encodeBrief(formatText(value, enhanced));
  return fixed[enhanced ? "enhanced" : "plain"] ??= encode(formatText(value, enhanced));
}

function formatText(value: Reply, enhanced: boolean): string {
  const prefix = enhanced && value.enhanced !== undefined ? `${value.enhanced} ` : "";
  const lines = value.lines.length === 0 ? [""] : value.lines;
  let text = "";
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const mark = i === lines.length - 1 ? " " : "-";
    text += `${value.code}${mark}${prefix}${value.code === 334 ? line : clean(line)}\r\n`;
  }
  return text;
}

/** A text fit for a reply. A 334 is base64 of our own making and may be longer (RFC 4954 §4). */
function clean(line: string): string {
  if (line.length <= MAX_TEXT && isPrintable(line)) return line;
  // deno-lint-ignore no-control-regex
  const visible = line.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/g, "?").toWellFormed();
  if (visible.length * 3 <= MAX_TEXT) return visible;
  const octets = encode(visible);
  return octets.length > MAX_TEXT ? cut(octets) : visible;
}

/** The beginning of a text, cut between two characters. */
function cut(octets: Uint8Array): string {
  let end = MAX_TEXT;
  while ((octets[end]! & 0xc0) === 0x80) end--;
  return decode(octets.subarray(0, end));
}

/** `550 5.1.1 no such user`, one line, for logs. */
export function describeReply(value: Reply): string {
  const code = value.enhanced === undefined ? `${value.code}` : `${value.code} ${value.enhanced}`;
  return `${code} ${value.lines.join(" ")}`;
}
