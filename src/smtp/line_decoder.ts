/**
 * Cuts what a client sends into command lines (RFC 5321 §2.3.8, §4.5.3.1.4). Only CRLF ends a line: an LF
 * alone is reported at once, because a peer that counts it as a line end reads other commands than a
 * server before it did. A bare CR stays in the line; the command parser refuses control characters.
 *
 * Memory is bounded by `limit`: a longer line is thrown away as it comes and reported when its CRLF is
 * there; one that never ends is reported as hopeless. Nothing is thrown.
 *
 * @module
 */

import type { Cursor } from "./cursor.ts";
import { CR, LF } from "./text_scan.ts";

/** What the line decoder found. */
export type LineResult =
  /** A line without its CRLF; the view holds until the next call. */
  | { readonly type: "line"; readonly line: Uint8Array }
  /** A line over the limit was read to its CRLF and thrown away, but for its {@link LINE_START}; valid as `line` is. */
  | { readonly type: "too-long"; readonly start: Uint8Array }
  /** An LF without CR before it; what the line held is gone. */
  | { readonly type: "bare-newline" }
  /** More was thrown away for one line than anybody sends in good faith: hang up. All else is ignored. */
  | { readonly type: "hopeless" };

const BARE_NEWLINE: LineResult = { type: "bare-newline" };
const HOPELESS: LineResult = { type: "hopeless" };

const EMPTY = new Uint8Array(0);

/** Octets of a line that is too long which are kept: they tell which command it was. */
export const LINE_START = 64;

/** A carry buffer up to this many octets is kept for the next line; a larger one is let go. */
const KEPT_CARRY = 512;

/**
 * The incremental line decoder.
 *
 * @example
 * ```ts
 * import { LineDecoder } from "./line_decoder.ts";
 * import { cursorOver } from "./cursor.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const decoder = new LineDecoder(512);
 * const cursor = cursorOver(encode("NOOP\r\nQUI"));
 * const first = decoder.next(cursor);
 * assert(first?.type === "line");
 * assertEquals(decode(first.line), "NOOP");
 * assertEquals(decoder.next(cursor), null);
 * assertEquals(decoder.pending, true);
 * ```
 */
export class LineDecoder {
  /**
   * The longest line in octets, its CRLF counted. It may be changed at any time (AUTH takes longer lines
   * than commands do); a line already found too long stays so.
   */
  limit: number;
  readonly #hopelessAfter: number;
  /** What earlier reads brought of this line, unless it is thrown away: `#carry[0..#carried)`. */
  #carry: Uint8Array = EMPTY;
  #carried = 0;
  /** Octets that earlier reads brought of this line, thrown away or not. */
  #length = 0;
  #discarding = false;
  #afterCr = false;
  #hopeless = false;

  /**
   * Stands at the start of a line.
   *
   * @param limit The longest line in octets, its CRLF counted.
   * @param hopelessAfter The length in octets from which a line is not read to its end any more.
   */
  constructor(limit: number, hopelessAfter = 1024 * 1024) {
    this.limit = limit;
    this.#hopelessAfter = hopelessAfter;
  }

  /** Whether the beginning of a line has come but not its end. */
  get pending(): boolean {
    return this.#length > 0;
  }

  /** The next line or fault, or `null` when the cursor is used up. */
  next(cursor: Cursor): LineResult | null {
    const { bytes, at: from, end } = cursor;
    if (this.#hopeless) {
      cursor.at = end;
      return HOPELESS;
    }
    if (from === end) return null;
    let lf = from;
    while (lf < end && bytes[lf] !== LF) lf++;
    const to = lf < end ? lf + 1 : end;
    const length = this.#length + to - from;
    if (length > this.#hopelessAfter) {
      cursor.at = end;
      this.reset();
      this.#hopeless = true;
      return HOPELESS;
    }
    cursor.at = to;
    if (lf === end) {
      this.#keep(bytes, from, end);
      return null;
    }
    const afterCr = lf > from ? bytes[lf - 1] === CR : this.#afterCr;
    const tooLong = this.#discarding || length > this.limit;
    if (!afterCr) {
      this.reset();
      return BARE_NEWLINE;
    }
    if (tooLong) return { type: "too-long", start: this.#finishStart(bytes, from, to) };
    return { type: "line", line: this.#finish(bytes, from, to, length) };
  }

  /** Forgets the beginning of a line, as after STARTTLS, and hopelessness. */
  reset(): void {
    if (this.#carry.length > KEPT_CARRY) this.#carry = EMPTY;
    this.#carried = 0;
    this.#length = 0;
    this.#discarding = false;
    this.#afterCr = false;
    this.#hopeless = false;
  }

  /** Keeps the beginning of a line for the next read, or only its start and length when it is too long already. */
  #keep(bytes: Uint8Array, from: number, to: number): void {
    this.#length += to - from;
    this.#afterCr = bytes[to - 1] === CR;
    if (this.#length >= this.limit) this.#discarding = true; // the LF is still to come
    if (this.#discarding) this.#keepStart(bytes, from, to);
    else this.#append(bytes, from, to);
  }

  #keepStart(bytes: Uint8Array, from: number, to: number): void {
    const missing = LINE_START - this.#carried;
    if (missing > 0) this.#append(bytes, from, Math.min(to, from + missing));
    else if (missing < 0) this.#carry = this.#carry.slice(0, this.#carried = LINE_START);
  }

  /** The start of a line that is too long, which ends at `to`. */
  #finishStart(bytes: Uint8Array, from: number, to: number): Uint8Array {
    this.#keepStart(bytes, from, to);
    const start = this.#carry.subarray(0, this.#carried);
    this.reset();
    return start;
  }

  /** The line of `length` octets that ends with CRLF at `to`, without these two. */
  #finish(bytes: Uint8Array, from: number, to: number, length: number): Uint8Array {
    if (this.#carried === 0) {
      this.reset();
      return bytes.subarray(from, to - 2);
    }
    this.#append(bytes, from, to);
    const line = this.#carry.subarray(0, length - 2);
    this.reset();
    return line;
  }

  #append(bytes: Uint8Array, from: number, to: number): void {
    const needed = this.#carried + to - from;
    if (needed > this.#carry.length) {
      const larger = new Uint8Array(Math.max(64, needed, Math.min(2 * needed, this.limit)));
      larger.set(this.#carry.subarray(0, this.#carried));
      this.#carry = larger;
    }
    this.#carry.set(bytes.subarray(from, to), this.#carried);
    this.#carried = needed;
  }
}
