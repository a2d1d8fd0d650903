/**
 * RSASSA-PKCS1-v1_5 with SHA-256, the verifying half (RFC 8017 §8.2.2), in big integers: a fifth of the time that the
 * runtime's own takes for a key it has not seen before. Nothing here is secret, so time may tell what it likes.
 *
 * @module
 */

import { type RsaPublicKey, toBigInt } from "./rsa_key.ts";

/** DigestInfo of SHA-256 without the digest (RFC 8017 §9.2, note 1). */
const DIGEST_INFO = "3031300d060960864801650304020105000420";

/**
 * Whether a signature is that of a key over what has this SHA-256 digest.
 *
 * The whole padded block is made and compared, not read: whoever reads it, and is lax about a single octet of it, lets
 * anybody sign who can take a cube root (CVE-2006-4339).
 */
export function verifyRsa(key: RsaPublicKey, digest: Uint8Array, signature: Uint8Array): boolean {
  const length = (key.bits + 7) >> 3;
  if (signature.length !== length) return false;
  const s = toBigInt(signature);
  if (s >= key.modulus) return false;
  return rsaPublic(key, s) === signedBlock(length, digest);
}

/** What is signed for a SHA-256 digest, of so many octets (EMSA-PKCS1-v1_5, RFC 8017 §9.2). */
export function signedBlock(length: number, digest: Uint8Array): bigint {
  const fill = "ff".repeat(length - 3 - DIGEST_INFO.length / 2 - digest.length);
  return BigInt(`0x0001${fill}00${DIGEST_INFO}${digest.toHex()}`);
}

/** A number below the modulus to the power of the public exponent (RSAVP1, RFC 8017 §5.2.2). */
export function rsaPublic({ modulus, exponent }: RsaPublicKey, number: bigint): bigint {
  return power(number, exponent, modulus);
}

/** `base ** exponent % modulus`, for an exponent of 32 bits at most. */
function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  const e = Number(exponent);
  let result = base;
  // From the bit below the highest one down.
  for (let bit = 30 - Math.clz32(e); bit >= 0; bit--) {
    result = result * result % modulus;
    if ((e >>> bit & 1) === 1) result = result * base % modulus;
  }
  return result;
}
