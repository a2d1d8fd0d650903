import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { decode, encode } from "../../../src/bytes.ts";
import { type BodyHash, BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { namesToSign, signDkim, type SignOptions } from "../../../src/mailauth/dkim/sign.ts";
import {
  formatSigned,
  formatUnsigned,
  signingInput,
} from "../../../src/mailauth/dkim/sign_field.ts";
import { openSigningKey, type SigningKey } from "../../../src/mailauth/dkim/signing_key.ts";
import { fieldValue, parseFields } from "../../../src/message/header.ts";
import { octets } from "../../support/feed.ts";
import { rsa4104 } from "./large_key.ts";
import {
  rfc6376Key,
  rfc6376Message,
  rfc8463Ed25519Key,
  rfc8463Message,
  rfc8463RsaKey,
} from "./rfc_examples.ts";

async function open(pem: string): Promise<SigningKey> {
  const opened = await openSigningKey(pem);
  if (opened.status === "bad") throw new Error(opened.reason);
  return opened.key;
}

/** The signature in a field, and the field's text up to it. */
function taken(field: string): { unsigned: string; signature: string } {
  const at = field.search(/[ \t\n]b=/) + 3;
  return { unsigned: field.slice(0, at), signature: field.slice(at).replace(/[\s;]/g, "") };
}

Deno.test("signingInput() and both keys give the signatures of RFC 8463 appendix A", async () => {
  const fields = parseFields(octets(rfc8463Message.split("\r\n\r\n")[0]! + "\r\n"));
  for (const [index, pem] of [rfc8463Ed25519Key, rfc8463RsaKey].entries()) {
    const { unsigned, signature } = taken(decode(fields[index]!.raw));
    const names = "from:to:subject:date:message-id:from:subject:date".split(":");
    const input = signingInput(fields.slice(2), names, unsigned, "relaxed");
    assertEquals((await (await open(pem)).sign(input)).toBase64(), signature);
  }
});

Deno.test("signingInput() gives what the signature of RFC 6376 appendix A is over", async () => {
  const fields = parseFields(octets(rfc6376Message.split("\r\n\r\n")[0]! + "\r\n"));
  const { unsigned, signature } = taken(decode(fields[0]!.raw));
  // The printed field ends with a semicolon behind b=, which is signed.
  const names = "Received:From:To:Subject:Date:Message-ID".split(":");
  const input = signingInput(fields.slice(1), names, `${unsigned};`, "simple");
  assertEquals((await (await open(rfc6376Key)).sign(input)).toBase64(), signature);
});

/** A body's hash. */
function hashOf(
  body: string,
  canonicalization: "simple" | "relaxed" = "relaxed",
  length: number | null = null,
): BodyHash {
  const hashes = new BodyHashes();
  const hash = hashes.want(canonicalization, length);
  hashes.write(octets(body));
  hashes.end();
  return hash;
}

const HEAD = "Received: x\r\nFrom: a@football.example.com\r\nTo: b@example.net\r\n" +
  "Subject: news\r\nDate: now\r\n";

async function sign(options: Partial<SignOptions> = {}, hash: BodyHash = hashOf("Hi.\r\n")) {
  const key = await open(rfc8463Ed25519Key);
  const field = await signDkim(parseFields(octets(HEAD)), hash, {
    domain: "football.example.com",
    selector: "brisbane",
    key,
    now: 1_528_637_909_999,
    ...options,
  });
  const tags = fieldValue(field).split(/;\s*/).map((tag) => tag.split(/=(.*)/s).slice(0, 2));
  return { text: decode(field.raw), tags: Object.fromEntries(tags) as Record<string, string> };
}

Deno.test("signDkim() says what it signed, and how", async () => {
  const { text, tags } = await sign();
  const { b, bh, h, ...rest } = tags;
  const names = h!.replaceAll(" ", "");
  assertEquals(names, "from:to:cc:subject:reply-to:date:from:to:subject:date");
  assertEquals(rest, {
    v: "1",
    a: "ed25519-sha256",
    c: "relaxed/relaxed",
    d: "football.example.com",
    s: "brisbane",
    t: "1528637909",
  });
  assertEquals(bh, hashOf("Hi.\r\n").digest.toBase64());
  const { unsigned } = taken(text);
  const input = signingInput(
    parseFields(octets(HEAD)),
    names.split(":"),
    unsigned,
    "relaxed",
  );
  assertEquals(
    (await (await open(rfc8463Ed25519Key)).sign(input)).toBase64(),
    b?.replace(/\s/g, ""),
  );
});

Deno.test("signDkim() writes the options it is given", async () => {
  const names = ["From", "X-Own"];
  const options = { names, identity: "jöe; x=1@Mail.football.example.com", lifetime: 86_400 };
  const { tags } = await sign({ ...options, headCanonicalization: "simple" }, hashOf("", "simple"));
  assertEquals([tags["c"], tags["h"], tags["t"], tags["x"]], [
    "simple/simple",
    "From:X-Own",
    "1528637909",
    "1528724309",
  ]);
  assertEquals(tags["i"], "j=C3=B6e=3B=20x=3D1@Mail.football.example.com");
  assertEquals(tags["l"], undefined);
});

Deno.test("signDkim() tells a length where it is asked for, and where only a part was hashed", async () => {
  const whole = hashOf("12345\r\n\r\n");
  assertEquals((await sign({}, whole)).tags["l"], undefined);
  assertEquals((await sign({ bodyLength: true }, whole)).tags["l"], "7");
  assertEquals((await sign({}, hashOf("12345\r\n\r\n", "simple", 4))).tags["l"], "4");
  assertEquals((await sign({}, hashOf("12345\r\n\r\n", "simple", 400))).tags["l"], "7");
});

Deno.test("signDkim() keeps to 78 columns, whatever is signed", async () => {
  const rsa = await open(rfc8463RsaKey);
  const names = ["from", ...Array.from({ length: 40 }, (_, i) => "x".repeat(i))].filter(Boolean);
  for (
    const options of [{}, { key: rsa }, { names }, { names, identity: "a@football.example.com" }]
  ) {
    const { text } = await sign(options);
    const lines = text.split("\r\n");
    assertEquals(lines.pop(), "");
    for (const line of lines) assert(line.length <= 78, line);
    for (const line of lines.slice(1)) assertMatch(line, /^ [^ ]/);
  }
});

Deno.test("signDkim() throws for what no signature can have, and for what would be another tag", async () => {
  const bad: Partial<SignOptions>[] = [
    { domain: "" },
    { domain: "example.com; l=0" },
    { domain: "exämple.com" },
    { domain: "example.com\r\nBcc: x" },
    { domain: `${"a".repeat(64)}.example` },
    { selector: "" },
    { selector: "a b" },
    { selector: "a;b" },
    { names: ["to"] },
    { names: [] },
    { names: ["from", "a;b"] },
    { names: ["from", "a:b"] },
    { names: ["from", ""] },
    { identity: "joe" },
    { identity: "joe@example.com" },
    { identity: "joe@evilfootball.example.com" },
    { identity: "@x\r\n.football.example.com" },
    { lifetime: 0 },
    { lifetime: -1 },
    { lifetime: 1.5 },
    { lifetime: NaN },
  ];
  for (const options of bad) await assertRejects(() => sign(options), TypeError);
  await sign({ identity: "@football.example.com" });
  await sign({ selector: "2026._a-b" });
});

Deno.test("namesToSign() names what readers see once more than it is there", () => {
  const names = (head: string) => namesToSign(parseFields(octets(head)));
  const count = (list: readonly string[], name: string) =>
    list.filter((one) => one === name).length;
  const property = fc.property(
    fc.array(fc.constantFrom("From", "TO", "Subject", "date", "List-Id", "Received", "X-A"), {
      maxLength: 40,
    }),
    (fields) => {
      const list = names(fields.map((name) => `${name}: x\r\n`).join(""));
      const there = (name: string) => Math.min(count(fields.map((f) => f.toLowerCase()), name), 16);
      for (const name of ["from", "to", "subject", "cc"]) {
        assertEquals(count(list, name), there(name) + 1);
      }
      assertEquals(count(list, "date"), there("date") === 0 ? 0 : there("date") + 1);
      assertEquals(count(list, "list-id"), there("list-id"));
      assertEquals(count(list, "received") + count(list, "x-a") + count(list, "message-id"), 0);
    },
  );
  fc.assert(property);
});

Deno.test("a field that is added breaks what namesToSign() sealed, and one that is not does not", () => {
  const fields = parseFields(octets(HEAD));
  const names = namesToSign(fields);
  const input = (head: string) =>
    decode(signingInput(parseFields(octets(head)), names, "DKIM-Signature: b=", "relaxed"));
  for (const added of ["From", "Subject", "To", "Cc", "Reply-To", "Date"]) {
    assert(input(`${added}: evil\r\n${HEAD}`) !== input(HEAD), added);
    assert(input(`${HEAD}${added}: evil\r\n`) !== input(HEAD), added);
  }
  for (const added of ["Received", "X-Spam", "Authentication-Results", "Message-ID"]) {
    assertEquals(input(`${added}: x\r\n${HEAD}`), input(HEAD));
  }
});

Deno.test("formatUnsigned() and formatSigned() fold between tags, at colons, and in b=", () => {
  const h = Array.from({ length: 12 }, (_, index) => `field-${index}`).join(":");
  const unsigned = formatUnsigned("ARC-Message-Signature", [["i", "1"], ["h", h], ["bh", "x=="]]);
  assertEquals(
    unsigned,
    "ARC-Message-Signature: i=1; h=field-0:field-1:field-2:field-3:field-4:field-5:\r\n" +
      " field-6:field-7:field-8:field-9:field-10:field-11; bh=x==;\r\n b=",
  );
  const { name, raw } = formatSigned("ARC-Message-Signature", unsigned, new Uint8Array(108));
  assertEquals(name, "ARC-Message-Signature");
  assertEquals(
    decode(raw).slice(unsigned.length),
    `${"A".repeat(72)}\r\n ${"A".repeat(72)}\r\n`,
  );
});

Deno.test("openSigningKey() opens PKCS #1 and PKCS #8, and what they sign checks", async () => {
  const octets = encode("some octets");
  const pkcs1 = await open(rfc8463RsaKey);
  const signature = await pkcs1.sign(octets);
  assert(verify("sha256", octets, createPublicKey(rfc8463RsaKey), signature));
  const pkcs8 = await open(rfc8463RsaKeyInPkcs8);
  assertEquals(await pkcs8.sign(octets), signature);
  assertEquals([pkcs1.algorithm, pkcs8.algorithm], ["rsa-sha256", "rsa-sha256"]);
  // More than are made at once.
  const many = await Promise.all(Array.from({ length: 20 }, () => pkcs8.sign(octets)));
  for (const one of many) assertEquals(one, signature);
});

Deno.test("openSigningKey() opens no RSA key that is damaged so that it would sign wrongly", async () => {
  const der = Uint8Array.fromBase64(rfc8463RsaKey.split("\n").slice(1, -2).join(""));
  const right = await (await open(rfc8463RsaKey)).sign(der);
  let refused = 0;
  for (let at = 10; at < der.length; at += 37) {
    const other = der.slice();
    other[at]! ^= 4;
    const opened = await openSigningKey(
      `-----BEGIN RSA PRIVATE KEY-----\n${other.toBase64()}\n-----END RSA PRIVATE KEY-----\n`,
    );
    // What can be told from the other numbers may be told anew.
    if (opened.status === "bad") refused++;
    else assertEquals(await opened.key.sign(der), right, `octet ${at}`);
  }
  assert(refused > 0);
});

Deno.test("openSigningKey() says why a key does not fit", async () => {
  const cases: [pem: string, reason: RegExp][] = [
    ["", /^holds no private key in PEM form/],
    [rsa512, /^holds an RSA key of 512 bits; make one of 2048$/],
    [rsa4104, /^holds an RSA key of 4104 bits, which not everybody can check; make one of 2048$/],
    [p256, /^holds a key of kind ec; wanted RSA or Ed25519$/],
    [encrypted, /^holds no private key in PEM form without a passphrase$/],
    [
      String(createPublicKey(rfc8463RsaKey).export({ type: "spki", format: "pem" })),
      /^holds no private key/,
    ],
  ];
  for (const [pem, reason] of cases) {
    const opened = await openSigningKey(pem);
    assert(opened.status === "bad", pem);
    assertMatch(opened.reason, reason);
  }
});

/** The same key as {@link rfc8463RsaKey}, as OpenSSL writes it. */
const rfc8463RsaKeyInPkcs8 = `-----BEGIN PRIVATE KEY-----
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAOQeU5CgFPNZGIaz
lXo2k/eJ1jpaTTxrmqF1HrDLlt04pvaMtCJj8nXoliLRC/H9vJjMI1vdb3XLcW60
AIN/PBD8EL97/y4GwJH7LPUvGP48vqUe+owqszesbiGy1PlCO8c70/OjFnJVgvMF
87YR4Lcincb7aSvI5MgpP6X8rjDdAgMBAAECgYAfRzE6EVkODNdaEOGcAkPDmziu
g5c3g6GOJdrxbtjeuFfcUmqYlI+4Lw329CbpJVtosAThIbmYsy54eWHgpd98Sm4s
SI2n1Kzc7hh8uJCltGoTtOblLEqO+9Chll7MeiuKY5oKFEvaK3juK5bHPFKJEy/h
z6PvQaJZ3FefF7hSgQJBAPMkH/RTnxbtFnLp6cZWPaRYXvfYKhYVlbOLUWJy52sE
WjLrdDByjCmgJrMq29kYw2U9acLvH/qjwZy5J7SBrbECQQDwLs+Kk+bX/V9NFC+P
Wj90OZmnbjfTjhk3LGOD78483ShYJtcgbHJa+ZlteuI5ahIAslOMTESCtocSCdey
y6TtAkEAuXkgKxgy7qEzE7veCd81rI2A/F1YVXpntQucrJXsdJVgXSGBg4eN5h72
Boy2IliijTMY34vcAC00/2G6qRaXMQJATVqWJwh5WWjV76onoyCqvRDsBrt9qVnj
jxxxtIVgQ8PqgXGI6X1j2x72Jgdkop8hyy2jsNTDX+HPYKTg3kmuBQJBALIq942+
POSR3weNizRLAzR8+MrXr//moNnZSIMac564TPEEMCvnXxnxUVtHjWKfdbhjfIIO
BCUuVwROtL7Nhws=
-----END PRIVATE KEY-----
`;

/** Keys of no use, made by OpenSSL for this. */
const rsa512 = `-----BEGIN PRIVATE KEY-----
MIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEA75JqQyVTIiUgHB5h
QIciASfN0h/xsZwOkYb806fJ+tESHIUpYkVi/JFWpw8ZMjD33R1M38gYSez0u4yG
LBRyNwIDAQABAkAfhJWyS8DKJzQ4Ps7wnFae7Eupr0Yu5acNAkNU3Sg3dPTQLh5i
MSll1CoZQOqvGH2Ypt3nTS7Ie9oJNPdYi9KxAiEA+seLVobIvCKveiJ2i1WeXPJO
YpEVCjL4Evq0esbpoesCIQD0jyS9pf8RptNu+UDY69vNxkYjyP8A22+cbAPpgIIR
5QIhAPh+ukdnD4m9JPx1Ido3YNDhGWL6OEr+7mqAGk5+xAs5AiBP712180Ts0xd2
xVexz13X43/XgIIBGLhha1jYAJ4DFQIgdoiYNQZiEc3FRvBVqaxHJ42bndfSZgMO
qAqJSx4j7co=
-----END PRIVATE KEY-----
`;
const p256 = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/f1UQ+EYB7YmE7Ce
ds2UzZN411Boh519HomYE3gl2hmhRANCAASGHg+6wv8UDfdU7a+LL/AlWc8d0IlW
suPS6W/UsX+jkrIBNLdvcuW5HcpBOrk0P+4KvJN9H71VxPPnXLSCwhaK
-----END PRIVATE KEY-----
`;
const encrypted = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjTmy5v4mNwqAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKgpth17sUqzABfyCH/9PLgEQMgn
q1uFX1EZmh3xlomBxlJ2j026J4Wf4VDAIdAmMPWu1lzrRV4VVlUcZWveZx5xMab8
D/BkfPWqmfNCHJY5nwg=
-----END ENCRYPTED PRIVATE KEY-----
`;
