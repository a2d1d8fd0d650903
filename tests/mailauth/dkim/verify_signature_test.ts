import { assert, assertEquals } from "@std/assert";
import { createHash, sign } from "node:crypto";
import { parseKeyRecord } from "../../../src/mailauth/dkim/key_record.ts";
import {
  type DkimPublicKey,
  verifySignature,
} from "../../../src/mailauth/dkim/verify_signature.ts";
import { ED25519_KEY, makeRsaKey, RSA_KEY, type TestKey } from "./signer.ts";

const TEXT = new TextEncoder().encode("from:a\r\nto:b\r\n");
const PARTS = [TEXT.subarray(0, 5), new Uint8Array(0), TEXT.subarray(5)];
const DIGEST = createHash("sha256").update(TEXT).digest();
const DIGEST_INFO = Uint8Array.fromHex("3031300d060960864801650304020105000420");

const publicOf = ({ record }: TestKey): DkimPublicKey => {
  const read = parseKeyRecord(record);
  assert("key" in read);
  return read.key;
};
const isSound = (signature: Uint8Array, key = RSA_KEY, parts: readonly Uint8Array[] = PARTS) =>
  verifySignature(parts, signature, `${publicOf(key).kind}-sha256`, publicOf(key));

const numberOf = (octets: Uint8Array) => BigInt(`0x${octets.toHex()}`);

/** The numbers of an RSA key by their names in JWK. */
const numbersOf = ({ privateKey }: TestKey) => {
  const jwk = privateKey.export({ format: "jwk" });
  const read = (text = "") => numberOf(Uint8Array.fromBase64(text, { alphabet: "base64url" }));
  return { n: read(jwk.n), d: read(jwk.d), p: read(jwk.p), q: read(jwk.q) };
};

/** Raises a block of octets to a power, whatever is in it. */
const raise = (block: Uint8Array, { n, d } = numbersOf(RSA_KEY)) => {
  let [result, power] = [1n, numberOf(block)];
  for (let left = d; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = result * power % n;
    power = power * power % n;
  }
  return Uint8Array.fromHex(result.toString(16).padStart(block.length * 2, "0"));
};

/** The number that makes 1 of another (extended Euclid). */
const inverse = (number: bigint, modulus: bigint) => {
  let [a, b, x, y] = [number, modulus, 1n, 0n];
  while (b > 0n) [a, b, x, y] = [b, a % b, y, x - a / b * y];
  return (x % modulus + modulus) % modulus;
};

/** A padded block as RFC 8017 §9.2 wants it, and as it does not. */
const block = (
  {
    length = 128,
    type = 1,
    fill = 0xff,
    zero = 0,
    info = DIGEST_INFO,
    digest = DIGEST as Uint8Array,
    tail = [] as number[],
  } = {},
) => {
  const rest = [zero, ...info, ...digest, ...tail];
  return Uint8Array.from([0, type, ...Array(length - 2 - rest.length).fill(fill), ...rest]);
};

Deno.test("verifySignature() agrees with node:crypto for RSA keys of all lengths and exponents", () => {
  const shapes = [[1024, 3], [1024, 65539], [1031, 17], [2048, 65537], [
    3072,
    65537,
  ]] as const;
  for (const [bits, exponent] of shapes) {
    const key = makeRsaKey(bits, exponent);
    const signature = new Uint8Array(sign("sha256", TEXT, key.privateKey));
    assertEquals(isSound(signature, key), true, `${bits} ${exponent}`);
    for (const at of [0, signature.length >> 1, signature.length - 1]) {
      const other = signature.slice();
      other[at]! ^= 1;
      assertEquals(isSound(other, key), false);
    }
    assertEquals(isSound(signature, key, [TEXT, TEXT]), false);
  }
});

Deno.test("verifySignature() computes with exponents of 32 bits", () => {
  const numbers = numbersOf(RSA_KEY);
  const { n, p, q } = numbers;
  for (const exponent of [0xffff_fffbn, 0x8000_000bn]) { // Primes.
    const d = inverse(exponent, (p - 1n) * (q - 1n));
    const key = { kind: "rsa", modulus: n, exponent, bits: 1024 } as const;
    const signature = raise(block(), { ...numbers, d });
    assertEquals(verifySignature(PARTS, signature, "rsa-sha256", key), true);
    assertEquals(verifySignature([TEXT, TEXT], signature, "rsa-sha256", key), false);
  }
});

Deno.test("verifySignature() wants the padding whole, so that no cube root makes a signature", () => {
  assertEquals(isSound(raise(block())), true);
  const wrong = [
    { type: 2 },
    { type: 0 },
    { fill: 0xfe },
    { zero: 1 },
    { tail: [0] },
    { tail: Array(40).fill(0xab) },
    { info: new Uint8Array(0) },
    { info: DIGEST_INFO.slice(0, -1) },
    // SHA-1, and SHA-256 without its NULL, which some accept.
    { info: Uint8Array.fromHex("3021300906052b0e03021a05000414"), digest: DIGEST.subarray(0, 20) },
    { info: Uint8Array.fromHex("302f300b0609608648016503040201" + "0420") },
    { digest: DIGEST.subarray(0, 31) },
    { digest: new Uint8Array(32) },
  ];
  for (const how of wrong) assertEquals(isSound(raise(block(how))), false, JSON.stringify(how));
});

Deno.test("verifySignature() wants a signature as long as the modulus and less than it", () => {
  const signature = raise(block());
  assertEquals(isSound(Uint8Array.from([0, ...signature])), false);
  assertEquals(isSound(signature.subarray(1)), false);
  assertEquals(isSound(new Uint8Array(0)), false);
  assertEquals(isSound(new Uint8Array(128)), false);
  assertEquals(isSound(new Uint8Array(128).fill(0xff)), false);
  // The same number plus the modulus, where the octets have room for it.
  const roomy = makeRsaKey(1030);
  const key = publicOf(roomy);
  assert(key.kind === "rsa");
  const sound = new Uint8Array(sign("sha256", TEXT, roomy.privateKey));
  assertEquals(isSound(sound, roomy), true);
  const sum = (numberOf(sound) + key.modulus).toString(16).padStart(sound.length * 2, "0");
  assertEquals(isSound(Uint8Array.fromHex(sum), roomy), false);
});

Deno.test("verifySignature() takes Ed25519 over the digest, not over the octets", () => {
  const { privateKey } = ED25519_KEY;
  assertEquals(isSound(sign(null, DIGEST, privateKey), ED25519_KEY), true);
  assertEquals(isSound(sign(null, TEXT, privateKey), ED25519_KEY), false);
  assertEquals(isSound(sign(null, DIGEST, privateKey).subarray(1), ED25519_KEY), false);
  assertEquals(isSound(new Uint8Array(0), ED25519_KEY), false);
  const signature = sign(null, DIGEST, privateKey);
  for (let octet = 0; octet < 256; octet++) {
    // Few of these are points of the curve.
    const key = { kind: "ed25519", octets: new Uint8Array(32).fill(octet) } as const;
    assertEquals(verifySignature(PARTS, signature, "ed25519-sha256", key), false);
  }
});

Deno.test("verifySignature() takes no key for another algorithm", () => {
  const signature = sign("sha256", TEXT, RSA_KEY.privateKey);
  assertEquals(verifySignature(PARTS, signature, "ed25519-sha256", publicOf(RSA_KEY)), false);
  assertEquals(verifySignature(PARTS, signature, "rsa-sha256", publicOf(ED25519_KEY)), false);
});
