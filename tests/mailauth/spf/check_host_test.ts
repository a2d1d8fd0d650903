import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  checkHost,
  helloQuery,
  mailFromQuery,
  type SpfQuery,
} from "../../../src/mailauth/spf/check_host.ts";
import type { DnsNameRecords } from "../../../src/runtime/dns_zones.ts";
import { MemoryClock } from "../../../src/runtime/memory_clock.ts";
import { MemoryResolver } from "../../../src/runtime/memory_resolver.ts";

/** Any character, halves of pairs among them. */
const ANY = fc.nat(0xffff).map((unit) => String.fromCharCode(unit));

type World = Record<string, DnsNameRecords>;

/** RFC 7208 Appendix A, without the records that are tried on it. */
const RFC: World = {
  "example.com": {
    mx: ["10 mail-a.example.com", "20 mail-b.example.com"],
    a: ["192.0.2.10", "192.0.2.11"],
  },
  "amy.example.com": { a: ["192.0.2.65"] },
  "bob.example.com": { a: ["192.0.2.66"] },
  "mail-a.example.com": { a: ["192.0.2.129"] },
  "mail-b.example.com": { a: ["192.0.2.130"] },
  "www.example.com": { cname: "example.com" },
  "example.org": { mx: ["10 mail-c.example.org"] },
  "mail-c.example.org": { a: ["192.0.2.140"] },
  "10.2.0.192.in-addr.arpa": { ptr: ["example.com"] },
  "11.2.0.192.in-addr.arpa": { ptr: ["example.com"] },
  "65.2.0.192.in-addr.arpa": { ptr: ["amy.example.com"] },
  "66.2.0.192.in-addr.arpa": { ptr: ["bob.example.com"] },
  "129.2.0.192.in-addr.arpa": { ptr: ["mail-a.example.com"] },
  "130.2.0.192.in-addr.arpa": { ptr: ["mail-b.example.com"] },
  "140.2.0.192.in-addr.arpa": { ptr: ["mail-c.example.org"] },
  "4.0.0.10.in-addr.arpa": { ptr: ["bob.example.com"] },
};

function worldOf(zones: World): MemoryResolver {
  const resolver = new MemoryResolver();
  for (const [name, records] of Object.entries(zones)) resolver.set(name, records);
  return resolver;
}

/** A question of mail of an address. */
function mail(address: string, ip = "192.0.2.1", hello = "client.test"): SpfQuery {
  const [local = "", domain = ""] = address.split("@");
  return mailFromQuery({ ip, hello, receiver: "mx.test" }, { local, domain });
}

/** What a record says of mail of `user@example.com`, in the world of the RFC and what else there is. */
async function check(record: string, ip = "192.0.2.1", more: World = {}) {
  const resolver = worldOf({ ...RFC, ...more });
  resolver.set("example.com", { ...RFC["example.com"], txt: [record, "other text"] });
  return await checkHost(mail("user@example.com", ip), { resolver });
}

const resultOf = async (record: string, ip?: string, more?: World) =>
  (await check(record, ip, more)).result;

/** How many questions were asked in all. */
const asked = (resolver: MemoryResolver) =>
  [...resolver.questions.values()].reduce((sum, count) => sum + count, 0);

Deno.test("checkHost() says what RFC 7208 Appendix A.1 does", async () => {
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
    ["v=spf1 ptr -all", ["192.0.2.10", "192.0.2.65"], ["192.0.2.140", "10.0.0.4"]],
    ["v=spf1 ip4:192.0.2.128/28 -all", ["192.0.2.140"], ["192.0.2.65"]],
  ];
  for (const [record, pass, fail] of cases) {
    for (const ip of pass) assertEquals(await resultOf(record, ip), "pass", `${record} ${ip}`);
    for (const ip of fail) assertEquals(await resultOf(record, ip), "fail", `${record} ${ip}`);
  }
});

Deno.test("checkHost() includes and redirects as RFC 7208 Appendix A.2 does", async () => {
  const resolver = worldOf({
    ...RFC,
    "example.com": { ...RFC["example.com"], txt: ["v=spf1 ip4:192.0.2.129 ?all"] },
    "example.net": { txt: ["v=spf1 ip4:203.0.113.0/24 -all"] },
    "example.org": { txt: ["v=spf1 include:example.com include:example.net -all"] },
    "la.example.org": { txt: ["v=spf1 redirect=example.org"] },
  });
  for (const domain of ["example.org", "la.example.org"]) {
    const of = async (ip: string) => await checkHost(mail(`u@${domain}`, ip), { resolver });
    assertEquals(await of("192.0.2.129"), { result: "pass", mechanism: "include:example.com" });
    assertEquals(await of("203.0.113.9"), { result: "pass", mechanism: "include:example.net" });
    assertEquals(await of("192.0.2.130"), { result: "fail", mechanism: "-all" });
  }
});

Deno.test("checkHost() asks per user as RFC 7208 Appendix A.3 does", async () => {
  const resolver = worldOf({
    ...RFC,
    "example.com": {
      ...RFC["example.com"],
      txt: [
        "v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all",
      ],
    },
    "mobile-users._spf.example.com": { txt: ["v=spf1 exists:%{l1r+}.%{d}"] },
    "remote-users._spf.example.com": { txt: ["v=spf1 exists:%{ir}.%{l1r+}.%{d}"] },
    "mary.mobile-users._spf.example.com": { a: ["127.0.0.2"] },
    "fred.mobile-users._spf.example.com": { a: ["127.0.0.2"] },
    "15.15.168.192.joel.remote-users._spf.example.com": { a: ["127.0.0.2"] },
    "16.15.168.192.joel.remote-users._spf.example.com": { a: ["127.0.0.2"] },
  });
  const of = async (local: string, ip: string) =>
    (await checkHost(mail(`${local}@example.com`, ip), { resolver })).result;
  assertEquals(await of("mary", "198.51.100.1"), "pass");
  assertEquals(await of("mary+shop", "198.51.100.1"), "pass");
  assertEquals(await of("joel", "192.168.15.15"), "pass");
  assertEquals(await of("joel", "192.168.15.17"), "fail");
  assertEquals(await of("other", "192.168.15.15"), "fail");
});

Deno.test("checkHost() makes several demands as RFC 7208 Appendix A.4 does", async () => {
  const more = {
    "ip4._spf.example.com": { txt: ["v=spf1 -ip4:192.0.2.0/24 +all"] },
    "ptr._spf.example.com": { txt: ["v=spf1 -ptr:example.com +all"] },
  };
  const record = "v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all";
  assertEquals(await resultOf(record, "192.0.2.65", more), "pass");
  assertEquals(await resultOf(record, "192.0.2.140", more), "fail", "not of example.com");
  assertEquals(await resultOf(record, "10.0.0.4", more), "fail", "not of the network");
});

Deno.test("checkHost() follows include and redirect (RFC 7208 §5.2, §6.1)", async () => {
  const more = {
    "_spf.example.net": { txt: ["v=spf1 ip6:2001:db8::/32 ?all"] },
    "no.example.net": { a: ["192.0.2.1"] },
  };
  const of = (record: string, ip: string) => resultOf(record, ip, more);
  assertEquals(await of("v=spf1 include:_spf.example.net ~all", "2001:db8::25"), "pass");
  assertEquals(await of("v=spf1 include:_spf.example.net ~all", "192.0.2.1"), "softfail");
  assertEquals(await of("v=spf1 redirect=_spf.example.net", "192.0.2.1"), "neutral");
  assertEquals(await of("v=spf1 -all redirect=_spf.example.net", "2001:db8::25"), "fail");
  assertEquals(await of("v=spf1 include:no.example.net -all", "192.0.2.1"), "permerror");
  assertEquals(await of("v=spf1 redirect=no.example.net", "192.0.2.1"), "permerror");
  assertEquals(await of("v=spf1 mx", "192.0.2.1"), "neutral");
});

Deno.test("checkHost() goes by MAIL FROM, and by HELO where that is null (RFC 7208 §2.3, §2.4)", async () => {
  const resolver = worldOf({
    "client.test": { txt: ["v=spf1 exists:%{l}.%{o}.%{h}.users.test -all"] },
    "postmaster.client.test.client.test.users.test": { a: ["127.0.0.2"] },
    "mail.test": { txt: ["v=spf1 -all"] },
  });
  const session = { ip: "192.0.2.1", hello: "client.test" };
  const of = async (query: SpfQuery) => (await checkHost(query, { resolver })).result;
  assertEquals(await of(helloQuery(session)), "pass");
  assertEquals(await of(mailFromQuery(session, null)), "pass");
  assertEquals(await of(mailFromQuery(session, { local: "a", domain: "mail.test" })), "fail");
  assertEquals(await of(mailFromQuery(session, { local: "postmaster", domain: "" })), "pass");
  assertEquals(await of(helloQuery({ ip: "192.0.2.1", hello: null })), "none");
});

Deno.test("checkHost() says none of what has no record, or cannot (RFC 7208 §4.3)", async () => {
  const resolver = worldOf({ "none.test": { txt: ["v=spf10 +all", "v=spf1-all"] } });
  const names = ["none.test", "no-such.test", "test", "", "[192.0.2.1]", "a..test", ".test"];
  for (
    const domain of [...names, `${"x".repeat(64)}.test`, "x.".repeat(130), "a\\.b.test", "a b.c"]
  ) {
    const answer = await checkHost(
      { ip: "192.0.2.1", domain, sender: `a@${domain}`, hello: "client.test" },
      { resolver },
    );
    assertEquals([answer.result, answer.reason !== ""], ["none", true], domain);
  }
  assertEquals([...resolver.questions.keys()], ["txt none.test", "txt no-such.test"]);
  assertEquals((await checkHost(mail("a@none.test", "unix"), { resolver })).result, "none");
});

Deno.test("checkHost() tells errors of records from errors of DNS", async () => {
  const resolver = worldOf({
    "two.test": { txt: ["v=spf1 -all", "V=SPF1 +all"] },
    "ill.test": { txt: ["v=spf1 a:down.test +all"] },
    "mx.test": { txt: ["v=spf1 mx +all"], mx: ["10 down.test"] },
    "bad.test": { txt: ["v=spf1 +all mxx"] },
    "in.test": { txt: ["v=spf1 include:bad.test +all"] },
    "to.test": { txt: ["v=spf1 redirect=down.test"] },
    "loop.test": { cname: "loop2.test" },
    "loop2.test": { cname: "loop.test" },
  });
  resolver.failures.set("down.test", "servfail");
  const of = async (domain: string) => {
    const { result, reason } = await checkHost(mail(`a@${domain}`), { resolver });
    return `${result}: ${reason}`;
  };
  assertEquals(await of("two.test"), "permerror: two.test has more than one SPF record");
  assertEquals(await of("bad.test"), "permerror: bad.test: mxx is no mechanism of SPF");
  assertEquals(await of("in.test"), "permerror: bad.test: mxx is no mechanism of SPF");
  for (const domain of ["ill.test", "mx.test", "to.test", "down.test"]) {
    assertEquals(await of(domain), "temperror: down.test: servfail");
  }
  assertEquals(await of("loop.test"), "temperror: loop.test: servfail");
});

Deno.test("checkHost() takes IPv4 in IPv6 for IPv4 (RFC 7208 §5)", async () => {
  for (const ip of ["::ffff:192.0.2.7", "::FFFF:c000:207"]) {
    assertEquals(await resultOf("v=spf1 ip4:192.0.2.7 -all", ip), "pass");
    assertEquals(await resultOf("v=spf1 ip6:::ffff:192.0.2.7 ip6:::/0 -all", ip), "fail");
    const more = { "7.2.0.192.in-addr.v.test": { a: ["127.0.0.2"] } };
    assertEquals(await resultOf("v=spf1 exists:%{ir}.%{v}.v.test -all", ip, more), "pass");
  }
  assertEquals(await resultOf("v=spf1 ip6:fe80::/10 -all", "fe80::1%eth0"), "pass");
});

Deno.test("checkHost() asks for an IPv6 client by nibbles (RFC 7208 §7.4)", async () => {
  const name =
    "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com";
  const more = { [name]: { a: ["127.0.0.2"] } };
  assertEquals(
    await resultOf("v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all", "2001:db8::cb01", more),
    "pass",
  );
});

Deno.test("checkHost() takes domains of all alphabets, and no such local part (RFC 8616 §4)", async () => {
  const resolver = worldOf({
    "xn--bcher-kva.example": { txt: ["v=spf1 a:%{o} -exists:%{l}.x.test -a:%{s} ?all"] },
  });
  const query = mail("用户@bücher.example");
  assertEquals((await checkHost(query, { resolver })).result, "neutral");
  assertEquals([...resolver.questions.keys()], [
    "txt xn--bcher-kva.example",
    "a xn--bcher-kva.example",
  ]);
  resolver.set("xn--bcher-kva.example", { txt: ["v=spf1 redirect=%{l}.x.test"] });
  assertEquals((await checkHost(query, { resolver })).result, "permerror");
});

Deno.test("checkHost() gives what the domain says to a fail (RFC 7208 §6.2)", async () => {
  const zones = (text: string) => ({ "why.example.com": { txt: [text] } });
  const of = async (text: string, record = "v=spf1 exp=why.%{d} -all") =>
    (await check(record, "192.0.2.1", zones(text))).explanation;
  assertEquals(
    await of("See http://%{d}/?s=%{S}&r=%{r}."),
    "See http://example.com/?s=user%40example.com&r=mx.test.",
  );
  assertEquals(await of("%{h} [%{c}]"), "client.test [192.0.2.1]");
  assertEquals(await of("no", "v=spf1 exp=why.%{d} ~all"), undefined, "softfail");
  assertEquals(await of("no", "v=spf1 exp=other.%{d} -all"), undefined, "no such text");
  for (const bad of ["%", "ä", "a\r\nb", "\x1b[2J", "x".repeat(501), "%{s}".repeat(20_000)]) {
    assertEquals(await of(bad), undefined, bad.slice(0, 20));
  }
  const resolver = worldOf({
    "a.test": { txt: ["v=spf1 -all exp=t.test"] },
    "t.test": { txt: ["%{t}"] },
  });
  const { explanation } = await checkHost(mail("a@a.test"), { resolver, now: 1_700_000_000_999 });
  assertEquals(explanation, "1700000000");
});

Deno.test("checkHost() stops after ten terms that ask (RFC 7208 §4.6.4), and in a loop", async () => {
  const chain: World = {};
  for (let i = 0; i < 12; i++) {
    chain[`s${i}.test`] = { txt: [`v=spf1 include:s${i + 1}.test -all`] };
  }
  const resolver = worldOf({
    ...chain,
    "s12.test": { txt: ["v=spf1 +all"] },
    "loop.test": { txt: ["v=spf1 include:loop.test -all"] },
    "turn.test": { txt: ["v=spf1 redirect=turn.test"] },
    "tree.test": { txt: [`v=spf1 ${"include:tree.test ".repeat(400)}-all`] },
  });
  const of = async (domain: string) => (await checkHost(mail(`a@${domain}`), { resolver })).result;
  assertEquals(await of("s2.test"), "pass");
  assertEquals(await of("s1.test"), "permerror");
  for (const domain of ["loop.test", "turn.test", "tree.test"]) {
    assertEquals(await of(domain), "permerror");
    assertEquals(resolver.questions.get(`txt ${domain}`), 11);
  }
});

Deno.test("checkHost() bears two terms that find nothing (RFC 7208 §4.6.4), and more where it is told to", async () => {
  const of = async (words: string, ip?: string) => await resultOf(`v=spf1 ${words} +all`, ip);
  assertEquals(await of("a:n1.test exists:n2.test"), "pass");
  assertEquals(await of("a:n1.test exists:n2.test mx:n3.test"), "permerror");
  assertEquals(await of("a a a", "2001:db8::1"), "permerror", "no address of its kind");
  assertEquals(await of("a:n1.test a:n2.test ptr", "198.51.100.9"), "permerror");
  // The hosts of an mx are no terms.
  const hosts = [1, 2, 3, 4, 5].map((at) => `${at} n${at}.test`);
  assertEquals(
    await resultOf("v=spf1 mx:m.test +all", "192.0.2.1", { "m.test": { mx: hosts } }),
    "pass",
  );
  const resolver = worldOf({ "many.test": { txt: ["v=spf1 a:n1.test a:n2.test a:n3.test +all"] } });
  const services = { resolver, limits: { voidLookups: 3 } };
  assertEquals((await checkHost(mail("a@many.test"), services)).result, "pass");
});

Deno.test("checkHost() asks a bounded number of questions whatever a record says", async () => {
  const hosts = Array.from({ length: 10 }, (_, at) => `${at} h${at}.test`);
  const zones: World = { "bomb.test": { txt: [`v=spf1 ${"mx ".repeat(10)}-all`], mx: hosts } };
  for (let at = 0; at < 10; at++) zones[`h${at}.test`] = { a: ["203.0.113.1"] };
  const resolver = worldOf(zones);
  assertEquals((await checkHost(mail("a@bomb.test"), { resolver })).result, "fail");
  assertEquals(asked(resolver), 1 + 10 * 11);
  resolver.set("bomb.test", { txt: ["v=spf1 mx +all"], mx: [...hosts, "10 h10.test"] });
  assertEquals((await checkHost(mail("a@bomb.test"), { resolver })).result, "permerror");
});

Deno.test("checkHost() looks at ten names of a client, once each (RFC 7208 §4.6.4)", async () => {
  const names = Array.from({ length: 1000 }, (_, at) => `h${at}.test`);
  const resolver = worldOf({
    "1.2.0.192.in-addr.arpa": { ptr: names },
    "p.test": { txt: ["v=spf1 exists:%{p}.x.test ptr:h1.test ?exists:%{p}.y.test -all"] },
    "unknown.y.test": { a: ["127.0.0.2"] },
  });
  assertEquals((await checkHost(mail("a@p.test"), { resolver })).result, "neutral");
  assertEquals(resolver.questions.get("ptr 1.2.0.192.in-addr.arpa"), 1);
  const hosts = [...resolver.questions].filter(([question]) => /^a h/.test(question));
  assertEquals(hosts.map(([, count]) => count), Array(10).fill(1));
});

Deno.test("checkHost() is not taken in by names of a client (RFC 7208 §5.5)", async () => {
  const of = (names: string[], more: World = {}) =>
    resultOf("v=spf1 ptr:bank.test -all", "192.0.2.1", {
      "1.2.0.192.in-addr.arpa": { ptr: names },
      ...more,
    });
  const here = { a: ["192.0.2.1"] };
  assertEquals(await of(["mail.bank.test"], { "mail.bank.test": here }), "pass");
  assertEquals(await of(["MAIL.Bank.test"], { "mail.bank.test": here }), "pass");
  assertEquals(await of(["mail.bank.test"], { "mail.bank.test": { a: ["192.0.2.2"] } }), "fail");
  assertEquals(await of(["evilbank.test"], { "evilbank.test": here }), "fail");
  // One label, "evil.bank", with a dot in it.
  assertEquals(await of(["evil\\.bank.test"], { "evil\\.bank.test": here }), "fail");
});

Deno.test("checkHost() prefers the domain's own name for %{p} (RFC 7208 §7.3)", async () => {
  const here = { a: ["192.0.2.1"] };
  const of = async (ptr: string[], name: string) =>
    await resultOf("v=spf1 exists:%{p}.ok.test -all", "192.0.2.1", {
      "1.2.0.192.in-addr.arpa": { ptr },
      "other.test": here,
      "sub.example.com": here,
      "example.com": here,
      [`${name}.ok.test`]: here,
    });
  assertEquals(await of(["other.test", "sub.example.com"], "sub.example.com"), "pass");
  assertEquals(await of(["other.test", "not.here.test"], "other.test"), "pass");
  assertEquals(await of(["not.here.test"], "unknown"), "pass");
});

Deno.test("checkHost() bears names with many texts, and texts that are long", async () => {
  const many = Array.from({ length: 999 }, (_, at) => `verification=${at}`);
  const resolver = worldOf({
    "many.test": { txt: [...many, "v=spf1 +all"] },
    "all.test": { txt: many.map(() => "v=spf1 +all") },
    "beside.test": { txt: ["x".repeat(100_000), "v=spf1 +all"] },
    "long.test": { txt: [`v=spf1 ${"ip4:203.0.113.1 ".repeat(6250)}+all`] },
    "macros.test": { txt: [`v=spf1 a:${"%{s}".repeat(2000)}.test +all`] },
  });
  const of = async (domain: string) => (await checkHost(mail(`a@${domain}`), { resolver })).result;
  assertEquals(await of("many.test"), "pass");
  assertEquals(await of("all.test"), "permerror");
  assertEquals(await of("beside.test"), "pass");
  assertEquals(await of("long.test"), "permerror");
  assertEquals(await of("macros.test"), "pass");
});

Deno.test("checkHost() asks for a backslash of a record as for a character (RFC 1035 §5.1)", async () => {
  const resolver = worldOf({ "a.test": { txt: ["v=spf1 exists:x\\.y.test -all"] } });
  await checkHost(mail("a@a.test"), { resolver });
  assertEquals([...resolver.questions.keys()].at(-1), "a x\\\\.y.test");
});

Deno.test("checkHost() is temperror when its time is over, or nobody waits (RFC 7208 §4.6.4)", async () => {
  const clock = new MemoryClock(0);
  const silent = new MemoryResolver();
  const aborted = { status: "failed", reason: "aborted" } as const;
  silent.txt = (_name, signal) =>
    new Promise((resolve) => {
      if (signal!.aborted) resolve(aborted);
      signal!.addEventListener("abort", () => resolve(aborted));
    });
  const late = checkHost(mail("a@a.test"), { resolver: silent, clock });
  await clock.advance(19_999);
  const state = await Promise.race([late, Promise.resolve("waits")]);
  assertEquals(state, "waits");
  await clock.advance(1);
  assertEquals((await late).result, "temperror");
  // A name that is not found in time is no name that is not there.
  const half = worldOf({ "a.test": { txt: ["v=spf1 ptr -all"] } });
  half.ptr = (name, signal) => silent.txt(name, signal);
  const given = new AbortController();
  const alone = [silent, half].map((resolver) =>
    checkHost(mail("a@a.test"), { resolver, signal: given.signal })
  );
  given.abort();
  for (const answer of await Promise.all(alone)) assertEquals(answer.result, "temperror");
});

Deno.test("checkHost() says so where the sender matters", async () => {
  const of = async (words: string) => (await check(`v=spf1 ${words} -all`)).senderTerm;
  assertEquals(await of("exists:%{ir}.%{d} a:%{d}"), undefined);
  assertEquals(await of("?exists:%{L}.x.test"), "?exists:%{L}.x.test");
  assertEquals(await of("+all a:%{h}"), undefined, "it was not looked at");
});

Deno.test("checkHost() answers whatever records, senders and names there are", async () => {
  const term = fc.constantFrom(
    ...[
      "a",
      "mx",
      "ptr",
      "-all",
      "?ip4:192.0.2.0/24",
      "include:b.test",
      "redirect=c.test",
      "a:%{l}.test",
    ],
    ...[
      "exp=d.test",
      "exists:%{ir}.%{p}.test",
      "include:%{s}",
      "exp=%{h}",
      "mx:%{d}//1",
      "~ptr:%{o}",
    ],
  );
  const record = fc.array(term, { maxLength: 12 }).map((terms) => `v=spf1 ${terms.join(" ")}`);
  const text = fc.oneof(
    { weight: 3, arbitrary: record },
    fc.string({ unit: ANY, maxLength: 40 }),
  );
  const name = fc.oneof(
    fc.constantFrom("b.test", "b.test."),
    fc.string({ unit: ANY, maxLength: 20 }),
  );
  const world = fc.tuple(text, text, text, text);
  const ip = fc.constantFrom("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "unix", "");
  await fc.assert(
    fc.asyncProperty(
      world,
      name,
      fc.string({ unit: ANY }),
      ip,
      async (texts, hello, sender, ip) => {
        const resolver = worldOf({ "1.2.0.192.in-addr.arpa": { ptr: ["b.test", "x.c.test"] } });
        for (const [at, txt] of texts.entries()) {
          const records = { txt: [txt], a: ["192.0.2.1"], mx: ["10 b.test", "20 no.test"] };
          resolver.set(`${"abcd"[at]}.test`, records);
        }
        const query = { ip, hello, sender, domain: "a.test" };
        const { result, explanation = "", reason = "" } = await checkHost(query, { resolver });
        assert(/^[ -~]{0,400}$/.test(reason));
        assert("none pass fail softfail neutral permerror temperror".split(" ").includes(result));
        assert(/^[ -~]{0,500}$/.test(explanation));
        assert(asked(resolver) <= 1 + 10 * 11 + 12);
      },
    ),
  );
});

Deno.test("checkHost() goes on without the client's names where their servers keep silent (RFC 7208 §5.5)", async () => {
  const clock = new MemoryClock(0);
  const resolver = worldOf({
    "names.test": { txt: ["v=spf1 ptr -all"] },
    "macros.test": { txt: ["v=spf1 exists:%{p}.a.test exists:%{p}.b.test ptr -all"] },
    "unknown.a.test": { a: ["127.0.0.2"] },
    "ip.test": { txt: ["v=spf1 ptr ip4:192.0.2.3 -all"] },
  });
  const failed = { status: "failed", reason: "aborted" } as const;
  const silent = (_: string, signal?: AbortSignal) =>
    new Promise<typeof failed>((resolve) => {
      if (signal!.aborted) resolve(failed);
      signal!.addEventListener("abort", () => resolve(failed));
    });
  const addresses = resolver.a.bind(resolver);
  const check = async (domain: string) => {
    const began = clock.now();
    const { result } = await clock.runUntil(
      checkHost(mail(`a@${domain}`, "192.0.2.3"), { resolver, clock }),
    );
    return [result, clock.now() - began];
  };
  resolver.ptr = silent;
  assertEquals(await check("names.test"), ["fail", 5000]);
  assertEquals(await check("macros.test"), ["pass", 5000]);
  assertEquals(await check("ip.test"), ["pass", 5000]);
  // His name server answers, and those of his ten names do not.
  const names = Array.from({ length: 10 }, (_, i) => `n${i}.forger.test`);
  resolver.ptr = () => Promise.resolve({ status: "found", records: names });
  resolver.a = (name, signal) =>
    name.endsWith("forger.test") ? silent(name, signal) : addresses(name, signal);
  assertEquals(await check("names.test"), ["fail", 0]);
  assertEquals(await check("macros.test"), ["pass", 5000]);
});
