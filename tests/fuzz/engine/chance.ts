/**
 * Chance that can be had again: the same seed gives the same numbers, on every machine.
 *
 * @module
 */

/** A seeded source of choices. */
export class Chance {
  #state: number;

  /** @param seed any whole number. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `below - 1`. (mulberry32) */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  }

  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of them. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** From `low` to `high` things, joined. */
  many(low: number, high: number, make: () => string, between = ""): string {
    return Array.from({ length: this.between(low, high) }, make).join(between);
  }

  /** Octets of any kind. */
  octets(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** A number that follows from octets: what a target cuts its input by, so that the input alone says all. */
export function seedOf(octets: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const octet of octets) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0;
  return hash;
}

/** Cuts octets into pieces of 1 to `most` octets, each a copy, in a way that follows from them. */
export function piecesOf(octets: Uint8Array, most = 24): Uint8Array<ArrayBuffer>[] {
  const chance = new Chance(seedOf(octets));
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < octets.length;) {
    const length = chance.between(1, most);
    pieces.push(octets.slice(at, at + length));
    at += length;
  }
  return pieces;
}

/** The ways a target gives its octets: whole, one by one (short ones only), and in uneven pieces. */
export function waysToCut(octets: Uint8Array): Uint8Array<ArrayBuffer>[][] {
  const ways = [[octets.slice()], piecesOf(octets), piecesOf(octets, 300)];
  if (octets.length <= 100) ways.push(Array.from(octets, (octet) => Uint8Array.of(octet)));
  return ways;
}
