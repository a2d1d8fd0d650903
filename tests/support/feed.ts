/**
 * Feeds a decoder a byte string in pieces, as reads of a socket would bring it.
 *
 * Every piece lies in a larger buffer at an odd offset, between octets that would end a line or a message
 * should the decoder read them; they are checked afterwards, since the decoder may write in place.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { concat, encode } from "../../src/bytes.ts";
import type { Cursor } from "../../src/smtp/cursor.ts";

const GUARD_BEFORE = encode("\r\n.\r\n");
const GUARD_AFTER = encode("\n\r\n.\r\n.\r\n");

/** Latin-1 text to octets: one for each character, so that a test can write any octet. */
export function octets(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Octets to Latin-1 text, one character for each. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += String.fromCharCode(octet);
  return text;
}

/** A copy of the piece between guards, and a check that the guards are whole. */
export function guarded(piece: Uint8Array): { cursor: Cursor; check: () => void } {
  const bytes = concat([GUARD_BEFORE, piece, GUARD_AFTER]);
  const at = GUARD_BEFORE.length;
  const end = at + piece.length;
  const check = () => {
    assertEquals(bytes.subarray(0, at), GUARD_BEFORE, "wrote before its octets");
    assertEquals(bytes.subarray(end), GUARD_AFTER, "wrote after its octets");
  };
  return { cursor: { bytes, at, end }, check };
}

/** The ways to cut a byte string: whole, octet by octet, and in two at every place. */
export function* splits(bytes: Uint8Array): Generator<Uint8Array[]> {
  yield [bytes];
  yield Array.from(bytes, (octet) => Uint8Array.of(octet));
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
}

/** Cuts a byte string into pieces of these lengths, the last taking what is left. */
export function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    if (at >= bytes.length) break;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at < bytes.length) pieces.push(bytes.subarray(at));
  return pieces;
}

/** What the feeding of a decoder gave. */
export interface Fed<Result> {
  /** The results, their views copied by `keep`. */
  results: Result[];
  /** What was not used when `last` said stop, of this piece and those after it. */
  rest: Uint8Array;
}

/**
 * Feeds the pieces to `next` until they are used up or `isLast` holds for a result. What was consumed of
 * a piece is overwritten after each call has been kept, as the next read would.
 */
export function feed<Raw, Result>(
  next: (cursor: Cursor) => Raw | null,
  pieces: readonly Uint8Array[],
  keep: (result: Raw) => Result,
  isLast: (result: Result) => boolean = () => false,
): Fed<Result> {
  const results: Result[] = [];
  for (const [index, piece] of pieces.entries()) {
    const { cursor, check } = guarded(piece);
    const { bytes, at: start, end } = cursor;
    for (let raw = next(cursor); raw !== null; raw = next(cursor)) {
      assertEquals([cursor.bytes === bytes, cursor.end], [true, end]);
      const result = keep(raw);
      results.push(result);
      check();
      if (isLast(result)) {
        return {
          results,
          rest: concat([bytes.slice(cursor.at, end), ...pieces.slice(index + 1)]),
        };
      }
    }
    check();
    assertEquals(cursor.at, end, "asked for more with octets left");
    bytes.fill(0x2e, start, end);
  }
  return { results, rest: new Uint8Array(0) };
}
