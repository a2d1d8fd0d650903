/**
 * Header sections that others wrote, with lines that every station takes. A line of text has 998 octets at most
 * (RFC 5321 §4.5.3.1.6); we take longer ones from others, but what we send in our own name must not have them: the
 * next station may refuse it.
 *
 * Pure and total.
 *
 * @module
 */

import { concat, encode } from "../bytes.ts";

/** Octets of a line, without its CRLF. */
const LONGEST_LINE = 998;

const LF = 0x0a;
const CR = 0x0d;

/** Whether a line has more than 998 octets before its CRLF. */
export function hasLongLine(text: Uint8Array): boolean {
  for (let at = 0; at < text.length;) {
    const lf = text.indexOf(LF, at);
    const end = lf === -1 ? text.length : text[lf - 1] === CR ? lf - 1 : lf;
    if (end - at > LONGEST_LINE) return true;
    at = lf === -1 ? text.length : lf + 1;
  }
  return false;
}

/**
 * A header section whose long lines are folded (RFC 5322 §2.2.3): at white space, of which one space is left there; a
 * word that is too long by itself is broken, between characters where it is UTF-8. The other lines stay as they are.
 *
 * @example
 * ```ts
 * import { foldLongLines } from "./fold_lines.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const head = `To: a@b.example\r\nX: ${"y".repeat(990)} ${"z".repeat(20)}\r\n`;
 * assertEquals(decode(foldLongLines(encode(head))), head.replace(" z", "\r\n z"));
 * ```
 */
export function foldLongLines(head: Uint8Array): Uint8Array {
  if (!hasLongLine(head)) return head;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < head.length;) {
    const lf = head.indexOf(LF, at);
    const next = lf === -1 ? head.length : lf + 1;
    const line = head.subarray(at, next);
    parts.push(...(hasLongLine(line) ? folded(line) : [line]));
    at = next;
  }
  return concat(parts);
}

/** One line of octets as several. */
function folded(line: Uint8Array): Uint8Array[] {
  const stop = line.at(-2) === CR ? line.length - 2 : line.length - 1;
  const text = line.subarray(0, line.at(-1) === LF ? stop : line.length);
  const parts: Uint8Array[] = [];
  let column = 0;
  for (let at = 0; at < text.length;) {
    let word = at;
    while (isWhite(text[word])) word++;
    let end = word;
    while (end < text.length && !isWhite(text[end])) end++;
    if (end === word) break; // white space at the end of a line says nothing
    if (column > 0 && column + end - at <= LONGEST_LINE) {
      parts.push(text.subarray(at, end));
      column += end - at;
    } else {
      for (let rest = word; rest < end;) {
        // A line that goes on from the one before begins with white space itself.
        parts.push(parts.length > 0 ? FOLD : word > at ? SPACE : NOTHING);
        const length = pieceLength(text.subarray(rest, end));
        parts.push(text.subarray(rest, rest + length));
        column = 1 + length;
        rest += length;
      }
    }
    at = end;
  }
  return [...parts, CRLF];
}

/** Octets of a word that fit in a line behind a space, without parting a character of UTF-8. */
function pieceLength(word: Uint8Array): number {
  if (word.length < LONGEST_LINE) return word.length;
  for (let length = LONGEST_LINE - 1; length > LONGEST_LINE - 5; length--) {
    if ((word[length]! & 0xc0) !== 0x80) return length;
  }
  return LONGEST_LINE - 1;
}

const FOLD = encode("\r\n ");
const SPACE = encode(" ");
const NOTHING = new Uint8Array(0);
const CRLF = encode("\r\n");

function isWhite(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x09;
}
