import { assertEquals } from "@std/assert";
import { createPublicKey } from "node:crypto";
import { parseRsaKey } from "../../../src/mailauth/dkim/rsa_key.ts";
import { makeRsaKey, RSA_KEY, type TestKey } from "./signer.ts";

const derOf = ({ privateKey }: TestKey, type: "spki" | "pkcs1") =>
  new Uint8Array(createPublicKey(privateKey).export({ type, format: "der" }));

/** Elements of DER, put together without a rule. */
const der = (tag: number, content: Uint8Array): Uint8Array => {
  const { length } = content;
  const head = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return Uint8Array.from([tag, ...head, ...content]);
};
const integer = (value: bigint): Uint8Array => {
  const hex = value.toString(16);
  const octets = Uint8Array.fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
  return der(2, octets[0]! >= 0x80 ? Uint8Array.from([0, ...octets]) : octets);
};
const keyOf = (modulus: bigint, exponent: bigint) =>
  der(0x30, Uint8Array.from([...integer(modulus), ...integer(exponent)]));

const faultOf = (octets: Uint8Array) => {
  const read = parseRsaKey(octets);
  return "fault" in read ? read.fault : null;
};

Deno.test("parseRsaKey() reads both forms alike, and the numbers that node:crypto has", () => {
  for (const key of [RSA_KEY, makeRsaKey(1030, 3), makeRsaKey(2048)]) {
    const { n, e } = createPublicKey(key.privateKey).export({ format: "jwk" });
    const numberOf = (text = "") =>
      BigInt(`0x${Uint8Array.fromBase64(text, { alphabet: "base64url" }).toHex()}`);
    const expected = {
      kind: "rsa",
      modulus: numberOf(n),
      exponent: numberOf(e),
      bits: key.privateKey.asymmetricKeyDetails!.modulusLength!,
    } as const;
    assertEquals(parseRsaKey(derOf(key, "spki")), expected);
    assertEquals(parseRsaKey(derOf(key, "pkcs1")), expected);
  }
});

Deno.test("parseRsaKey() refuses lengths that are unsafe or a burden", () => {
  const odd = (bits: number) => (1n << BigInt(bits - 1)) + 1n;
  assertEquals(faultOf(keyOf(odd(1024), 3n)), null);
  assertEquals(faultOf(keyOf(odd(8192), 65537n)), null);
  assertEquals(
    faultOf(keyOf(odd(1023), 3n)),
    "the RSA key has 1023 bits, and fewer than 1024 do not count",
  );
  assertEquals(
    faultOf(keyOf(odd(512), 3n)),
    "the RSA key has 512 bits, and fewer than 1024 do not count",
  );
  assertEquals(faultOf(keyOf(odd(8193), 3n)), "the RSA key has 8193 bits, more than 8192");
  assertEquals(faultOf(keyOf(odd(500_000), 3n)), "the RSA key has 500000 bits, more than 8192");
});

Deno.test("parseRsaKey() refuses numbers that no key has", () => {
  const modulus = (1n << 1023n) + 1n;
  assertEquals(faultOf(keyOf(modulus + 1n, 3n)), "the modulus of the RSA key is even");
  for (const exponent of [1n, 2n, 65536n, (1n << 32n) + 1n, modulus]) {
    assertEquals(
      faultOf(keyOf(modulus, exponent)),
      "the exponent of the RSA key is none that is used",
    );
  }
  assertEquals(faultOf(keyOf(modulus, 0xffff_ffffn)), null);
});

Deno.test("parseRsaKey() refuses DER that is not strict", () => {
  const sound = keyOf((1n << 1023n) + 1n, 3n);
  assertEquals(faultOf(sound), null);
  const wrong = (octets: readonly number[]) =>
    assertEquals(faultOf(Uint8Array.from(octets)), "p= is no RSA key");
  wrong([...sound, 0]);
  wrong([...sound.subarray(0, -1)]);
  wrong([]);
  wrong([0x30]);
  wrong([0x30, 0]);
  wrong([0x30, 0x80, ...sound.subarray(3), 0, 0]); // an indefinite length
  wrong([0x30, 0x82, 0, ...sound.subarray(2)]); // more octets of length than it takes
  wrong([0x30, 0x83, 0, 0, ...sound.subarray(2)]);
  wrong([0x31, ...sound.subarray(1)]);
  const numbers = (
    ...parts: Uint8Array[]
  ) => [...der(0x30, Uint8Array.from(parts.flatMap((part) => [...part])))];
  const [n, e] = [integer((1n << 1023n) + 1n), integer(3n)];
  assertEquals(faultOf(Uint8Array.from(numbers(n, e))), null);
  wrong(numbers(n));
  wrong(numbers(n, e, e));
  wrong(numbers(n, der(2, Uint8Array.from([0, 3])))); // a zero too many
  wrong(numbers(n, der(2, Uint8Array.from([0x83])))); // negative
  wrong(numbers(n, der(2, new Uint8Array(0))));
  wrong(numbers(n, der(4, Uint8Array.from([3]))));
});

Deno.test("parseRsaKey() refuses a SubjectPublicKeyInfo of another algorithm, or with octets left over", () => {
  const spki = derOf(RSA_KEY, "spki");
  const changed = (at: number) => {
    const copy = spki.slice();
    copy[at]! ^= 0x40;
    return copy;
  };
  // The object identifier, its parameters, and how many bits do not count.
  for (const at of [4, 14, 15, 17, 21]) {
    assertEquals(faultOf(changed(at)), "p= is no RSA key", `${at}`);
  }
  assertEquals(faultOf(Uint8Array.from([...spki, 0])), "p= is no RSA key");
});

Deno.test("parseRsaKey() takes no octet string for two keys, and throws for none", () => {
  const spki = derOf(RSA_KEY, "spki");
  for (let length = 0; length < spki.length; length++) {
    assertEquals(faultOf(spki.subarray(0, length)), "p= is no RSA key");
  }
});
