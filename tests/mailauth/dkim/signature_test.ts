import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  parseDkimSignature,
  parseSignatureTags,
  readClaims,
} from "../../../src/mailauth/dkim/signature.ts";
import { withoutSignature } from "../../../src/mailauth/dkim/signed_form.ts";
import { decode } from "../../../src/bytes.ts";
import { latin1 } from "./signer.ts";

const HASH = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const SOUND: Record<string, string | undefined> = {
  v: "1",
  a: "rsa-sha256",
  d: "example.org",
  s: "s",
  h: "From",
  bh: HASH,
  b: "QUJDREVGR0g=",
};

const read = (text: string) => {
  const tags = parseSignatureTags({
    name: "DKIM-Signature",
    raw: latin1(`DKIM-Signature:${text}\r\n`),
  });
  const claims = readClaims(tags);
  return { claims, signature: parseDkimSignature(tags, claims) };
};

/** With other tags than the sound ones; `undefined` takes one away. */
const readTags = (tags: Readonly<Record<string, string | undefined>>) =>
  read(
    Object.entries({ ...SOUND, ...tags }).filter(([, value]) => value !== undefined)
      .map(([name, value]) => ` ${name}=${value}`).join(";"),
  );

const faultOf = (tags: Readonly<Record<string, string | undefined>>) => {
  const { signature } = readTags(tags);
  return "fault" in signature ? signature.fault : null;
};

Deno.test("parseDkimSignature() reads the example of RFC 6376 §3.5", () => {
  const { claims, signature } = read(
    ` v=1; a=rsa-sha256; d=example.net; s=brisbane;\r
 c=simple; q=dns/txt; i=@eng.example.net;\r
 t=1117574938; x=1118006938;\r
 h=from:to:subject:date;\r
 z=From:foo@eng.example.net|To:joe@example.com|\r
  Subject:demo=20run|Date:July=205,=202005=203:44:08=20PM=20-0700;\r
 bh=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=;\r
 b=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR`,
  );
  assertEquals(claims, {
    domain: "example.net",
    selector: "brisbane",
    identity: "@eng.example.net",
    algorithm: "rsa-sha256",
    signature: "dzdVyOfA",
  });
  assertEquals(signature, {
    algorithm: "rsa-sha256",
    domain: "example.net",
    selector: "brisbane",
    identity: "@eng.example.net",
    headCanonicalization: "simple",
    bodyCanonicalization: "simple",
    names: ["from", "to", "subject", "date"],
    bodyHash: latin1("12345678901234567890123456789012"),
    bodyLength: null,
    signature: latin1(atob("dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR")),
    time: 1117574938,
    expires: 1118006938,
  });
});

Deno.test("parseDkimSignature() says what is wrong with a field", () => {
  const faults: readonly (readonly [Record<string, string | undefined>, string])[] = [
    [{ v: undefined }, "the signature is not of version 1 (v=)"],
    [{ v: "2" }, "the signature is not of version 1 (v=)"],
    [{ v: "1.0" }, "the signature is not of version 1 (v=)"],
    ...["a", "b", "bh", "d", "h", "s"].map((tag) =>
      [{ [tag]: undefined }, `the signature has no ${tag}=`] as const
    ),
    [{ a: "rsa-sha1" }, "rsa-sha1 no longer proves anything (RFC 8301)"],
    [{ a: "rsa-sha512" }, "the algorithm (a=) is unknown"],
    [{ a: "" }, "the algorithm (a=) is unknown"],
    [{ c: "nofws" }, "the canonicalization (c=) is unknown"],
    [{ c: "" }, "the canonicalization (c=) is unknown"],
    [{ c: "relaxed/" }, "the canonicalization (c=) is unknown"],
    [{ c: "relaxed/simple/simple" }, "the canonicalization (c=) is unknown"],
    [{ q: "http" }, "the key is not in DNS (q=)"],
    ...[
      "",
      "org",
      "example..org",
      "-a.org",
      ".example.org",
      "example.org.",
      "a b.org",
      "[192.0.2.1]",
      `${"a".repeat(64)}.org`,
    ]
      .map((d) => [{ d }, "the domain (d=) is none"] as const),
    ...["", "a..b", "a/b", "*", "a b"].map((s) => [{ s }, "the selector (s=) is none"] as const),
    [{ s: `${"abcdefg.".repeat(29)}x` }, "domain and selector are too long"],
    [{ h: "To:Subject" }, "From is not signed (h=)"],
    ...["", "From:", ":From", "From::To", "From:T o", "From:T\u00e4"].map((h) =>
      [
        { h },
        h === "From:T\u00e4" ? "the signature is no list of tags" : "h= cannot be read",
      ] as const
    ),
    [{ h: `From${":x".repeat(512)}` }, "too many fields are signed (h=)"],
    ...[
      "",
      "x",
      "QUJD",
      `${HASH}A`,
      HASH.replace("U=", "V="),
      HASH.replace("=", ""),
      "*".repeat(44),
    ]
      .map((bh) => [{ bh }, "the body hash (bh=) is none"] as const),
    ...["", "QUJD*", "QQ", "QR=="].map((b) => [{ b }, "b= is no signature"] as const),
    ...["", "-1", "1.5", "1e3", "0x10", "9".repeat(77)].map((l) =>
      [{ l }, "l= is no number"] as const
    ),
    [{ t: "now" }, "t= is no time"],
    [{ x: "" }, "x= is no time"],
    [{ t: "10", x: "9" }, "the signature expired before it was made (x=)"],
    ...["ann", "", "@", "ann@", `${"a".repeat(600)}@example.org`].map((i) =>
      [{ i }, "the identity (i=) cannot be read"] as const
    ),
    [{ i: "@example.com" }, "the identity (i=) is not of the domain that signs (d=)"],
  ];
  for (const [tags, fault] of faults) assertEquals(faultOf(tags), fault, JSON.stringify(tags));
  for (const text of ["v=1; v=1", "v", " v=1; 1=2", "\x01=", "a=\xff"]) {
    assertEquals(read(text).signature, { fault: "the signature is no list of tags" });
  }
});

Deno.test("parseDkimSignature() forgives case, white space and tags it does not know", () => {
  for (
    const tags of [
      { q: "http : dns/txt" },
      { q: "DNS/TXT" },
      { a: "RSA-SHA256" },
      { h: " \r\n From :\tTo" },
      { bh: HASH.replace("HBSa", "HB\r\n\t Sa ") },
      { d: "EXAMPLE.org" },
      { s: "a_b.c-d" },
      { zz: "unknown" },
      { l: "0" },
      { x: "9".repeat(76) },
    ]
  ) assertEquals(faultOf(tags), null, JSON.stringify(tags));
});

Deno.test("readClaims() tells what can be read of a signature that cannot be used", () => {
  assertEquals(readTags({ a: "rsa-sha1", b: "QUJDREVGR0g" }).claims, {
    domain: "example.org",
    selector: "s",
    identity: "@example.org",
    algorithm: "rsa-sha1",
    signature: "QUJDREVG",
  });
  assertEquals(readTags({ a: 'x" y', d: "a b", s: "\r\n x", b: '12"', i: "a@b.org" }).claims, {
    domain: null,
    selector: "x",
    identity: null,
    algorithm: null,
    signature: null,
  });
  assertEquals(Object.values(read("no list").claims), [null, null, null, null, null]);
});

Deno.test("withoutSignature() takes out the value of b= and nothing else", () => {
  const forms: readonly (readonly [before: string, after: string])[] = [
    ["X: b=AB==\r\n", "X: b=\r\n"],
    ["X:b=A;c=d\r\n", "X:b=;c=d\r\n"],
    ["X: a=b; b\t = A\r\n\tB \r\n C ; bh=D;\r\n", "X: a=b; b\t =; bh=D;\r\n"],
    ["X: a=1;\r\n b\r\n =\r\n A\r\n \r\n", "X: a=1;\r\n b\r\n =\r\n"],
    ["X: bh=b=A; B=C; xb=D; b=\r\n", "X: bh=b=A; B=C; xb=D; b=\r\n"],
    ["X: a=b\r\n", "X: a=b\r\n"],
    ["X: b c=A\r\n", "X: b c=A\r\n"],
    ["X: b=A", "X: b="],
    ["X: b=\r\n", "X: b=\r\n"],
    ["b=A\r\n", "b=\r\n"],
    ["", ""],
    [":", ":"],
    ["X: b", "X: b"],
  ];
  for (const [before, after] of forms) {
    assertEquals(decode(withoutSignature({ name: "X", raw: latin1(before) })), after, before);
  }
});

Deno.test("withoutSignature() leaves what parseSignatureTags() reads as the same tags with an empty b=", () => {
  const tag = fc.tuple(
    fc.constantFrom("a", "b", "bh", "B", " b ", "\r\n\tb", "x"),
    fc.string({ unit: fc.constantFrom(..."bB=A \t:"), maxLength: 8 }),
  );
  fc.assert(fc.property(fc.array(tag, { maxLength: 6 }), (list) => {
    const raw = latin1(`X:${list.map(([name, value]) => `${name}=${value}`).join(";")}\r\n`);
    const tags = parseSignatureTags({ name: "X", raw });
    fc.pre(tags !== null);
    const left = parseSignatureTags({ name: "X", raw: withoutSignature({ name: "X", raw }) });
    assertEquals([...left!], [...tags].map(([name, value]) => [name, name === "b" ? "" : value]));
  }));
});
