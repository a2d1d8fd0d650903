/**
 * Makes CRLF of every bare CR and every bare LF, for listeners that would rather mend such mail than
 * refuse it. It works on content, after the dots are gone and the end is found: what it makes never
 * counts as a line end of the protocol. For BDAT, which needs neither, it stands alone.
 *
 * Stretches without a bare newline pass as views; from the first one on, octets are copied to a buffer
 * of its own, so that a body of nothing but LF yields few large pieces rather than one for each. It
 * cannot fail.
 *
 * @module
 */

import type { Cursor } from "./cursor.ts";
import { indexOfBareNewline } from "./newline_check.ts";
import { CR, LF } from "./text_scan.ts";

/** The size of the buffer, in octets; it is made when first needed. */
const BUFFER = 8192;

/**
 * The incremental normaliser.
 *
 * @example
 * ```ts
 * import { NewlineNormalizer } from "./newline_normalizer.ts";
 * import { cursorOver } from "./cursor.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const normalizer = new NewlineNormalizer();
 * const cursor = cursorOver(encode("one\r\ntwo\nthree\r"));
 * let text = "";
 * for (let piece; (piece = normalizer.next(cursor)) !== null;) text += decode(piece);
 * text += decode(normalizer.finish());
 * assertEquals(text, "one\r\ntwo\r\nthree\r\n");
 * ```
 */
export class NewlineNormalizer {
  #afterCr = false;
  #bare = false;
  #buffer: Uint8Array | null = null;

  /** Whether anything had to be mended so far. */
  get bare(): boolean {
    return this.#bare;
  }

  /** The next piece, never empty, good until the next call; `null` when the cursor is used up. */
  next(cursor: Cursor): Uint8Array | null {
    const { bytes, at, end } = cursor;
    if (at === end) return null;
    const stop = indexOfBareNewline(bytes, at, end, this.#afterCr);
    if (stop === at) return this.#mend(cursor);
    cursor.at = stop;
    this.#afterCr = bytes[stop - 1] === CR;
    return bytes.subarray(at, stop);
  }

  /** Notes octets that go on as they are, since the caller knows that no bare newline shows in them. */
  pass(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#afterCr = bytes[bytes.length - 1] === CR;
  }

  /** The body is whole: gives the LF that a CR in the last place lacks, or no octets. */
  finish(): Uint8Array {
    if (!this.#afterCr) return new Uint8Array(0);
    this.#afterCr = false;
    this.#bare = true;
    return Uint8Array.of(LF);
  }

  /** Begins another body. */
  reset(): void {
    this.#afterCr = false;
    this.#bare = false;
    this.#buffer = null;
  }

  /** Copies with mending, until the buffer is full or the cursor used up. */
  #mend(cursor: Cursor): Uint8Array {
    this.#bare = true;
    const { bytes, end } = cursor;
    const buffer = this.#buffer ??= new Uint8Array(BUFFER);
    let afterCr = this.#afterCr;
    let at = cursor.at;
    let filled = 0;
    for (; at < end && filled < BUFFER - 1; at++) { // an octet makes two at most
      const octet = bytes[at]!;
      if (afterCr !== (octet === LF)) buffer[filled++] = afterCr ? LF : CR;
      buffer[filled++] = octet;
      afterCr = octet === CR;
    }
    cursor.at = at;
    this.#afterCr = afterCr;
    return buffer.subarray(0, filled);
  }
}
