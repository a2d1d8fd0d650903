/**
 * RSA public keys in the two forms that key records have them (RFC 6376 §3.6.1): a SubjectPublicKeyInfo (RFC 5280
 * §4.1), which all publish, and a bare RSAPublicKey (RFC 8017 §A.1.1), which the text asks for. DER is read strictly,
 * and a key that is unsafe, or a burden to compute with, is none.
 *
 * Pure and total: what is wrong is a value that says so.
 *
 * @module
 */

/** An RSA key. */
export interface RsaPublicKey {
  readonly kind: "rsa";
  readonly modulus: bigint;
  readonly exponent: bigint;
  /** Bits of the modulus. */
  readonly bits: number;
}

/** RFC 8301 §3.2: what is shorter proves nothing. */
export const MIN_RSA_BITS = 1024;
/** RFC 8301 §3.2 wants 4096 understood. A longer key than this only makes us compute. */
export const MAX_RSA_BITS = 8192;
/** Exponents are 65537 or 3; one as long as the modulus would take a thousand times as long. */
const MAX_EXPONENT = 0xffff_ffffn;

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
/** AlgorithmIdentifier { rsaEncryption, NULL } (RFC 3279 §2.3.1). */
const RSA_ENCRYPTION = Uint8Array.fromHex("300d06092a864886f70d0101010500");

/**
 * Reads a key.
 *
 * @returns the key, or what is wrong with it: a sentence without a full stop.
 */
export function parseRsaKey(der: Uint8Array): RsaPublicKey | { readonly fault: string } {
  const numbers = readNumbers(unwrap(der));
  if (numbers === null) return { fault: "p= is no RSA key" };
  const [modulus, exponent] = numbers;
  const bits = bitsOf(modulus);
  if (bits < MIN_RSA_BITS) {
    return { fault: `the RSA key has ${bits} bits, and fewer than ${MIN_RSA_BITS} do not count` };
  }
  if (bits > MAX_RSA_BITS) {
    return { fault: `the RSA key has ${bits} bits, more than ${MAX_RSA_BITS}` };
  }
  const n = toBigInt(modulus);
  const e = toBigInt(exponent);
  if ((n & 1n) === 0n) return { fault: "the modulus of the RSA key is even" };
  if ((e & 1n) === 0n || e < 3n || e > MAX_EXPONENT) {
    return { fault: "the exponent of the RSA key is none that is used" };
  }
  return { kind: "rsa", modulus: n, exponent: e, bits };
}

/** The RSAPublicKey within a SubjectPublicKeyInfo; what is none of these is taken for the former. */
function unwrap(der: Uint8Array): Uint8Array {
  const outer = readElement(der, 0, SEQUENCE);
  if (outer === null || outer.end !== der.length) return der;
  const isRsa = RSA_ENCRYPTION.every((octet, index) => outer.content[index] === octet);
  if (!isRsa) return der;
  const key = readElement(outer.content, RSA_ENCRYPTION.length, BIT_STRING);
  // A bit string begins with how many bits of its last octet do not count.
  if (key === null || key.end !== outer.content.length || key.content[0] !== 0) return der;
  return key.content.subarray(1);
}

/** SEQUENCE { modulus INTEGER, publicExponent INTEGER }, both positive, and nothing behind it. */
function readNumbers(der: Uint8Array): readonly [Uint8Array, Uint8Array] | null {
  const sequence = readElement(der, 0, SEQUENCE);
  if (sequence === null || sequence.end !== der.length) return null;
  const modulus = readElement(sequence.content, 0, INTEGER);
  if (modulus === null) return null;
  const exponent = readElement(sequence.content, modulus.end, INTEGER);
  if (exponent === null || exponent.end !== sequence.content.length) return null;
  const [n, e] = [readPositive(modulus.content), readPositive(exponent.content)];
  return n === null || e === null ? null : [n, e];
}

/** The octets of a positive number, without the zero that says it is not negative; `null` where it is not minimal. */
function readPositive(content: Uint8Array): Uint8Array | null {
  const first = content[0];
  if (first === undefined || first >= 0x80) return null;
  if (first !== 0) return content;
  return content.length > 1 && content[1]! >= 0x80 ? content.subarray(1) : null;
}

/** One element of DER: a definite length in the fewest octets (X.690 §10.1), up to 65,535. */
function readElement(
  octets: Uint8Array,
  start: number,
  tag: number,
): { readonly content: Uint8Array; readonly end: number } | null {
  const first = octets[start + 1];
  if (octets[start] !== tag || first === undefined) return null;
  let [length, at] = [first, start + 2];
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count < 1 || count > 2 || at + count > octets.length) return null;
    length = count === 1 ? octets[at]! : octets[at]! << 8 | octets[at + 1]!;
    if (length < (count === 1 ? 0x80 : 0x100)) return null;
    at += count;
  }
  const end = at + length;
  return end > octets.length ? null : { content: octets.subarray(at, end), end };
}

function bitsOf(number: Uint8Array): number {
  return number.length * 8 - (Math.clz32(number[0]!) - 24);
}

/** Octets, the highest first, as a number. */
export function toBigInt(octets: Uint8Array): bigint {
  return octets.length === 0 ? 0n : BigInt(`0x${octets.toHex()}`);
}
