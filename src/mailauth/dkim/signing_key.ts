/**
 * The private keys that DKIM and ARC sign with: RSA (RFC 8301) and Ed25519 (RFC 8463), from PEM texts. Reading
 * their files, and making them, is for others.
 *
 * A signature by RSA takes ten times as long as all else about a message's signing, so it is made by
 * WebCrypto, which works beside the program's own thread; where many wait, by {@link rsaSigner} on it, too. By Ed25519 it
 * takes no longer than asking another thread.
 *
 * What fails: a text that holds no fit key is a value that says why. Signing fails only as the runtime's cryptography
 * does.
 *
 * @module
 */

import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { readPrivateKey } from "./private_key.ts";
import { type RsaSigner, rsaSigner } from "./rsa_sign.ts";
import { SignQueue } from "./sign_queue.ts";

/** A key that signs. */
export interface SigningKey {
  /** As `a=` has it. */
  readonly algorithm: "rsa-sha256" | "ed25519-sha256";
  /** The signature over the octets. They must stay as they are until it is there. */
  sign(octets: Uint8Array): Promise<Uint8Array>;
}

/** A key, or why there is none. */
export type OpenedSigningKey =
  | { readonly status: "key"; readonly key: SigningKey }
  /** A reason that follows the name of a file in a sentence. */
  | { readonly status: "bad"; readonly reason: string };

/**
 * RSA signatures that are made at once beside the thread; threads for them are shared with the work of the disk. And
 * how many on the thread, whenever one of those has come and more are waiting.
 */
const queue = new SignQueue(4, 2);

/** What a key signs first: one that is damaged had better be found before there is mail to sign. */
const TRIAL = new Uint8Array(32);

/**
 * Opens a private key in PEM form: PKCS #8 or, for RSA, PKCS #1.
 *
 * @example
 * ```ts
 * import { openSigningKey } from "./signing_key.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 8463 appendix A.1, the 32 octets of the key behind what RFC 8410 puts before them
 * const opened = await openSigningKey(`-----BEGIN PRIVATE KEY-----
 * MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
 * -----END PRIVATE KEY-----`);
 * assertEquals(opened.status === "key" && opened.key.algorithm, "ed25519-sha256");
 *
 * assertEquals(await openSigningKey("no key"), {
 *   status: "bad",
 *   reason: "holds no private key in PEM form without a passphrase",
 * });
 * ```
 */
export async function openSigningKey(pem: string): Promise<OpenedSigningKey> {
  const read = readPrivateKey(pem);
  if (read.status === "bad") return read;
  return read.kind === "rsa"
    ? await openRsaKey(read.key)
    : { status: "key", key: ed25519Key(read.key) };
}

async function openRsaKey(key: KeyObject): Promise<OpenedSigningKey> {
  try {
    const opened = await rsaKey(key);
    const signature = await opened.sign(TRIAL);
    if (verify("sha256", TRIAL, createPublicKey(key), signature)) {
      return { status: "key", key: opened };
    }
  } catch { /* the runtime's cryptography does not take it */ }
  return { status: "bad", reason: "holds an RSA key whose numbers do not belong together" };
}

/** RFC 6376 §3.3.2: RSASSA-PKCS1-v1_5. WebCrypto takes no key but in PKCS #8. */
async function rsaKey(key: KeyObject): Promise<SigningKey> {
  const der = new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  der.fill(0);
  // Made when first needed: who signs now and then has none waiting.
  let signer: RsaSigner | null | undefined;
  return {
    algorithm: "rsa-sha256",
    sign: (octets) =>
      queue.sign({
        async beside() {
          const message = octets as Uint8Array<ArrayBuffer>;
          return new Uint8Array(await crypto.subtle.sign(algorithm.name, imported, message));
        },
        here() {
          if (signer === undefined) signer = rsaSigner(key);
          const signature = signer?.(octets) ?? null;
          // What computes wrongly once is not asked again.
          if (signature === null) signer = null;
          return signature;
        },
      }),
  };
}

/** RFC 8463 §3: what is signed is the hash, by PureEdDSA. */
function ed25519Key(key: KeyObject): SigningKey {
  return {
    algorithm: "ed25519-sha256",
    sign: async (octets) => {
      const hash = createHash("sha256").update(octets).digest();
      return await Promise.resolve(new Uint8Array(sign(null, hash, key)));
    },
  };
}
