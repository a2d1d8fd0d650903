import { assertEquals } from "@std/assert";
import { concat, encode } from "../../../src/bytes.ts";
import { formatTags } from "../../../src/mailauth/arc/seal_field.ts";
import { sealingSet } from "../../../src/mailauth/arc/seal_input.ts";
import { ArcVerifier } from "../../../src/mailauth/arc/verify.ts";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import type { DnsAnswer } from "../../../src/runtime/resolver.ts";
import { CountingResolver, makeKey, NOW, PLAIN, shared, TestMessage } from "./chains.ts";

const FAILED: DnsAnswer<string> = { status: "failed", reason: "servfail" };

Deno.test("verifyArc() asks nothing of a message without a chain", async () => {
  const resolver = new CountingResolver();
  assertEquals(await PLAIN.verified(resolver), { result: "none", sets: [] });
  assertEquals(resolver.asked, []);
});

Deno.test("ArcVerifier needs no body, and no hash of one, where there is no chain", async () => {
  const hashes = new BodyHashes();
  const verifier = new ArcVerifier(PLAIN.fields, hashes, {
    resolver: new CountingResolver(),
    now: NOW,
  });
  assertEquals(verifier.sealed, false);
  assertEquals((await verifier.finish()).result, "none");
});

Deno.test("verifyArc() passes chains of several stations, and tells what each said", async () => {
  const once = await PLAIN.sealed("one.example");
  const twice = await once.sealed("two.example", { results: "mx.two.example; arc=pass (i=1)" });
  const resolver = new CountingResolver();
  assertEquals(await twice.verified(resolver), {
    result: "pass",
    sets: [
      {
        instance: 1,
        domain: "one.example",
        selector: "s",
        amsDomain: "one.example",
        authenticationResults: "mx.one.example; dmarc=pass header.from=author.example",
      },
      {
        instance: 2,
        domain: "two.example",
        selector: "s",
        amsDomain: "two.example",
        authenticationResults: "mx.two.example; arc=pass (i=1)",
      },
    ],
    oldestPass: 0,
    boundToMessage: true,
  });
  assertEquals(resolver.asked, ["s._domainkey.two.example", "s._domainkey.one.example"]);
});

Deno.test("verifyArc() passes what RSA has sealed", async () => {
  const { key, record } = await makeKey("rsa");
  const answer: DnsAnswer<string> = { status: "found", records: [record] };
  const sealed = await PLAIN.sealed("one.example", { key });
  const resolver = new CountingResolver({ "s._domainkey.one.example": answer });
  assertEquals((await sealed.verified(resolver)).result, "pass");
});

Deno.test("verifyArc() tells from which station on the message has not changed", async () => {
  const once = await PLAIN.sealed("list.example");
  const changed = once.edited((head) => head.replace("News", "[list] News"));
  const twice = await changed.sealed("list.example");
  const thrice = await twice.sealed("three.example");
  const { result, oldestPass } = await thrice.verified();
  assertEquals([result, oldestPass], ["pass", 2]);
});

Deno.test("verifyArc() looks no further back where that would cost another question", async () => {
  // The message was signed with another key than the set was sealed with, which is allowed.
  const [, signature, results] = (await PLAIN.sealed("other.example")).fields;
  const tags = [
    ...[["i", "1"], ["a", "ed25519-sha256"], ["cv", "none"]] as const,
    ...[["d", "one.example"], ["s", "s"]] as const,
  ];
  const seal = (b: string) => ({
    name: "ARC-Seal",
    raw: encode(`${formatTags("ARC-Seal", tags, b, "usual")}\r\n`),
  });
  const set = { results: results!, signature: signature!, seal: seal("") };
  const b = (await shared.key.sign(concat(sealingSet(set)))).toBase64();
  const once = new TestMessage([seal(b), signature!, results!, ...PLAIN.fields]);
  assertEquals((await once.verified()).oldestPass, 0);
  const resolver = new CountingResolver();
  const { result, oldestPass, sets } = await (await once.sealed("two.example")).verified(resolver);
  assertEquals([result, oldestPass], ["pass", 2]);
  assertEquals(sets[0]?.amsDomain, "other.example");
  assertEquals(resolver.asked, ["s._domainkey.two.example", "s._domainkey.one.example"]);
});

Deno.test("verifyArc() fails a message that has changed since the last seal", async () => {
  const sealed = await (await PLAIN.sealed("one.example")).sealed("two.example");
  const subject = sealed.edited((head) => head.replace("News", "Lies"));
  assertEquals(await subject.verified(), {
    result: "fail",
    reason: "the ARC-Message-Signature 2 is not of this head",
    sets: [],
  });
  const added = sealed.edited((head) => `From: eve@evil.example\r\n${head}`);
  assertEquals((await added.verified()).result, "fail");
  const resolver = new CountingResolver({ "s._domainkey.one.example": FAILED });
  const body = new TestMessage(sealed.fields, "Bad news.\r\n");
  assertEquals(await body.verified(resolver), {
    result: "fail",
    reason: "the body is not the one that the ARC-Message-Signature 2 signed",
    sets: [],
  });
});

Deno.test("verifyArc() fails chains whose sets have changed", async () => {
  const sealed = await (await PLAIN.sealed("one.example")).sealed("two.example");
  const results = sealed.edited((head) =>
    head.replace(/(i=1; mx\.one\.example; dmarc=)pass/, "$1none")
  );
  assertEquals((await results.verified()).reason, "the ARC-Seal 2 is not true");
  const removed = new TestMessage(sealed.fields.filter((_, index) => index > 2));
  assertEquals((await removed.verified()).result, "pass");
  const oldest = new TestMessage(sealed.fields.filter((_, index) => index < 3 || index > 5));
  assertEquals(
    (await oldest.verified()).reason,
    "the ARC set 1 has no ARC-Authentication-Results",
  );
});

Deno.test("verifyArc() says temperror where DNS fails and nothing else is wrong", async () => {
  const sealed = await (await PLAIN.sealed("one.example")).sealed("two.example");
  for (const domain of ["one.example", "two.example"]) {
    const resolver = new CountingResolver({ [`s._domainkey.${domain}`]: FAILED });
    const { result, reason, sets } = await sealed.verified(resolver);
    assertEquals(result, "temperror");
    assertEquals(reason, `DNS failed for s._domainkey.${domain}: servfail`);
    assertEquals(sets, []);
  }
  const resolver = new CountingResolver({
    "s._domainkey.two.example": FAILED,
    "s._domainkey.one.example": { status: "none", reason: "nxdomain" },
  });
  assertEquals((await sealed.verified(resolver)).result, "fail");
});

Deno.test("verifyArc() takes an expired signature for none", async () => {
  const sealed = await PLAIN.sealed("one.example");
  const expiring = sealed.edited((head) =>
    head.replace(/(ARC-Message-Signature: i=1;)/, "$1 x=1700000001;")
  );
  assertEquals(
    (await expiring.verified(undefined, NOW + 2000)).reason,
    "the newest ARC-Message-Signature has expired",
  );
});

Deno.test("verifyArc() asks for each key once, and for a few at once", async () => {
  let message = PLAIN;
  for (let hop = 0; hop < 30; hop++) {
    message = await message.sealed(`${hop < 15 ? "same" : `hop${hop}`}.example`);
  }
  const resolver = new CountingResolver();
  assertEquals((await message.verified(resolver)).result, "pass");
  assertEquals(resolver.asked.length, 16);
  assertEquals(new Set(resolver.asked).size, 16);
  assertEquals(resolver.most, 8);
});

Deno.test("verifyArc() passes fifty sets; a fifty-first is not made, and fails unasked", async () => {
  let message = PLAIN;
  for (let hop = 0; hop < 50; hop++) message = await message.sealed("loop.example");
  const { result, sets, oldestPass } = await message.verified();
  assertEquals([result, sets.length], ["pass", 50]);
  // Ten signatures of the message are looked at.
  assertEquals(oldestPass, 41);
  const more = await message.sealed("loop.example");
  assertEquals(more.fields.length, message.fields.length);
  const resolver = new CountingResolver();
  const forged = message.edited((head) => head.replaceAll("i=50;", "i=51;"));
  assertEquals(await forged.verified(resolver), {
    result: "fail",
    reason: "there are more than 50 ARC sets",
    sets: [],
  });
  const endless = message.edited((head) => head + "ARC-Seal: i=7; cv=pass\r\n".repeat(1000));
  assertEquals((await endless.verified(resolver)).reason, "there are more than 50 ARC sets");
  assertEquals(resolver.asked, []);
});

Deno.test("verifyArc() tells whether the message is bound to its newest signature", async () => {
  const loose = await PLAIN.sealed("one.example", { names: ["subject"] });
  const { result, boundToMessage } = await loose.verified();
  assertEquals([result, boundToMessage], ["pass", false]);
  const single = await PLAIN.sealed("one.example", { names: ["from"] });
  assertEquals((await single.verified()).boundToMessage, true);
  const doubled = single.edited((head) => `From: eve@evil.example\r\n${head}`);
  assertEquals((await doubled.verified()).boundToMessage, false);
});

Deno.test("ArcVerifier asks while the body comes, and gives up in time", async () => {
  const sealed = await PLAIN.sealed("one.example");
  const { clock } = memoryRuntime();
  const hashes = new BodyHashes();
  const asked: string[] = [];
  const resolver = {
    txt: (name: string, signal?: AbortSignal): Promise<DnsAnswer<string>> => {
      asked.push(name);
      return new Promise((resolve) =>
        signal!.addEventListener("abort", () => resolve({ status: "failed", reason: "late" }))
      );
    },
  };
  const options = { resolver, now: NOW, clock, keyTimeout: 5000 };
  const verifier = new ArcVerifier(sealed.fields, hashes, options);
  assertEquals(asked, ["s._domainkey.one.example"]);
  hashes.write(encode(sealed.body));
  hashes.end();
  const start = clock.now();
  assertEquals((await clock.runUntil(verifier.finish())).result, "temperror");
  assertEquals(clock.now() - start, 5000);
});

/** What a stranger may put there instead of a set. */
const BROKEN: readonly [string, (head: string) => string, string][] = [
  ["an instance of 0", (head) => head.replaceAll("i=1;", "i=0;"), "ARC-Seal has no instance (i=)"],
  [
    "a gap",
    (head) => head.replaceAll("i=1;", "i=2;"),
    "the ARC set 1 has no ARC-Authentication-Results",
  ],
  [
    "a seal twice",
    (head) => `ARC-Seal: i=1; cv=none\r\n${head}`,
    "the ARC set 1 has ARC-Seal twice",
  ],
  [
    "a first seal that says pass",
    (head) => head.replace("cv=none", "cv=pass"),
    "the ARC-Seal 1 does not say cv=none",
  ],
  [
    "a seal that says fail",
    (head) => head.replace("cv=none", "cv=fail"),
    "the newest ARC-Seal says that the chain was broken (cv=fail)",
  ],
  [
    "a seal with h=",
    (head) => head.replace("cv=none", "cv=none; h=from"),
    "the ARC-Seal names fields (h=)",
  ],
  [
    "a seal without a domain",
    (head) =>
      head.replace(/(cv=none;[^]*?) b=/, "$1 b=").replace(/(ARC-Seal: [^]*?)d=one\.example;/, "$1"),
    "the domain of the ARC-Seal (d=) is none",
  ],
  [
    "a signature over a seal",
    (head) => head.replace("h=from:", "h=arc-seal:from:"),
    "the signature covers ARC-Seal (h=)",
  ],
  [
    "octets that are no text",
    (head) => head.replace("ARC-Seal: ", "ARC-Seal: \x01"),
    "ARC-Seal has no instance (i=)",
  ],
];

for (const [what, edit, reason] of BROKEN) {
  Deno.test(`verifyArc() fails a chain with ${what}, and asks nothing`, async () => {
    const sealed = await PLAIN.sealed("one.example");
    const resolver = new CountingResolver();
    assertEquals(await sealed.edited(edit).verified(resolver), {
      result: "fail",
      reason,
      sets: [],
    });
    assertEquals(resolver.asked, []);
  });
}
