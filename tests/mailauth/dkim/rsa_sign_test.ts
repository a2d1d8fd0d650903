import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { rsaSigner } from "../../../src/mailauth/dkim/rsa_sign.ts";
import { openSigningKey } from "../../../src/mailauth/dkim/signing_key.ts";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** Where products are rounded before they are added to, there is no signer to try. */
function signerTest(name: string, work: () => void): void {
  const ignore = rsaSigner(privateKey) === null;
  Deno.test({
    name: ignore ? `${name} (not tried: no fused multiply-add here)` : name,
    ignore,
    fn: work,
  });
}

/** A signature has one value (RFC 8017 §8.2), so that of node:crypto is the same. */
function expected(octets: Uint8Array): string {
  return new Uint8Array(sign("sha256", octets, privateKey)).toHex();
}

signerTest("rsaSigner() signs as node:crypto does, again and again", () => {
  const signer = rsaSigner(privateKey)!;
  for (let length = 0; length < 40; length++) {
    const octets = new Uint8Array(length).fill(length);
    assertEquals(signer(octets)?.toHex(), expected(octets));
  }
});

signerTest(
  "rsaSigner() gives no signature when a number of the key is damaged: it would tell the key",
  () => {
    const jwk = privateKey.export({ format: "jwk" }) as Record<string, string>;
    for (const name of ["dp", "dq", "qi"]) {
      const octets = Uint8Array.fromBase64(jwk[name]!, { alphabet: "base64url" });
      octets[octets.length - 2]! ^= 0x10;
      const damaged = octets.toBase64({ alphabet: "base64url", omitPadding: true });
      const key = {
        // What a key would be whose memory a bit flipped in; none is made from such numbers.
        export: (options: { format: string }) =>
          options.format === "jwk"
            ? { ...jwk, [name]: damaged }
            : privateKey.export({ type: "pkcs8", format: "der" }),
      } as unknown as typeof privateKey;
      const signer = rsaSigner(key);
      assert(signer !== null);
      assertEquals(signer(new Uint8Array(8)), null, name);
    }
  },
);

Deno.test("rsaSigner() leaves keys of other lengths to others", () => {
  for (const modulusLength of [1024, 3072]) {
    assertEquals(rsaSigner(generateKeyPairSync("rsa", { modulusLength }).privateKey), null);
  }
});

Deno.test("openSigningKey() has a key of RSA that signs the same, however many sign at once", async () => {
  const pem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
  const opened = await openSigningKey(pem);
  assert(opened.status === "key");
  const texts = Array.from({ length: 24 }, (_, index) => new Uint8Array([index]));
  const signatures = await Promise.all(texts.map((octets) => opened.key.sign(octets)));
  assertEquals(signatures.map((signature) => signature.toHex()), texts.map(expected));
  assertNotEquals(signatures[0], signatures[1]);
});

Deno.test("openSigningKey() has a key of RSA of another length that signs, however many sign at once", async () => {
  const { privateKey: longer } = generateKeyPairSync("rsa", { modulusLength: 1536 });
  const opened = await openSigningKey(String(longer.export({ type: "pkcs8", format: "pem" })));
  assert(opened.status === "key");
  const octets = new Uint8Array([1, 2, 3]);
  const signatures = await Promise.all(Array.from({ length: 9 }, () => opened.key.sign(octets)));
  const wanted = new Uint8Array(sign(
    "sha256",
    octets,
    createPrivateKey(longer.export({
      type: "pkcs8",
      format: "pem",
    })),
  )).toHex();
  for (const signature of signatures) assertEquals(signature.toHex(), wanted);
});
