/**
 * Seeded randomness (xoshiro128**, seeded by splitmix32): the same seed gives the same run. Not fit
 * for secrets.
 *
 * @module
 */

import type { Random } from "./runtime.ts";

/** A {@link Random} that is the same for the same seed. */
export class MemoryRandom implements Random {
  readonly #state = new Uint32Array(4);

  /** Begins as `seed` says: any integer, of which the low 32 bits count. */
  constructor(seed: number) {
    let mixed = seed | 0;
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) | 0;
      let z = mixed ^ (mixed >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#state[i] = z ^ (z >>> 15);
    }
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#next() >>> 24;
    return bytes;
  }

  float(): number {
    return ((this.#next() >>> 5) * 2 ** 26 + (this.#next() >>> 6)) / 2 ** 53;
  }

  /** An integer in [0, `limit`). */
  below(limit: number): number {
    return Math.floor(this.float() * limit);
  }

  /** Another source whose values say nothing of this one's: for a part that draws on its own. */
  fork(): MemoryRandom {
    return new MemoryRandom(this.#next());
  }

  #next(): number {
    const s = this.#state;
    const result = Math.imul(rotl(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2] = s[2]! ^ s[0]!;
    s[3] = s[3]! ^ s[1]!;
    s[1] = s[1]! ^ s[2]!;
    s[0] = s[0]! ^ s[3]!;
    s[2] = s[2]! ^ t;
    s[3] = rotl(s[3]!, 11);
    return result;
  }
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}
