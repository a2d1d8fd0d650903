/**
 * An SMTP reply as a value: three digits, an enhanced status code and lines of text
 * (RFC 5321 §4.2, RFC 2034, RFC 3463). Policies, intake and the session all speak in these.
 *
 * @module
 */

import { decode, encode } from "../bytes.ts";

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
  const lines = text.split(/\r\n|\r|\n/);
  return enhanced === undefined ? { code, lines } : { code, enhanced, lines };
}

/** Whether a reply is a Positive Completion, 2xx (RFC 5321 §4.2.1). */
export function isCompletion({ code }: Reply): boolean {
  return code >= 200 && code < 300;
}

/** Longest text of one reply line: 512 octets less code, enhanced code, CRLF (RFC 5321 §4.5.3.1.5). */
const MAX_TEXT = 490;

/**
 * The octets of a reply. Control characters become `?`, over-long lines are cut, so that no text can
 * break the dialogue. With `enhanced` the RFC 2034 code leads each line of a 2xx, 4xx or 5xx reply.
 */
export function formatReply(value: Reply, enhanced = true): Uint8Array {
  const prefix = enhanced && value.enhanced !== undefined ? `${value.enhanced} ` : "";
  const lines = value.lines.length === 0 ? [""] : value.lines;
  let text = "";
  lines.forEach((line, index) => {
    const mark = index === lines.length - 1 ? " " : "-";
    text += `${value.code}${mark}${prefix}${value.code === 334 ? line : clean(line)}\r\n`;
  });
  return encode(text);
}

/** A text fit for a reply. A 334 is base64 of our own making and may be longer (RFC 4954 §4). */
function clean(line: string): string {
  // deno-lint-ignore no-control-regex
  const visible = line.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, "?").toWellFormed();
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
