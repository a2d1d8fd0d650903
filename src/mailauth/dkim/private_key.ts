/**
 * Private keys of DKIM in PEM form: PKCS #8 or, for RSA, PKCS #1. Which of them are of use is said here, for those that
 * sign and for those that make records of them.
 *
 * Pure and total: a text that holds no fit key is a value that says why. That a key's numbers belong together only
 * signing can tell (`signing_key.ts`).
 *
 * @module
 */

import { createPrivateKey, type KeyObject } from "node:crypto";

/** A key, or why there is none. */
export type ReadPrivateKey =
  | {
    readonly status: "key";
    readonly key: KeyObject;
    /** As `k=` of a record has it. */
    readonly kind: "rsa" | "ed25519";
    /** How long it is: the modulus of RSA; 256 for Ed25519. */
    readonly bits: number;
  }
  /** A reason that follows the name of a file in a sentence. */
  | { readonly status: "bad"; readonly reason: string };

/** Who checks signatures need not take keys of fewer bits, or of more (RFC 8301 §3.2). */
const MIN_RSA_BITS = 1024;
const MAX_RSA_BITS = 4096;

/**
 * Reads one.
 *
 * @example
 * ```ts
 * import { readPrivateKey } from "./private_key.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 8463 appendix A.1, the 32 octets of the key behind what RFC 8410 puts before them
 * const read = readPrivateKey(`-----BEGIN PRIVATE KEY-----
 * MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
 * -----END PRIVATE KEY-----`);
 * assertEquals(read.status === "key" && [read.kind, read.bits], ["ed25519", 256]);
 * ```
 */
export function readPrivateKey(pem: string): ReadPrivateKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    return { status: "bad", reason: "holds no private key in PEM form without a passphrase" };
  }
  const kind = key.asymmetricKeyType ?? "unknown";
  if (kind === "ed25519") return { status: "key", key, kind, bits: 256 };
  if (kind !== "rsa") {
    return { status: "bad", reason: `holds a key of kind ${kind}; wanted RSA or Ed25519` };
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS) return { status: "key", key, kind, bits };
  const beyond = bits < MIN_RSA_BITS ? "" : ", which not everybody can check";
  return { status: "bad", reason: `holds an RSA key of ${bits} bits${beyond}; make one of 2048` };
}
