/**
 * What SCRAM-SHA-256 keeps in place of a password, and how it is derived (RFC 5802 §3, RFC 7677).
 *
 * @module
 */

import { createHash, createHmac } from "node:crypto";

/** What a server needs to check a password without having it (RFC 5802 §3, RFC 7677). */
export interface ScramVerifier {
  /** Rounds of PBKDF2. */
  readonly iterations: number;
  /** The salt, as random octets. */
  readonly salt: Uint8Array;
  /** `StoredKey`, 32 octets: what a proof is checked with. */
  readonly storedKey: Uint8Array;
  /** `ServerKey`, 32 octets: what the server's signature is made with. */
  readonly serverKey: Uint8Array;
}

/** The two keys of a verifier, from the salted password (PBKDF2 of password, salt and iterations). */
export function scramKeys(salted: Uint8Array): Pick<ScramVerifier, "storedKey" | "serverKey"> {
  return {
    storedKey: sha256(hmacSha256(salted, "Client Key")),
    serverKey: hmacSha256(salted, "Server Key"),
  };
}

/** RFC 5802 §2.2 `HMAC`. */
export function hmacSha256(key: Uint8Array, data: Uint8Array | string): Uint8Array {
  return createHmac("sha256", key).update(data).digest();
}

/** RFC 5802 §2.2 `H`. */
export function sha256(data: Uint8Array): Uint8Array {
  return createHash("sha256").update(data).digest();
}
