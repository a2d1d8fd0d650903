/**
 * Modular powers for RSA private keys, by WebAssembly: 1,024 bits to the power of 1,024 bits, for both primes of a
 * key at once, in two thirds of the time that the runtime's own takes, and in a time that does not depend on the
 * numbers. The loops are in `rsa_power.wat`, the source of `rsa_power_code.ts`, with what they are built on.
 *
 * The memory of the module is used by one power after another, and holds nothing between them.
 *
 * What fails: where there is no WebAssembly, none with relaxed SIMD, or one that rounds between a product and a sum,
 * there are no such powers. Otherwise nothing fails that can be known here: who signs checks the signature.
 *
 * @module
 */

import { RSA_POWER_CODE } from "./rsa_power_code.ts";

/** Limbs of a number, and bits of a limb. */
const LIMBS = 21;
const LIMB_BITS = 51n;
const LIMB_MASK = (1n << LIMB_BITS) - 1n;
/** Montgomery's R has one more power of two than the limbs have bits. */
const R_BITS = BigInt(LIMBS) * LIMB_BITS;
/** Digits of an exponent, and bits of a digit. */
const DIGITS = 256;

/** Where `rsa_power.wat` has it all. */
const INVERSE = 0;
const PRIME = 0x10;
const COLUMNS = 0x200;
const ONE = 0x900;
const RESULT = 0xb00;
const CONSTANTS = 0xf00;
const POWERS = 0x1000;
const POWER_SIZE = LIMBS * 16;
const EXPONENT = 0x2800;
const KEY_END = EXPONENT + DIGITS * 16;

/** What `rsa_power.wat` exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  power(): void;
}

/** Two numbers that belong to the two primes of a key. */
export type Pair = readonly [bigint, bigint];

/** Raises a pair of numbers, each below its prime, to the powers of the key. */
export type RsaPower = (bases: Pair) => Pair;

/** `undefined`: not yet asked for. */
let program: Exports | null | undefined;

function load(): Exports | null {
  try {
    const module = new WebAssembly.Module(Uint8Array.fromBase64(RSA_POWER_CODE));
    const program = new WebAssembly.Instance(module).exports as unknown as Exports;
    return isExact(program) ? program : null;
  } catch {
    return null;
  }
}

/** Whether -2 to the power of 3 is -8: products of ones all over, of which rounding would take the last away. */
function isExact(program: Exports): boolean {
  const modulus = (1n << 1024n) - 1n;
  const power = powerBy(program, [modulus, modulus], [3n, 3n]);
  return power([modulus - 2n, modulus - 2n]).every((number) => number === modulus - 8n);
}

/**
 * The powers of a key.
 *
 * @param primes odd, of 1,024 bits at most. @param exponents the same.
 * @returns `null` where they cannot be computed.
 *
 * @example
 * ```ts
 * import { rsaPower } from "./rsa_power.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const power = rsaPower([101n, 103n], [3n, 2n]);
 * if (power !== null) assertEquals(power([5n, 11n]), [24n, 18n]);
 * ```
 */
export function rsaPower(primes: Pair, exponents: Pair): RsaPower | null {
  if (program === undefined) program = load();
  return program === null ? null : powerBy(program, primes, exponents);
}

function powerBy({ memory: { buffer }, power }: Exports, primes: Pair, exponents: Pair): RsaPower {
  const memory = new Uint8Array(buffer, 0, KEY_END);
  const limbs = new Float64Array(buffer);
  const key = keyMemory(primes, exponents);
  return (bases) => {
    memory.set(key);
    for (const lane of [0, 1] as const) {
      write(limbs, POWERS + POWER_SIZE, lane, (bases[lane] << R_BITS) % primes[lane]);
    }
    power();
    const powers = [read(limbs, 0) % primes[0], read(limbs, 1) % primes[1]] as const;
    memory.fill(0);
    return powers;
  };
}

/** What the memory holds of a key before each power. */
function keyMemory(primes: Pair, exponents: Pair): Uint8Array {
  const memory = new Uint8Array(KEY_END);
  const limbs = new Float64Array(memory.buffer);
  const integers = new BigInt64Array(memory.buffer);
  const both = (at: number, integer: bigint) => integers.fill(integer, at / 8, at / 8 + 2);
  both(CONSTANTS, BITS_OF_2_TO_52);
  both(CONSTANTS + 16, BITS_OF_LOW);
  both(CONSTANTS + 32, LIMB_MASK);
  columns().forEach((column, index) => both(COLUMNS + index * 16, column));
  for (const lane of [0, 1] as const) {
    const prime = primes[lane];
    limbs[INVERSE / 8 + lane] = Number(LIMB_MASK + 1n - inverse(prime, LIMB_MASK + 1n));
    write(limbs, PRIME, lane, prime);
    write(limbs, ONE, lane, 1n);
    write(limbs, POWERS, lane, (1n << R_BITS) % prime);
    for (let digit = 0; digit < DIGITS; digit++) {
      const shift = BigInt(4 * (DIGITS - 1 - digit));
      integers[EXPONENT / 8 + digit * 2 + lane] = exponents[lane] >> shift & 15n;
    }
  }
  return memory;
}

/** The bits of 2^52, and what those of halves have above them: 3 * 2^51 the low ones, 2^103 the high ones. */
const BITS_OF_2_TO_52 = 0x4330_0000_0000_0000n;
const BITS_OF_LOW = 0x4338_0000_0000_0000n;
const BITS_OF_HIGH = 0x4660_0000_0000_0000n;
/** Columns are kept positive by that, and the next one loses what then comes up from them. */
const BIAS = 1n << 60n;

/** What the columns begin with: less by what stands above all the halves that come, of limbs of two products. */
function columns(): bigint[] {
  const columns = Array.from({ length: 2 * LIMBS + 1 }, () => 0n);
  const add = (column: number, value: bigint) => {
    columns[column] = BigInt.asIntN(64, columns[column]! + value);
  };
  for (let row = 0; row <= LIMBS; row++) {
    // The row of zeros has no lowest column.
    for (let limb = row === 0 ? 1 : 0; limb < LIMBS; limb++) {
      add(row + limb, -2n * BITS_OF_LOW);
      add(row + limb + 1, -2n * BITS_OF_HIGH);
    }
  }
  for (let column = 1; column < 2 * LIMBS; column++) {
    add(column, BIAS);
    add(column + 1, -(BIAS >> LIMB_BITS));
  }
  return columns;
}

function write(limbs: Float64Array, at: number, lane: 0 | 1, number: bigint): void {
  let rest = number;
  for (let limb = 0; limb < LIMBS; limb++) {
    limbs[at / 8 + limb * 2 + lane] = Number(rest & LIMB_MASK);
    rest >>= LIMB_BITS;
  }
}

function read(limbs: Float64Array, lane: 0 | 1): bigint {
  let number = 0n;
  for (let limb = LIMBS - 1; limb >= 0; limb--) {
    number = number << LIMB_BITS | BigInt(limbs[RESULT / 8 + limb * 2 + lane]!);
  }
  return number;
}

/** What times the number is 1 modulo the other, which has no factor in common with it. */
export function inverse(number: bigint, modulus: bigint): bigint {
  let [rest, next] = [modulus, number % modulus];
  let [factor, nextFactor] = [0n, 1n];
  while (next > 0n) {
    const times = rest / next;
    [rest, next] = [next, rest - times * next];
    [factor, nextFactor] = [nextFactor, factor - times * nextFactor];
  }
  return factor < 0n ? factor + modulus : factor;
}
