/**
 * Whether a signature over octets is that of a key (RFC 6376 §3.3.2, RFC 8463 §3).
 *
 * @module
 */

/** How a signature is made (RFC 8301, RFC 8463). */
export type DkimAlgorithm = "rsa-sha256" | "ed25519-sha256";

/** A public key. */
export type DkimPublicKey =
  | {
    readonly kind: "rsa";
    readonly modulus: bigint;
    readonly exponent: bigint;
    /** Bits of the modulus. */
    readonly bits: number;
  }
  /** The 32 octets of RFC 8032. */
  | { readonly kind: "ed25519"; readonly octets: Uint8Array };

/**
 * Whether a signature of octets, given in parts, is that of a key. Whether the key is of the kind that the algorithm
 * wants is part of it. Never throws.
 */
export function verifySignature(
  _octets: readonly Uint8Array[],
  _signature: Uint8Array,
  _algorithm: DkimAlgorithm,
  _key: DkimPublicKey,
): boolean {
  return false;
}
