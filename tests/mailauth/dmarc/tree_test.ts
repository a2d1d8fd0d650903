import { assertEquals } from "@std/assert";
import { PolicyRecords, treeTargets, walkTree } from "../../../src/mailauth/dmarc/tree.ts";
import { MemoryResolver } from "../../../src/runtime/memory_resolver.ts";

function resolverOf(records: Record<string, string | readonly string[]>): MemoryResolver {
  const resolver = new MemoryResolver();
  for (const [domain, texts] of Object.entries(records)) {
    resolver.set(`_dmarc.${domain}`, { txt: [texts].flat() });
  }
  return resolver;
}

async function organizationOf(domain: string, resolver: MemoryResolver): Promise<string> {
  const walk = await walkTree(new PolicyRecords(resolver), domain);
  return walk.status === "done" ? walk.organization : `failed: ${walk.reason}`;
}

Deno.test("treeTargets() are the eight of RFC 9989 §4.10's example", () => {
  assertEquals(treeTargets("a.b.c.d.e.f.g.h.i.j.mail.example.com"), [
    "a.b.c.d.e.f.g.h.i.j.mail.example.com",
    "g.h.i.j.mail.example.com",
    "h.i.j.mail.example.com",
    "i.j.mail.example.com",
    "j.mail.example.com",
    "mail.example.com",
    "example.com",
    "com",
  ]);
});

Deno.test("treeTargets() are those of RFC 9989 §5.1.7: a zone cut too deep is never seen", () => {
  assertEquals(treeTargets("mail.a.b.c.d.e.f.g.example.com"), [
    "mail.a.b.c.d.e.f.g.example.com",
    "c.d.e.f.g.example.com",
    "d.e.f.g.example.com",
    "e.f.g.example.com",
    "f.g.example.com",
    "g.example.com",
    "example.com",
    "com",
  ]);
});

Deno.test("treeTargets() are eight at most, whatever the name", () => {
  assertEquals(treeTargets("com"), ["com"]);
  assertEquals(treeTargets("a.b.c.d.e.f.g.h").length, 8);
  assertEquals(treeTargets("a.b.c.d.e.f.g.h")[1], "b.c.d.e.f.g.h");
  assertEquals(treeTargets("x.".repeat(120) + "com").length, 8);
});

Deno.test("walkTree() finds the organizational domains of RFC 9989 §4.10.2", async () => {
  const one = resolverOf({ "mail.example.com": "v=DMARC1", "example.com": "v=DMARC1" });
  assertEquals(await organizationOf("a.mail.example.com", one), "example.com");
  const two = resolverOf({ "mail.example.com": "v=DMARC1; psd=n", "example.com": "v=DMARC1" });
  assertEquals(await organizationOf("a.mail.example.com", two), "mail.example.com");
  const three = resolverOf({ "com": "v=DMARC1; psd=y" });
  assertEquals(await organizationOf("a.mail.example.com", three), "example.com");
  const none = resolverOf({});
  assertEquals(await organizationOf("a.mail.example.com", none), "a.mail.example.com");
});

Deno.test("walkTree() finds those below a public suffix with a policy (RFC 9989 Appendix B.4.3)", async () => {
  const resolver = resolverOf({
    "bank.example": "v=DMARC1; p=reject; psd=y",
    "giant.bank.example": "v=DMARC1; p=quarantine",
  });
  assertEquals(await organizationOf("giant.bank.example", resolver), "giant.bank.example");
  assertEquals(await organizationOf("mail.giant.bank.example", resolver), "giant.bank.example");
  assertEquals(await organizationOf("mail.mega.bank.example", resolver), "mega.bank.example");
  assertEquals(await organizationOf("bank.example", resolver), "bank.example");
});

Deno.test("walkTree() discards several records of one name, and what is no record", async () => {
  const resolver = resolverOf({
    // Were the first of them taken, or the last, it would end the walk.
    "mail.example.com": ["v=DMARC1; p=reject; psd=n", "v=DMARC1; p=none; psd=n"],
    "example.com": ["v=spf1 -all", "v=DMARC1; p=none"],
    "com": "hello",
  });
  assertEquals(await organizationOf("mail.example.com", resolver), "example.com");
});

Deno.test("walkTree() asks nothing above a record with psd=n", async () => {
  const resolver = resolverOf({ "mail.example.com": "v=DMARC1; psd=n" });
  assertEquals(await organizationOf("mail.example.com", resolver), "mail.example.com");
  assertEquals([...resolver.questions.keys()], ["txt _dmarc.mail.example.com"]);
});

Deno.test("walkTree() fails where the answer that fails may be the one that counts, and only there", async () => {
  const resolver = resolverOf({ "mail.example.com": "v=DMARC1; psd=n", "example.com": "v=DMARC1" });
  resolver.failures.set("txt _dmarc.com", "servfail");
  assertEquals(
    await organizationOf("a.example.com", resolver),
    "failed: DNS gives no answer about _dmarc.com: servfail",
  );
  assertEquals(await organizationOf("a.mail.example.com", resolver), "mail.example.com");
});

Deno.test("PolicyRecords ask each name once, and 64 at most", async () => {
  const resolver = resolverOf({});
  const records = new PolicyRecords(resolver);
  for (let i = 0; i < 100; i++) await records.at(`d${i}.example`);
  assertEquals((await records.at("d0.example")).status, "known");
  assertEquals((await records.at("d99.example")).status, "failed");
  assertEquals(resolver.questions.size, 64);
});
