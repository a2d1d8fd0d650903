/**
 * Read buffers: each connection has a small one for as long as it lives, and may borrow a large one
 * while a message comes in. Idle connections so cost little. Half of the large ones go to whoever
 * receives a message; the other half only to senders that have filled a small one, so that slow ones
 * cannot hold them all.
 *
 * @module
 */

import { BufferPool } from "../buffer_pool.ts";

/** Octets of the buffer every connection has. */
export const SMALL = 1024;

/** Octets of a borrowed buffer. */
export const LARGE = 64 * 1024;

/** Large buffers, shared by the connections of a station. */
export class ReadBuffers {
  readonly #most: number;
  readonly #pool = new BufferPool(LARGE, 32);
  #lent = 0;

  /** @param most how many may be lent at once; with 128 that is 8 MiB. */
  constructor(most = 128) {
    this.#most = most;
  }

  /** A large buffer for a sender that is `fast`, or may be; `null` when it must do without. */
  borrow(fast: boolean): Uint8Array | null {
    if (this.#lent >= (fast ? this.#most : this.#most / 2)) return null;
    this.#lent++;
    return this.#pool.take();
  }

  /** Gives a buffer back. */
  giveBack(buffer: Uint8Array): void {
    this.#lent--;
    this.#pool.give(buffer);
  }
}
