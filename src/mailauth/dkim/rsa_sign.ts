/**
 * RSASSA-PKCS1-v1_5 with SHA-256, the signing half (RFC 8017 §8.2.1), on the caller's own thread: for the keys that
 * most have, of 2048 bits and two primes. It takes two thirds of the time that the runtime's own takes on another thread.
 *
 * The key is secret, and so is what time tells of it. The powers take the same time for all numbers (`rsa_power.wat`);
 * what BigInt does takes its time for numbers that nobody knows, since each is multiplied by a secret one before
 * (blinding). A signature that is wrong in one prime tells the key to everybody (Boneh, DeMillo and Lipton 1997):
 * none leaves that its public key does not verify.
 *
 * What fails: other keys, and runtimes that cannot compute the powers, have no such signer; a signature that came out
 * wrong is none.
 *
 * @module
 */

import { createHash, type KeyObject } from "node:crypto";
import { type RsaPublicKey, toBigInt } from "./rsa_key.ts";
import { inverse, rsaPower } from "./rsa_power.ts";
import { rsaPublic, signedBlock } from "./rsa_verify.ts";

/** Bits of the keys, and of each of their primes. */
const BITS = 2048;
const PRIME_BITS = BITS / 2;
const LENGTH = BITS / 8;

/** The signature over the octets, or `null` where it came out wrong. */
export type RsaSigner = (octets: Uint8Array) => Uint8Array | null;

/** The numbers of a private key, as JWK names them (RFC 7518 §6.3.2). */
type Numbers = Readonly<Record<"n" | "e" | "p" | "q" | "dp" | "dq" | "qi", bigint>>;

/** Signs with a key; `null` where that cannot be done here. */
export function rsaSigner(key: KeyObject): RsaSigner | null {
  const numbers = numbersOf(key);
  if (numbers === null) return null;
  const { n, e, p, q, dp, dq, qi } = numbers;
  const power = rsaPower([p, q], [dp, dq]);
  if (power === null) return null;
  const open: RsaPublicKey = { kind: "rsa", modulus: n, exponent: e, bits: BITS };
  const blind = blinding(open, secretNumber(key) % n);
  return (octets) => {
    const block = signedBlock(LENGTH, createHash("sha256").update(octets).digest());
    const { factor, undo } = blind();
    const base = block * factor % n;
    const [first, second] = power([base % p, base % q]);
    // Garner: what is `first` modulo p and `second` modulo q.
    const times = qi * (first - second) % p;
    const signature = (second + (times < 0n ? times + p : times) * q) * undo % n;
    if (rsaPublic(open, signature) !== block) return null;
    return Uint8Array.fromHex(signature.toString(16).padStart(LENGTH * 2, "0"));
  };
}

/**
 * For each signature a number to multiply with, and what takes it out of the signature: the next is the square
 * of the one before, so that there is nothing to invert but the first.
 */
function blinding(key: RsaPublicKey, secret: bigint): () => { factor: bigint; undo: bigint } {
  let factor = rsaPublic(key, secret);
  let undo = inverse(secret, key.modulus);
  return () => {
    factor = factor * factor % key.modulus;
    undo = undo * undo % key.modulus;
    return { factor, undo };
  };
}

/** A number that nobody can know who does not know the key; no random one is needed for that. */
function secretNumber(key: KeyObject): bigint {
  const der = key.export({ type: "pkcs8", format: "der" });
  let hex = "";
  for (let part = 0; hex.length < LENGTH * 2; part++) {
    hex += createHash("sha256").update(`blinding ${part} `).update(der).digest("hex");
  }
  der.fill(0);
  return BigInt(`0x${hex}`);
}

/** `null` for keys of other lengths, and of more primes. */
function numbersOf(key: KeyObject): Numbers | null {
  const jwk = key.export({ format: "jwk" }) as Readonly<Record<string, unknown>>;
  const number = (name: string) => {
    const text = jwk[name];
    return typeof text === "string"
      ? toBigInt(Uint8Array.fromBase64(text, { alphabet: "base64url" }))
      : 0n;
  };
  const [n, e, p, q] = [number("n"), number("e"), number("p"), number("q")];
  const fits = bitsOf(n) === BITS && bitsOf(p) === PRIME_BITS && bitsOf(q) === PRIME_BITS &&
    p * q === n && e > 1n && e <= 0xffff_ffffn;
  return fits ? { n, e, p, q, dp: number("dp"), dq: number("dq"), qi: number("qi") } : null;
}

function bitsOf(number: bigint): number {
  return number.toString(2).length;
}
