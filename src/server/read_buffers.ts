/**
 * Read buffers: each connection has a small one for as long as it lives, and may borrow a large one
 * while a message comes in. Idle connections so cost little. Half of the large ones go to whoever
 * receives a message. The other half only to senders that have just filled a small one, and for as long
 * as they fill what they have, so that slow ones cannot hold them all.
 *
 * @module
 */

import { BufferPool } from "../buffer_pool.ts";

/** Octets of the buffer every connection has. */
export const SMALL = 1024;

/** Octets of a borrowed buffer. */
export const LARGE = 64 * 1024;

/** Small buffers that are kept for connections to come. */
const SMALL_KEPT = 256;

/** Buffers shared by the connections of a station. */
export class ReadBuffers {
  /** Small ones that nobody has. */
  readonly small: BufferPool = new BufferPool(SMALL, SMALL_KEPT);
  readonly #most: number;
  readonly #pool: BufferPool;
  #lent = 0;

  /** @param most how many may be lent at once; with 128 that is 8 MiB. */
  constructor(most = 128) {
    this.#most = most;
    this.#pool = new BufferPool(LARGE, most);
  }

  /** A large buffer for a sender that is `fast`, or may be; `null` when it must do without. */
  borrow(fast: boolean): Uint8Array | null {
    if (this.#lent >= this.#most || (!fast && this.scarce)) return null;
    this.#lent++;
    return this.#pool.take();
  }

  /** Whether only those who fill a buffer should have one. */
  get scarce(): boolean {
    return this.#lent >= this.#most / 2;
  }

  /** Gives a buffer back; one that somebody may still look at is not used again. */
  giveBack(buffer: Uint8Array, lookedAt: boolean): void {
    this.#lent--;
    if (!lookedAt) this.#pool.give(buffer);
  }
}

/** The buffers of one connection. */
export class ConnectionBuffers {
  /** The one it always has. */
  readonly small: Uint8Array;
  readonly #shared: ReadBuffers;
  #large: Uint8Array | null = null;
  /** The last read could have brought more. */
  #filled = false;

  /** @param shared where large ones are borrowed. */
  constructor(shared: ReadBuffers) {
    this.#shared = shared;
    this.small = shared.small.take();
  }

  /** The one to read into. */
  get current(): Uint8Array {
    return this.#large ?? this.small;
  }

  /** A large one while a message lasts, where there is one. @param lookedAt see {@link ReadBuffers.giveBack}. */
  choose(receivingBody: boolean, lookedAt: boolean): Uint8Array {
    if (!receivingBody) this.giveBack(lookedAt);
    else if (this.#large === null) this.#large = this.#shared.borrow(this.#filled);
    else if (!this.#filled && this.#shared.scarce) this.giveBack(lookedAt);
    return this.current;
  }

  /** What a read has brought. */
  filled(length: number): Uint8Array {
    this.#filled = length === this.current.length;
    return this.current.subarray(0, length);
  }

  /** Borrows no large one any more. */
  giveBack(lookedAt: boolean): void {
    if (this.#large === null) return;
    this.#shared.giveBack(this.#large, lookedAt);
    this.#large = null;
  }

  /** The connection is over. @param inUse somebody may still look at what is in them, or read into them. */
  end(inUse: boolean): void {
    this.giveBack(inUse);
    if (!inUse) this.#shared.small.give(this.small);
  }
}
