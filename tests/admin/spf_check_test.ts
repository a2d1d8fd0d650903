import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { checkSpf } from "../../src/admin/spf_check.ts";
import { parseSpf } from "../../src/admin/spf_record.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";
import type { DnsNameRecords } from "../../src/runtime/dns_zones.ts";

/** RFC 7208 Appendix A: the zone of example.com and others. */
const RFC: Record<string, DnsNameRecords> = {
  "example.com": {
    mx: ["10 mail-a.example.com", "20 mail-b.example.com"],
    a: ["192.0.2.10", "192.0.2.11"],
  },
  "mail-a.example.com": { a: ["192.0.2.129"] },
  "mail-b.example.com": { a: ["192.0.2.130"] },
  "mail-c.example.org": { a: ["192.0.2.140"] },
  "example.org": { mx: ["10 mail-c.example.org"] },
};

function world(zones: Record<string, DnsNameRecords>): MemoryResolver {
  const resolver = new MemoryResolver();
  for (const [name, records] of Object.entries(zones)) resolver.set(name, records);
  return resolver;
}

async function resultOf(record: string, ip: string, more: Record<string, DnsNameRecords> = {}) {
  const resolver = world({ ...RFC, ...more });
  resolver.set("example.com", { ...RFC["example.com"], txt: [record, "other text"] });
  return (await checkSpf(resolver, "example.com", ip)).result;
}

Deno.test("checkSpf() says what RFC 7208 Appendix A.1 does", async () => {
  const cases: [string, string[], string[]][] = [
    ["v=spf1 +all", ["192.0.2.1", "2001:db8::1"], []],
    ["v=spf1 a -all", ["192.0.2.10", "192.0.2.11"], ["192.0.2.129"]],
    ["v=spf1 a:example.org -all", [], ["192.0.2.10", "192.0.2.140"]],
    ["v=spf1 mx -all", ["192.0.2.129", "192.0.2.130"], ["192.0.2.10"]],
    ["v=spf1 mx:example.org -all", ["192.0.2.140"], ["192.0.2.129"]],
    [
      "v=spf1 mx mx:example.org -all",
      ["192.0.2.129", "192.0.2.130", "192.0.2.140"],
      ["192.0.2.10"],
    ],
    ["v=spf1 mx/30 mx:example.org/30 -all", ["192.0.2.131", "192.0.2.143"], ["192.0.2.132"]],
    ["v=spf1 ip4:192.0.2.128/28 -all", ["192.0.2.140"], ["192.0.2.65"]],
  ];
  for (const [record, pass, fail] of cases) {
    for (const ip of pass) assertEquals(await resultOf(record, ip), "pass", `${record} ${ip}`);
    for (const ip of fail) assertEquals(await resultOf(record, ip), "fail", `${record} ${ip}`);
  }
});

Deno.test("checkSpf() follows include and redirect (RFC 7208 §5.2, §6.1)", async () => {
  const more = {
    "_spf.example.net": { txt: ["v=spf1 ip6:2001:db8::/32 ?all"] },
    "no.example.net": { a: ["192.0.2.1"] },
  };
  const of = (record: string, ip: string) => resultOf(record, ip, more);
  assertEquals(await of("v=spf1 include:_spf.example.net ~all", "2001:db8::25"), "pass");
  // What is not a pass there does not match here.
  assertEquals(await of("v=spf1 include:_spf.example.net ~all", "192.0.2.1"), "softfail");
  assertEquals(await of("v=spf1 redirect=_spf.example.net", "192.0.2.1"), "neutral");
  assertEquals(await of("v=spf1 -all redirect=_spf.example.net", "2001:db8::25"), "fail");
  assertEquals(await of("v=spf1 include:no.example.net -all", "192.0.2.1"), "permerror");
  assertEquals(await of("v=spf1 redirect=no.example.net", "192.0.2.1"), "permerror");
  assertEquals(await of("v=spf1 mx", "192.0.2.1"), "neutral");
});

Deno.test("checkSpf() stops after ten questions (RFC 7208 §4.6.4), and in a loop", async () => {
  const chain: Record<string, DnsNameRecords> = {};
  for (let i = 0; i < 12; i++) {
    chain[`s${i}.test`] = { txt: [`v=spf1 include:s${i + 1}.test -all`] };
  }
  chain["s12.test"] = { txt: ["v=spf1 +all"] };
  const resolver = world({ ...chain, "loop.test": { txt: ["v=spf1 include:loop.test -all"] } });
  assertEquals((await checkSpf(resolver, "s2.test", "192.0.2.1")).result, "pass");
  assertEquals((await checkSpf(resolver, "s1.test", "192.0.2.1")).result, "permerror");
  assertEquals((await checkSpf(resolver, "loop.test", "192.0.2.1")).result, "permerror");
  assert((resolver.questions.get("txt loop.test") ?? 0) <= 11);
});

Deno.test("checkSpf() tells no record, two records, no answer and macros apart", async () => {
  const resolver = world({
    "none.test": { txt: ["v=spf10 +all", "v=spf1-all"] },
    "two.test": { txt: ["v=spf1 -all", "V=SPF1 +all"] },
    "ill.test": { txt: ["v=spf1 a:down.test -all"] },
    "macro.test": { txt: ["v=spf1 exists:%{i}._spf.test -all"] },
    "void.test": { txt: ["v=spf1 a:n1.test a:n2.test a:n3.test +all"] },
  });
  resolver.failures.set("down.test", "servfail");
  const of = async (domain: string) => (await checkSpf(resolver, domain, "192.0.2.1")).result;
  assertEquals(await of("none.test"), "none");
  assertEquals(await of("two.test"), "permerror");
  assertEquals(await of("ill.test"), "temperror");
  assertEquals(await of("macro.test"), "unclear");
  assertEquals(await of("void.test"), "permerror");
});

Deno.test("parseSpf() refuses what RFC 7208 §4.6.1 calls a syntax error", () => {
  for (
    const text of [
      "v=spf1 mxx",
      "v=spf1 all:x",
      "v=spf1 ip4:192.0.2",
      "v=spf1 ip4:2001:db8::1",
      "v=spf1 ip4:192.0.2.1/33",
      "v=spf1 ip6:192.0.2.1",
      "v=spf1 a:",
      "v=spf1 a/33",
      "v=spf1 include",
      "v=spf1 include:",
      "v=spf1 redirect=",
      "v=spf1 redirect=a redirect=b",
      "v=spf1 -",
    ]
  ) assertEquals(parseSpf(text).status, "bad", text);
  for (const text of ["v=spf1", "v=spf1  a//64 MX:x.test/24//64 ptr foo=bar exp=x.test -ALL "]) {
    assertEquals(parseSpf(text).status, "record", text);
  }
});

Deno.test("parseSpf() never throws", () => {
  const word = fc.string({
    unit: fc.constantFrom(..."v=spf1 amxip46:/.-~?%{}include0"),
    maxLength: 60,
  });
  fc.assert(fc.property(word, (text) => {
    parseSpf(`v=spf1 ${text}`);
  }));
});
