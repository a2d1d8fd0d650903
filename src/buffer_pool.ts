/**
 * Buffers of one size that are used again and again. What the garbage collector would find only much
 * later is at hand at once, so the memory of many messages in a row is that of the messages at once.
 *
 * @module
 */

/**
 * A pool of buffers of one size.
 *
 * @example
 * ```ts
 * import { BufferPool } from "./buffer_pool.ts";
 * import { assertStrictEquals } from "@std/assert";
 *
 * const pool = new BufferPool(4096, 16);
 * const buffer = pool.take();
 * pool.give(buffer);
 * assertStrictEquals(pool.take(), buffer);
 * ```
 */
export class BufferPool {
  /** Octets of each buffer. */
  readonly size: number;
  readonly #keep: number;
  readonly #free: Uint8Array[] = [];

  /** @param size octets of each buffer. @param keep how many are kept for later. */
  constructor(size: number, keep: number) {
    this.size = size;
    this.#keep = keep;
  }

  /** A buffer, with whatever was in it. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(this.size);
  }

  /** Gives a buffer back, which nobody may use any more. */
  give(buffer: Uint8Array): void {
    if (this.#free.length < this.#keep) this.#free.push(buffer);
  }
}
