/**
 * Counts out the octets of one BDAT chunk (RFC 3030 §2). No octet of it means anything here; whether a
 * bare CR or LF may be among them is asked of `NewlineCheck`, across all chunks of a message, by the
 * session. Views only, nothing is copied; it cannot fail on any input.
 *
 * @module
 */

import type { Cursor } from "./cursor.ts";

/** What the chunk decoder found. */
export type ChunkResult =
  /** Octets of the chunk, never none; the view holds until the next call. */
  | { readonly type: "chunk"; readonly bytes: Uint8Array }
  /** The chunk is whole; said once. */
  | { readonly type: "end" };

const END: ChunkResult = { type: "end" };

/**
 * The incremental decoder of BDAT chunks.
 *
 * @example
 * ```ts
 * import { ChunkDecoder } from "./chunk_decoder.ts";
 * import { cursorOver } from "./cursor.ts";
 * import { encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new ChunkDecoder();
 * decoder.start(3);
 * const cursor = cursorOver(encode("abcRSET\r\n"));
 * assertEquals(decoder.next(cursor), { type: "chunk", bytes: encode("abc") });
 * assertEquals(decoder.next(cursor), { type: "end" });
 * assertEquals(cursor.at, 3);
 * ```
 */
export class ChunkDecoder {
  #remaining = 0;
  #open = false;

  /** Octets of the chunk still to come. */
  get remaining(): number {
    return this.#remaining;
  }

  /**
   * Begins a chunk.
   *
   * @param size Its octets; 0 is allowed (`BDAT 0 LAST`).
   * @throws {RangeError} If the caller lets through a size that is no count of octets.
   */
  start(size: number): void {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`no chunk size: ${size}`);
    this.#remaining = size;
    this.#open = true;
  }

  /** The next octets, or the end of the chunk, or `null` when the cursor is used up or no chunk is open. */
  next(cursor: Cursor): ChunkResult | null {
    if (!this.#open) return null;
    if (this.#remaining === 0) {
      this.#open = false;
      return END;
    }
    const from = cursor.at;
    const length = Math.min(this.#remaining, cursor.end - from);
    if (length === 0) return null;
    this.#remaining -= length;
    cursor.at = from + length;
    return { type: "chunk", bytes: cursor.bytes.subarray(from, from + length) };
  }
}
