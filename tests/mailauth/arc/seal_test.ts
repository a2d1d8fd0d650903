import { assertEquals, assertRejects } from "@std/assert";
import { decode } from "../../../src/bytes.ts";
import { ownResults } from "../../../src/mailauth/arc/own_results.ts";
import { namesToSeal, sealArc } from "../../../src/mailauth/arc/seal.ts";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { fieldValue, makeField } from "../../../src/message/header.ts";
import { makeKey, NOW, PLAIN, shared, TestMessage } from "./chains.ts";

/** The fields on top of a message, by their names. */
function set(message: TestMessage): string[] {
  return message.fields.slice(0, 3).map((field) => `${field.name}: ${fieldValue(field)}`);
}

Deno.test("sealArc() puts the instance first, and folds lines at 78 columns", async () => {
  const { key } = await makeKey("rsa");
  const results = "mx.one.example;\n\tspf=pass smtp.mailfrom=ann@author.example;\n\t" +
    "dmarc=pass (p=reject) header.from=author.example";
  const { fields } = await PLAIN.sealed("one.example", { key, results });
  const [seal, signature, recorded] = fields.slice(0, 3).map(({ raw }) => decode(raw));
  for (const field of [seal!, signature!, recorded!]) {
    assertEquals(field.split("\r\n").filter((line) => line.length > 78), []);
  }
  assertEquals(
    seal!.split("\r\n")[0],
    "ARC-Seal: i=1; a=rsa-sha256; d=one.example; s=s; t=1700000000; cv=none;",
  );
  assertEquals(signature!.split("\r\n").slice(0, 3), [
    "ARC-Message-Signature: i=1; a=rsa-sha256; d=one.example; s=s; t=1700000000;",
    " c=relaxed/relaxed; h=from:to:cc:subject:reply-to:date:message-id:from:to:",
    // printf 'Good news.\r\n' | openssl dgst -sha256 -binary | base64
    " subject:date:message-id; bh=5F2+lIHPtbhIngUv9X06ZBG69KDsOeBbQWnB24mXqsw=;",
  ]);
  assertEquals(recorded!.split("\r\n"), [
    "ARC-Authentication-Results: i=1; mx.one.example;",
    "\tspf=pass smtp.mailfrom=ann@author.example;",
    "\tdmarc=pass (p=reject) header.from=author.example",
    "",
  ]);
});

Deno.test("namesToSeal() covers DKIM-Signatures, and no results and seals", () => {
  const fields = [
    makeField("ARC-Seal", "i=1"),
    makeField("Authentication-Results", "mx; none"),
    makeField("DKIM-Signature", "v=1"),
    makeField("DKIM-Signature", "v=1"),
    ...PLAIN.fields,
  ];
  const names = namesToSeal(fields);
  assertEquals(names.filter((name) => name === "dkim-signature").length, 2);
  assertEquals(names.filter((name) => /^arc|results/.test(name)), []);
  const many = namesToSeal(new Array(500).fill(fields[2]));
  assertEquals(many.filter((name) => name === "dkim-signature").length, 16);
});

Deno.test("sealArc() seals a chain that failed once, over its own set alone", async () => {
  const once = (await PLAIN.sealed("one.example")).edited((head) => head.replace("News", "Lies"));
  const twice = await once.sealed("two.example", { cv: "fail" });
  assertEquals(set(twice).map((line) => /(i=\d)/.exec(line)?.[1]), ["i=2", "i=2", "i=2"]);
  assertEquals(/cv=(\w+)/.exec(set(twice)[0]!)?.[1], "fail");
  assertEquals((await twice.verified()).result, "fail");
  // RFC 8617 §5.1.2: what was there before changes nothing.
  const alone = new TestMessage(
    once.fields.map((field) =>
      field.name === "ARC-Seal" ? makeField("ARC-Seal", "i=1; cv=none; b=x") : field
    ),
  );
  const same = await alone.sealed("two.example", { cv: "fail" });
  assertEquals(set(same), set(twice));
  const thrice = await twice.sealed("three.example", { cv: "fail" });
  assertEquals(thrice.fields.length, twice.fields.length);
});

Deno.test("sealArc() says fail of a chain that is broken to see, whatever it is told", async () => {
  const broken = new TestMessage([makeField("ARC-Seal", "i=7; cv=pass"), ...PLAIN.fields]);
  const sealed = await broken.sealed("one.example", { cv: "pass" });
  assertEquals(/i=(\d+).*cv=(\w+)/.exec(set(sealed)[0]!)?.slice(1), ["8", "fail"]);
});

Deno.test("sealArc() seals nothing where nobody looked at the chain", async () => {
  const once = await PLAIN.sealed("one.example");
  const twice = await once.sealed("two.example", { cv: "none" });
  assertEquals(twice.fields.length, once.fields.length);
});

Deno.test("sealArc() says none of a message without a chain, whatever it is told", async () => {
  const sealed = await PLAIN.sealed("one.example", { cv: "fail" });
  assertEquals(/cv=(\w+)/.exec(set(sealed)[0]!)?.[1], "none");
  assertEquals((await sealed.verified()).result, "pass");
});

Deno.test("sealArc() makes one field of whatever results it is given", async () => {
  const results = 'mx.one.example; x=pass reason="a\r\nBcc: b@c.example\r\n\r\nbody"';
  const sealed = await PLAIN.sealed("one.example", { results });
  const again = new TestMessage(sealed.head);
  assertEquals(again.fields.map(({ name }) => name), sealed.fields.map(({ name }) => name));
  assertEquals((await again.verified()).result, "pass");
});

Deno.test("sealArc() refuses options that no signature can have", async () => {
  const hashes = new BodyHashes();
  const [relaxed, simple, part] = [
    hashes.want("relaxed", null),
    hashes.want("simple", null),
    hashes.want("relaxed", 0),
  ];
  hashes.end();
  const good = { results: "mx; none", domain: "d.example", selector: "s", key: shared.key };
  const options = { ...good, cv: "none", now: NOW } as const;
  await sealArc(PLAIN.fields, relaxed, options);
  for (const hash of [simple, part]) {
    await assertRejects(() => sealArc(PLAIN.fields, hash, options), TypeError, "not the hash");
  }
  for (const bad of [{ domain: "a;b" }, { domain: "" }, { selector: "a b" }, { names: ["a;b"] }]) {
    await assertRejects(() => sealArc(PLAIN.fields, relaxed, { ...options, ...bad }), TypeError);
  }
});

Deno.test("ownResults() splits fields where results end, and nowhere else", () => {
  const value = 'MX.example (a;b) 1; dkim=pass (c;d\\)) reason="e;f\\"g"; spf=pass;';
  assertEquals(ownResults([makeField("Authentication-Results", value)], "mx.example"), {
    value: 'mx.example;\n\tdkim=pass (c;d\\)) reason="e;f\\"g";\n\tspf=pass',
    arc: null,
  });
  assertEquals(ownResults([makeField("Authentication-Results", "mx; none")], "mx"), {
    value: "mx;\n\tnone",
    arc: null,
  });
  assertEquals(ownResults([makeField("Authentication-Results", "mx; spf")], "mx"), null);
  assertEquals(ownResults(PLAIN.fields, "mx"), null);
});

Deno.test("ownResults() goes by what the uppermost field says of a chain", () => {
  const fields = ["mx; spf=pass", "mx; arc=fail", "mx; arc=pass", "other; arc=none"]
    .map((value) => makeField("Authentication-Results", value));
  assertEquals(ownResults(fields, "mx")?.arc, "fail");
});
