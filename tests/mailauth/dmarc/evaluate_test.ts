import { assertEquals } from "@std/assert";
import { type DmarcQuery, evaluateDmarc } from "../../../src/mailauth/dmarc/evaluate.ts";
import type { AuthResult } from "../../../src/mailauth/result.ts";
import { MemoryResolver } from "../../../src/runtime/memory_resolver.ts";

function resolverOf(records: Record<string, string>): MemoryResolver {
  const resolver = new MemoryResolver();
  for (const [domain, text] of Object.entries(records)) {
    resolver.set(`_dmarc.${domain}`, { txt: [text] });
  }
  return resolver;
}

function query(
  from: string,
  { spf, dkim = [], result = "pass" }: { spf?: string; dkim?: string[]; result?: AuthResult },
): DmarcQuery {
  return {
    from,
    spf: spf === undefined ? null : { domain: spf, result },
    dkim: dkim.map((domain) => ({ domain, result })),
  };
}

const none = { spf: "example.net" };

Deno.test("evaluateDmarc() aligns SPF as RFC 9989 Appendix B.1.1", async () => {
  const evaluate = async (policy: string, from: string, spf: string) => {
    const resolver = resolverOf({ "example.com": policy });
    return (await evaluateDmarc(query(from, { spf }), { resolver })).spfAligned;
  };
  assertEquals(await evaluate("v=DMARC1; p=reject; aspf=s", "example.com", "example.com"), true);
  assertEquals(await evaluate("v=DMARC1; p=reject", "example.com", "child.example.com"), true);
  assertEquals(
    await evaluate("v=DMARC1; p=reject; aspf=s", "example.com", "child.example.com"),
    false,
  );
  assertEquals(await evaluate("v=DMARC1; p=reject", "child.example.com", "example.net"), false);
});

Deno.test("evaluateDmarc() aligns DKIM as RFC 9989 Appendix B.1.2", async () => {
  const evaluate = async (policy: string, from: string, domain: string) => {
    const resolver = resolverOf({ "example.com": policy });
    return (await evaluateDmarc(query(from, { dkim: [domain] }), { resolver })).dkimAligned;
  };
  assertEquals(await evaluate("v=DMARC1; p=reject; adkim=s", "example.com", "example.com"), true);
  assertEquals(await evaluate("v=DMARC1; p=reject", "child.example.com", "example.com"), true);
  assertEquals(
    await evaluate("v=DMARC1; p=reject; adkim=s", "child.example.com", "example.com"),
    false,
  );
  assertEquals(await evaluate("v=DMARC1; p=reject", "child.example.com", "example.net"), false);
});

Deno.test("evaluateDmarc() passes the mail of RFC 9989 Appendix B.3.1", async () => {
  const resolver = resolverOf({
    "example.com": "v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com",
  });
  const result = await evaluateDmarc(
    query("example.com", { spf: "mail.example.com", dkim: ["example.com"] }),
    { resolver },
  );
  assertEquals([result.result, result.spfAligned, result.dkimAligned], ["pass", true, true]);
  assertEquals([result.requested, result.disposition], ["reject", "none"]);
});

Deno.test("evaluateDmarc() walks as RFC 9989 Appendix B.4.1 and B.4.2", async () => {
  const resolver = resolverOf({
    "example.com": "v=DMARC1; p=reject; sp=quarantine",
    "signing.example.com": "v=DMARC1; p=none",
  });
  const simple = await evaluateDmarc(
    query("example.com", { spf: "example.com", dkim: ["signing.example.com"] }),
    { resolver },
  );
  assertEquals([simple.spfAligned, simple.dkimAligned], [true, true]);
  assertEquals(simple.organization, "example.com");
  const author = "a.b.c.d.e.f.g.h.i.j.k.example.com";
  const deep = await evaluateDmarc(
    query(author, { spf: "example.com", dkim: ["signing.example.com"] }),
    { resolver },
  );
  assertEquals([deep.result, deep.policy?.domain], ["pass", "example.com"]);
  assertEquals([deep.spfAligned, deep.dkimAligned], [true, true]);
  const failing = await evaluateDmarc(query(author, none), { resolver });
  assertEquals([failing.result, failing.disposition], ["fail", "quarantine"]);
});

Deno.test("evaluateDmarc() knows public suffixes as RFC 9989 Appendix B.4.3", async () => {
  const resolver = resolverOf({
    "bank.example": "v=DMARC1; p=reject; psd=y; np=reject; sp=none",
    "giant.bank.example": "v=DMARC1; p=quarantine",
  });
  const evaluate = (from: string, spf: string, dkim: string) =>
    evaluateDmarc(query(from, { spf, dkim: [dkim] }), { resolver });
  const giant = await evaluate(
    "giant.bank.example",
    "mail.giant.bank.example",
    "mail.mega.bank.example",
  );
  assertEquals([giant.result, giant.spfAligned, giant.dkimAligned], ["pass", true, false]);
  // Nothing is published by the owner of mega: the registry's policy counts, and np where there is no such name.
  const made = await evaluate("mega.bank.example", "example.net", "example.net");
  assertEquals([made.policy?.domain, made.disposition], ["bank.example", "reject"]);
  resolver.set("mega.bank.example", { mx: ["10 mx.mega.bank.example"] });
  const real = await evaluate("mega.bank.example", "example.net", "example.net");
  assertEquals([real.policy?.domain, real.disposition], ["bank.example", "none"]);
});

Deno.test("evaluateDmarc() takes p, sp or np as the author's domain is", async () => {
  const resolver = resolverOf({ "example.com": "v=DMARC1; p=none; sp=quarantine; np=reject" });
  resolver.set("real.example.com", { a: ["192.0.2.1"] });
  resolver.set("host.empty.example.com", { a: ["192.0.2.1"] });
  const asked = async (from: string) =>
    (await evaluateDmarc(query(from, none), { resolver })).requested;
  assertEquals(await asked("example.com"), "none");
  assertEquals(await asked("real.example.com"), "quarantine");
  assertEquals(await asked("made-up.example.com"), "reject");
  assertEquals(await asked("empty.example.com"), "quarantine"); // a name below it exists (RFC 8020)
  resolver.failures.set("mx made-up.example.com", "servfail");
  const unknown = await evaluateDmarc(query("made-up.example.com", none), { resolver });
  assertEquals([unknown.result, unknown.disposition], ["temperror", "none"]);
  const passing = query("made-up.example.com", { spf: "example.com" });
  assertEquals((await evaluateDmarc(passing, { resolver })).result, "pass");
});

Deno.test("evaluateDmarc() takes one level less in tests (t=y, and pct=0 of old)", async () => {
  for (const tag of ["t=y", "pct=0"]) {
    const asked = async (p: string) => {
      const resolver = resolverOf({ "example.com": `v=DMARC1; p=${p}; ${tag}` });
      const { result, requested, disposition } = await evaluateDmarc(
        query("example.com", none),
        { resolver },
      );
      return [result, requested, disposition];
    };
    assertEquals(await asked("reject"), ["fail", "reject", "quarantine"]);
    assertEquals(await asked("quarantine"), ["fail", "quarantine", "none"]);
    assertEquals(await asked("none"), ["fail", "none", "none"]);
  }
});

Deno.test("evaluateDmarc() believes no check that did not pass", async () => {
  const resolver = resolverOf({ "example.com": "v=DMARC1; p=reject" });
  const results: AuthResult[] = ["none", "neutral", "fail", "softfail", "policy", "permerror"];
  for (const result of results) {
    const given = query("example.com", { spf: "example.com", dkim: ["example.com"], result });
    assertEquals((await evaluateDmarc(given, { resolver })).result, "fail", result);
  }
});

Deno.test("evaluateDmarc() is temperror where an answer that counts is missing, and only there", async () => {
  const resolver = resolverOf({ "example.com": "v=DMARC1; p=reject" });
  const result = async (given: DmarcQuery) => (await evaluateDmarc(given, { resolver })).result;
  const temperror = { result: "temperror" as const };
  assertEquals(
    await result(query("example.com", { spf: "example.com", ...temperror })),
    "temperror",
  );
  assertEquals(
    await result(query("example.com", { dkim: ["a.example.com"], ...temperror })),
    "temperror",
  );
  assertEquals(await result(query("example.com", { spf: "example.net", ...temperror })), "fail");
  assertEquals(
    await result({
      from: "example.com",
      spf: { domain: "example.com", ...temperror },
      dkim: [{ domain: "example.com", result: "pass" }],
    }),
    "pass",
  );
  resolver.failures.set("txt _dmarc.com", "timeout");
  assertEquals(await result(query("example.com", { dkim: ["example.com"] })), "pass");
  assertEquals(await result(query("example.com", { dkim: ["a.example.com"] })), "temperror");
  assertEquals(await result(query("a.example.com", { dkim: ["a.example.com"] })), "temperror");
  resolver.failures.set("txt _dmarc.example.com", "servfail");
  assertEquals(await result(query("example.com", { dkim: ["example.com"] })), "temperror");
});

Deno.test("evaluateDmarc() is none without a record, and permerror where it says nothing intelligible", async () => {
  const resolver = resolverOf({ "example.com": "v=DMARC1; p=everything" });
  const result = async (from: string) =>
    (await evaluateDmarc(query(from, { spf: from }), { resolver })).result;
  assertEquals(await result("example.com"), "permerror");
  assertEquals(await result("example.net"), "none");
  assertEquals(await result("localhost"), "none");
  assertEquals(await result("x".repeat(250) + ".com"), "none");
});

Deno.test("evaluateDmarc() asks no question for domains that cannot be aligned", async () => {
  const resolver = resolverOf({ "example.com": "v=DMARC1; p=reject" });
  const dkim = Array.from({ length: 10_000 }, (_, i) => `d${i}.example`);
  const given = query("example.com", { spf: "mail.example.net", dkim });
  assertEquals((await evaluateDmarc(given, { resolver })).result, "fail");
  assertEquals([...resolver.questions.keys()], ["txt _dmarc.example.com"]);
});

Deno.test("evaluateDmarc() asks 64 names at most, whatever is signed", async () => {
  const resolver = resolverOf({ "example.com": "v=DMARC1; p=reject; psd=n" });
  resolver.set("_dmarc.example.com", { txt: ["v=DMARC1; p=reject"] });
  const dkim = Array.from({ length: 1000 }, (_, i) => `d${i}.s.example.com`);
  for (const domain of dkim) resolver.set(`_dmarc.${domain}`, { txt: ["v=DMARC1; psd=n"] });
  const result = await evaluateDmarc(query("example.com", { dkim }), { resolver });
  assertEquals(result.result, "temperror");
  assertEquals(resolver.questions.size <= 64, true);
});
