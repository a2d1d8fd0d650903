/**
 * The read position that all incremental decoders share, so that a session can change from one to
 * another (lines, then DATA, then lines) in the middle of what one read brought.
 *
 * A decoder's `next(cursor)` moves `at` past what it has used and never reads past `end`; it gives
 * `null` when it wants more octets, and then `at` is `end`. Views it gives lie in `bytes` or in a
 * buffer of its own, and hold until its next call.
 *
 * @module
 */

/** A read position in octets that the caller gave. */
export interface Cursor {
  /** The octets. They belong to the decoder until it has used them: it may move them about. */
  bytes: Uint8Array;
  /** The first octet not yet used. */
  at: number;
  /** One past the last octet. */
  end: number;
}

/**
 * A cursor over a whole byte string.
 *
 * @example
 * ```ts
 * import { cursorOver } from "./cursor.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const cursor = cursorOver(new Uint8Array(3));
 * assertEquals([cursor.at, cursor.end], [0, 3]);
 * ```
 */
export function cursorOver(bytes: Uint8Array): Cursor {
  return { bytes, at: 0, end: bytes.length };
}
