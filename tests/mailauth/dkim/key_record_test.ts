import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fetchKey, parseKeyRecord } from "../../../src/mailauth/dkim/key_record.ts";
import { dnsOf, ED25519_KEY, RSA_KEY } from "./signer.ts";

const RSA = RSA_KEY.data;
const ED = ED25519_KEY.data;

const faultOf = (text: string) => {
  const read = parseKeyRecord(text);
  return "fault" in read ? read.fault : null;
};

Deno.test("parseKeyRecord() reads records as they are published", () => {
  for (
    const text of [
      `p=${RSA}`,
      `v=DKIM1; p=${RSA}`,
      `v=DKIM1;k=rsa;p=${RSA};`,
      ` v = DKIM1 ;\tk = rsa ; n=a note; p = ${RSA} ; `,
      `v=DKIM1; g=*; s=email; t=; h=sha1:sha256; x_new=1; p=${RSA}`,
      `v=DKIM1; s=*; p=${RSA}`,
      `v=DKIM1; s=other : Email; h=SHA256; p=${RSA}`,
      `v=DKIM1; k=ed25519; p=${ED}`,
      `v=DKIM1; p=${RSA.replace(/.{10}/g, "$& \t")}`,
      `v=DKIM1; k=ed25519; p=${ED.replace("=", "")}`,
    ]
  ) assertEquals(faultOf(text), null, text);
});

Deno.test("parseKeyRecord() says what is wrong with a record", () => {
  const faults: readonly (readonly [string, string])[] = [
    ["", "the key record has no key (p=)"],
    ["v=DKIM1", "the key record has no key (p=)"],
    ["v=DKIM1; p=", "the key is revoked"],
    ["v=DKIM1; p= ;", "the key is revoked"],
    ["And now for something completely different", "the key record is no list of tags"],
    [`v=DKIM1; p=${RSA}; p=${RSA}`, "the key record is no list of tags"],
    [`v=DKIM1;; p=${RSA}`, "the key record is no list of tags"],
    [`v=DKIM1; p=${RSA}\x00`, "the key record is no list of tags"],
    [`v=DKIM2; p=${RSA}`, "the key record is not of version DKIM1"],
    [`v=dkim1; p=${RSA}`, "the key record is not of version DKIM1"],
    [`v=; p=${RSA}`, "the key record is not of version DKIM1"],
    [`p=${RSA}; v=DKIM1`, "the key record is not of version DKIM1"],
    [`k=dsa; p=${RSA}`, "the key is of an unknown kind (k=)"],
    [`k=; p=${RSA}`, "the key is of an unknown kind (k=)"],
    [`h=sha1; p=${RSA}`, "the key is not for SHA-256 (h=)"],
    [`h=; p=${RSA}`, "the key is not for SHA-256 (h=)"],
    [`s=tlsrpt; p=${RSA}`, "the key is not for mail (s=)"],
    ["p=foo*bar", "the key is no base64 (p=)"],
    ["p=foobar", "p= is no RSA key"],
    [`p=${ED}`, "p= is no RSA key"],
    [`k=ed25519; p=${RSA}`, "an Ed25519 key has 32 octets, and this one 162"],
    [`k=ed25519; p=${btoa("x".repeat(31))}`, "an Ed25519 key has 32 octets, and this one 31"],
    // The SubjectPublicKeyInfo that RFC 8463 §4.2 does not want.
    [
      `k=ed25519; p=${btoa(atob("MCowBQYDK2VwAyEA") + atob(ED))}`,
      "an Ed25519 key has 32 octets, and this one 44",
    ],
    [`v=DKIM1; p=${RSA}; n=${"x".repeat(9000)}`, "the key record is too long"],
  ];
  for (const [text, fault] of faults) assertEquals(faultOf(text), fault, text);
});

Deno.test("parseKeyRecord() reads the flags", () => {
  const flagsOf = (t: string) => {
    const read = parseKeyRecord(`k=ed25519; t=${t}; p=${ED}`);
    assert("key" in read);
    return [read.testing, read.strict];
  };
  assertEquals(flagsOf("y"), [true, false]);
  assertEquals(flagsOf("s"), [false, true]);
  assertEquals(flagsOf("x : y:s"), [true, true]);
  assertEquals(flagsOf("ys"), [false, false]);
});

Deno.test("parseKeyRecord() takes any text for a record or a fault", () => {
  const part = fc.constantFrom(
    "v=DKIM1",
    "k=rsa",
    "k=ed25519",
    "p=",
    `p=${ED}`,
    `p=${RSA}`,
    "t=y:s",
    "h=",
    "p",
    ";",
    "\0",
  );
  fc.assert(fc.property(fc.array(fc.oneof(part, fc.string())), (parts) => {
    const read = parseKeyRecord(parts.join(";"));
    assert("fault" in read ? read.fault !== "" : read.key.kind.length > 0);
  }));
});

Deno.test("fetchKey() tells a key from none, from several, and from a failure", async () => {
  const name = "a.b._domainkey.example.org";
  const asks = async (...records: string[]) =>
    await fetchKey(dnsOf({ [name]: records }), "example.org", "a.b");
  assertEquals((await asks(`k=ed25519; p=${ED}`)).status, "found");
  assertEquals(
    (await asks("v=DMARC1; p=none", "\tv\t=spf1 -all", `k=ed25519; p=${ED}`)).status,
    "found",
  );
  const reason = `there is no key at ${name}`;
  assertEquals(await asks(), { status: "permerror", reason });
  assertEquals(await asks("v=spf1 -all"), { status: "permerror", reason });
  assertEquals(await fetchKey(dnsOf({}), "example.org", "a.b"), { status: "permerror", reason });
  assertEquals(await asks("v=DKIM1; p=", "v=DKIM2; p="), {
    status: "permerror",
    reason: `there are 2 key records at ${name}`,
  });
  assertEquals(await fetchKey(dnsOf({ [name]: "!REFUSED" }), "example.org", "a.b"), {
    status: "temperror",
    reason: `DNS failed for ${name}: REFUSED`,
  });
  const broken = { txt: () => Promise.reject("?") };
  assertEquals(await fetchKey(broken, "example.org", "a.b"), {
    status: "temperror",
    reason: `DNS failed for ${name}: no answer`,
  });
});
