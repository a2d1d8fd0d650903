/**
 * The randomness of the system, fit for secrets, by the web's `crypto`, which Deno and Bun have alike.
 *
 * @module
 */

import type { Random } from "./runtime.ts";

/** What `getRandomValues` gives at once at most, in octets. */
const MOST_AT_ONCE = 65_536;

/** The randomness of this machine. */
export const systemRandom: Random = {
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += MOST_AT_ONCE) {
      crypto.getRandomValues(bytes.subarray(at, at + MOST_AT_ONCE));
    }
    return bytes;
  },

  float(): number {
    const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
    // 53 bits, as many as a double holds below 1.
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  },
};
