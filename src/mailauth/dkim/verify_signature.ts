/**
 * Whether a signature over octets is that of a key (RFC 6376 §3.3.2, RFC 8463 §3). Which octets, and where the key is,
 * is for others.
 *
 * @module
 */

import { createHash, createPublicKey, verify } from "node:crypto";
import { concat } from "../../bytes.ts";
import type { RsaPublicKey } from "./rsa_key.ts";
import { verifyRsa } from "./rsa_verify.ts";

/** How a signature is made: what of RFC 8301 and RFC 8463 still counts. */
export type DkimAlgorithm = "rsa-sha256" | "ed25519-sha256";

/** A public key. */
export type DkimPublicKey = RsaPublicKey | Ed25519PublicKey;

/** An Ed25519 key. */
export interface Ed25519PublicKey {
  readonly kind: "ed25519";
  /** The 32 octets of RFC 8032 §5.1.5. */
  readonly octets: Uint8Array;
}

/** The SubjectPublicKeyInfo of an Ed25519 key, without the key (RFC 8410 §4). */
const ED25519_PREFIX = Uint8Array.fromHex("302a300506032b6570032100");

/**
 * Whether a signature of octets, given in parts, is that of a key. One that the algorithm is not for has signed nothing.
 * Never throws.
 *
 * @example
 * ```ts
 * import { verifySignature } from "./verify_signature.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const key = { kind: "ed25519", octets: new Uint8Array(32) } as const;
 * assertEquals(verifySignature([encode("a")], new Uint8Array(64), "rsa-sha256", key), false);
 * ```
 */
export function verifySignature(
  parts: readonly Uint8Array[],
  signature: Uint8Array,
  algorithm: DkimAlgorithm,
  key: DkimPublicKey,
): boolean {
  if (algorithm !== `${key.kind}-sha256`) return false;
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  const digest = hash.digest();
  return key.kind === "rsa"
    ? verifyRsa(key, digest, signature)
    : verifyEd25519(key.octets, digest, signature);
}

/** RFC 8463 §3: PureEdDSA, over the digest. */
function verifyEd25519(key: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  try {
    const der = concat([ED25519_PREFIX, key]);
    // deno-lint-ignore no-explicit-any -- Buffer in the types, any view in fact.
    const publicKey = createPublicKey({ key: der as any, format: "der", type: "spki" });
    return verify(null, digest, publicKey, signature);
  } catch {
    return false; // Octets that are no point of the curve.
  }
}
