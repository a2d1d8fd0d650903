/**
 * The few byte-string helpers every layer shares. Pure; no runtime is named here.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const exactDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text to UTF-8 octets. */
export function encode(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Octets of a block that brief texts share. */
const BLOCK = 4096;
/** The longest that is brief: UTF-16 code units of a text, or octets. */
const BRIEF = 512;

/** The rest of the block in use. */
let block = new Uint8Array(0);

/**
 * Text to UTF-8 octets that nobody keeps: replies, fields and lines on their way out. To the runtime an array
 * with memory of its own is dearer than all else about a short text, so short ones lie in a block that they
 * share, and that is there until the last of them is let go.
 *
 * Not for octets that are kept, nor for any that are written to or given to another thread.
 *
 * @example
 * ```ts
 * import { decode, encodeBrief } from "./bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [one, two] = [encodeBrief("250 OK"), encodeBrief("221 Bye")];
 * assertEquals([decode(one), decode(two)], ["250 OK", "221 Bye"]);
 * ```
 */
export function encodeBrief(text: string): Uint8Array {
  if (text.length > BRIEF) return encoder.encode(text);
  // A code unit of UTF-16 makes three octets at most.
  if (block.length < text.length * 3) block = new Uint8Array(BLOCK);
  const { written } = encoder.encodeInto(text, block);
  const octets = block.subarray(0, written);
  block = block.subarray(written);
  return octets;
}

/** Whether a text, or the part of it, is ASCII: as many octets as characters, and the same in every encoding. */
export function isAscii(text: string, from = 0, to: number = text.length): boolean {
  for (let i = from; i < to; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Whether a text has at most so many octets in UTF-8. What is short anyway is not encoded to know. */
export function utf8Fits(text: string, octets: number): boolean {
  // A code unit of UTF-16 makes one octet at least and three at most.
  return text.length * 3 <= octets || (text.length <= octets && encode(text).length <= octets);
}

/** Whether a text, from there on, is printable ASCII, blanks among it: it can do no harm in any line. */
export function isPrintable(text: string, from = 0): boolean {
  for (let i = from; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit > 0x7e) return false;
  }
  return true;
}

/** UTF-8 octets to text; ill-formed sequences become U+FFFD. */
export function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** UTF-8 octets to text, or `null` where they are not well-formed UTF-8. */
export function decodeStrict(bytes: Uint8Array): string | null {
  // The strict decoder takes three times as long, so it is asked only where the answer is in doubt.
  const text = exactDecoder.decode(bytes);
  if (!text.includes("\ufffd")) return text;
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * The same text in one piece. What was put together of pieces, or cut out of a longer text, the runtime keeps
 * as a note on how; who keeps it for long, or makes octets of it often, had better have the text itself.
 */
export function solid(text: string): string {
  return decode(encode(text));
}

/** One array holding all the parts, in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return fill(new Uint8Array(lengthOf(parts)), parts);
}

/** {@link concat} for octets that nobody keeps: see {@link encodeBrief}. */
export function concatBrief(parts: readonly Uint8Array[]): Uint8Array {
  const length = lengthOf(parts);
  if (length > BRIEF) return fill(new Uint8Array(length), parts);
  if (block.length < length) block = new Uint8Array(BLOCK);
  const octets = fill(block.subarray(0, length), parts);
  block = block.subarray(length);
  return octets;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function fill(whole: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether two byte strings are the same octets. Not constant-time: not for secrets. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
