/**
 * Makes other inputs of inputs that were worth keeping: small changes to octets, numbers and order, words of
 * the target's, and parts of other inputs.
 *
 * @module
 */

import type { Chance } from "./chance.ts";
import { concat } from "./octets.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Octets that ends of things are made of. */
const TELLING = encode("\r\n\0. \t:;,<>@\"\\()[]{}=+-_/?*%&#'`0129azAZ\x7f");

/** What a mutation may use. */
export interface Material {
  readonly words: readonly Uint8Array[];
  /** Other inputs to take parts of. */
  readonly others: readonly Uint8Array[];
  /** Octets of a result at most. */
  readonly longest: number;
}

/** Another input, made of this one by a few changes. */
export function mutate(input: Uint8Array, chance: Chance, material: Material): Uint8Array {
  let changed = input;
  for (let left = chance.pick([1, 1, 1, 2, 2, 3, 4, 8]); left > 0; left--) {
    changed = change(changed, chance, material);
  }
  return changed.slice(0, material.longest);
}

function change(input: Uint8Array, chance: Chance, { words, others }: Material): Uint8Array {
  const { length } = input;
  const at = chance.below(length + 1);
  const span = chance.below(Math.min(length - at, chance.pick([1, 4, 16, 256])) + 1);
  const put = (octets: Uint8Array, instead: number) =>
    concat([input.subarray(0, at), octets, input.subarray(at + instead)]);
  switch (chance.below(12)) {
    case 0:
      return put(chance.octets(chance.between(1, 4)), chance.below(5));
    case 1:
      return put(Uint8Array.of(chance.pick([...TELLING])), chance.below(2));
    case 2:
      return put(new Uint8Array(0), span);
    case 3: // twice, or many times
      return put(repeat(input.subarray(at, at + span), chance.pick([1, 2, 3, 20, 200])), 0);
    case 4: {
      if (length === 0) return put(chance.octets(4), 0);
      const flipped = input.slice();
      flipped[at % length]! ^= 1 << chance.below(8);
      return flipped;
    }
    case 5:
      return renumber(input, chance);
    case 6: { // something from elsewhere in it
      const from = chance.below(length + 1);
      return put(input.slice(from, from + chance.below(64)), span);
    }
    case 7: { // the rest of another
      const other = others.length === 0 ? input : chance.pick(others);
      return put(other.slice(chance.below(other.length + 1)), length - at);
    }
    case 8: {
      const other = others.length === 0 ? input : chance.pick(others);
      const from = chance.below(other.length + 1);
      return put(other.slice(from, from + chance.below(128)), 0);
    }
    default:
      if (words.length === 0) return put(chance.octets(2), 1);
      return put(chance.pick(words), chance.oneIn(3) ? span : 0);
  }
}

function repeat(octets: Uint8Array, times: number): Uint8Array {
  return concat(new Array(octets.length > 64 ? Math.min(times, 4) : times).fill(octets));
}

const NUMBERS = ["0", "1", "-1", "255", "256", "65535", "65536", "4294967296", "9007199254740993"];

/** Another number in the place of one of its numbers. */
function renumber(input: Uint8Array, chance: Chance): Uint8Array {
  let text = "";
  for (const octet of input) text += String.fromCharCode(octet);
  const found = [...text.matchAll(/\d+/g)];
  if (found.length === 0) return input;
  const { 0: digits, index } = chance.pick(found);
  const near = `${BigInt(digits.slice(0, 20)) + BigInt(chance.between(-2, 2))}`;
  const number = encode(chance.oneIn(2) ? near : chance.pick(NUMBERS));
  return concat([input.subarray(0, index), number, input.subarray(index + digits.length)]);
}
