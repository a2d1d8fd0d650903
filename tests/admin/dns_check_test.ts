import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { checkDomain } from "../../src/admin/dns_check_domain.ts";
import { checkHost } from "../../src/admin/dns_check_host.ts";
import type { DnsFinding } from "../../src/admin/dns_finding.ts";
import type { MailDomain, MailHost } from "../../src/admin/dns_records.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";
import type { DnsNameRecords } from "../../src/runtime/dns_zones.ts";

const HOST: MailHost = {
  hostname: "mail.example.org",
  addresses: ["192.0.2.25", "2001:db8::25"],
  submissions: 465,
};
const KEY = { kind: "ed25519", data: "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" } as const;
const DOMAIN: MailDomain = { domain: "example.org", dkim: [{ selector: "s", key: KEY }] };
const SIX = `5.2.0.0${".0".repeat(20)}.8.b.d.0.1.0.0.2.ip6.arpa`;

/** All as it should be, written by hand. */
const GOOD: Record<string, DnsNameRecords> = {
  "example.org": { mx: ["10 mail.example.org"], txt: ["site=1", "v=spf1 mx ~all"] },
  "mail.example.org": { a: ["192.0.2.25"], aaaa: ["2001:db8::25"], txt: ["v=spf1 a -all"] },
  "25.2.0.192.in-addr.arpa": { ptr: ["mail.example.org"] },
  [SIX]: { ptr: ["mail.example.org"] },
  "s._domainkey.example.org": { txt: [`v=DKIM1; k=ed25519; p=${KEY.data}`] },
  "_dmarc.example.org": {
    txt: ["v=DMARC1; p=reject; rua=mailto:a@example.org,mailto:b@example.net!10m"],
  },
  "_smtp._tls.example.org": { txt: ["v=TLSRPTv1; rua=https://example.net/tls"] },
  "_submissions._tcp.example.org": { srv: ["0 1 465 mail.example.org"] },
  "_mta-sts.example.org": { txt: ["v=STSv1; id=20261123T01;"] },
  "mta-sts.example.org": { a: ["192.0.2.80"] },
};

interface Looked {
  readonly all: DnsFinding[];
  /** The findings of a name, or of a purpose. */
  of(what: string): DnsFinding[];
}

async function look(
  change: Record<string, DnsNameRecords | null> = {},
  { host = HOST, failures = [] }: { host?: MailHost; failures?: readonly string[] } = {},
): Promise<Looked> {
  const resolver = new MemoryResolver();
  for (const [name, records] of Object.entries({ ...GOOD, ...change })) {
    if (records !== null) resolver.set(name, records);
  }
  for (const failure of failures) resolver.failures.set(failure, "servfail");
  const checked = await checkHost({ resolver }, host);
  const all = [...checked.findings, ...await checkDomain({ resolver }, checked.host, DOMAIN)];
  return {
    all,
    of: (what) => all.filter(({ name, purpose }) => name === what || purpose === what),
  };
}

/** What is not well, as `STATUS NAME`. */
function troubles({ all }: Looked): string[] {
  return all.filter(({ status }) => status !== "ok").map(({ status, name }) => `${status} ${name}`);
}

Deno.test("checkHost() and checkDomain() find nothing where all is well", async () => {
  const looked = await look();
  assertEquals(troubles(looked), []);
  assertEquals(looked.all.length, 5 + 7);
  assertStringIncludes(looked.of("mta-sts")[0]!.message, "not fetched");
});

Deno.test("checkDomain() tells what is missing from what need not be there", async () => {
  const looked = await look(Object.fromEntries(Object.keys(GOOD).map((name) => [name, null])));
  assertEquals(troubles(looked), [
    "missing mail.example.org",
    "missing mail.example.org",
    "missing 25.2.0.192.in-addr.arpa",
    `missing ${SIX}`,
    "missing mail.example.org",
    "missing example.org",
    "missing example.org",
    "missing s._domainkey.example.org",
    "missing _dmarc.example.org",
    "optional _smtp._tls.example.org",
    "optional _submissions._tcp.example.org",
    "optional _mta-sts.example.org",
  ]);
  const [mx] = looked.of("mx");
  assertEquals(mx?.wanted, "example.org. 3600 IN MX 10 mail.example.org.");
  assert(looked.all.every(({ status, advice }) => (status === "missing") === (advice !== null)));
});

Deno.test("what DNS did not tell is unknown, never missing", async () => {
  const looked = await look({}, { failures: Object.keys(GOOD) });
  const statuses = new Set(looked.all.map(({ status }) => status));
  assertEquals([...statuses], ["unknown"]);
});

Deno.test("checkHost() says which addresses are not this host's", async () => {
  const other = { a: ["192.0.2.26"], aaaa: ["2001:DB8::25"], txt: ["v=spf1 a -all"] };
  const looked = await look({ "mail.example.org": other });
  const [four, six, strange] = looked.of("address");
  assertEquals([four?.status, six?.status, strange?.status], ["missing", "ok", "different"]);
  assertEquals(strange?.found, ["192.0.2.26"]);
  // SPF goes by DNS too.
  const [helo] = looked.of("spf");
  assertEquals(helo?.status, "different");
  assertStringIncludes(helo!.message, "192.0.2.25");
});

Deno.test("checkHost() takes the addresses of DNS where nobody has said which they are", async () => {
  const host = { hostname: HOST.hostname, addresses: [] };
  const looked = await look({}, { host });
  assertEquals(looked.of("address").map(({ status }) => status), ["ok"]);
  assertEquals(looked.of("ptr").length, 2);
  const none = await look({ "mail.example.org": null }, { host });
  assertEquals(none.of("address").map(({ status }) => status), ["missing"]);
  const loopback = await look({ "mail.example.org": { a: ["127.0.1.1"] } }, { host });
  assertEquals(loopback.of("address")[0]?.status, "different");
});

Deno.test("checkHost() refuses a host that is only another name (RFC 2181 §10.3)", async () => {
  const looked = await look({
    "mail.example.org": { cname: "box.example.net" },
    "box.example.net": GOOD["mail.example.org"]!,
  });
  const [alias] = looked.of("address");
  assertEquals([alias?.status, alias?.type, alias?.found], ["different", "CNAME", [
    "box.example.net",
  ]]);
});

Deno.test("checkHost() wants the address to lead back to the name", async () => {
  const looked = await look({ "25.2.0.192.in-addr.arpa": { ptr: ["static-25.provider.test"] } });
  assertEquals(troubles(looked), ["different 25.2.0.192.in-addr.arpa"]);
  const [ptr] = looked.of("ptr");
  assertEquals(ptr?.found, ["static-25.provider.test."]);
  assertEquals(ptr?.wanted, "25.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.org.");
});

/** Records of one name that are wrong, and the words for it; `null` where they are right. */
const CASES: [string, string, DnsNameRecords, RegExp | null][] = [
  ["mx", "example.org", { mx: ["5 other.test", "10 mail.example.org"] }, null],
  [
    "mx",
    "example.org",
    { mx: ["10 other.test"] },
    /goes to other\.test, not to mail\.example\.org/,
  ],
  ["mx", "example.org", { mx: ["0 ."] }, /null MX/],
  ["mx", "example.org", { mx: ["10 192.0.2.25"] }, /192\.0\.2\.25 is an address/],
  ["spf", "example.org", { txt: ["v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"] }, null],
  ["spf", "example.org", { txt: ["v=spf1 ip4:192.0.2.25 -all"] }, /fail of 2001:db8::25/],
  ["spf", "example.org", { txt: ["v=spf1 mx ~all", "v=spf1 -all"] }, /more than one/],
  ["spf", "example.org", { txt: ["v=spf1 mx +all"] }, /lets everybody/],
  ["spf", "example.org", { txt: ["v=spf1 mx ?all"] }, /nothing about others/],
  ["spf", "example.org", { txt: ["v=spf1 mx"] }, /nothing about others/],
  ["spf", "example.org", { txt: ["v=spf1 mxx ~all"] }, /mxx is no mechanism/],
  ["spf", "example.org", { txt: ['"v=spf1 mx ~all"'] }, /does not begin with v=spf1/],
  ["spf", "example.org", { txt: ["v=spf1 mx include:none.test ~all"] }, /none\.test/],
  ["dkim", "s._domainkey.example.org", { txt: [`p=${KEY.data}`] }, /ours is ed25519/],
  ["dkim", "s._domainkey.example.org", { txt: ["v=DKIM1; k=ed25519; p="] }, /revokes/],
  ["dkim", "s._domainkey.example.org", { txt: ["one", "two"] }, /more than one/],
  ["dmarc", "_dmarc.example.org", { txt: ["v=DMARC1; p=none", "note"] }, null],
  ["dmarc", "_dmarc.example.org", { txt: ["v=DMARC1"] }, /no policy/],
  ["dmarc", "_dmarc.example.org", { txt: ["v=DMARC1; p=maybe"] }, /no policy/],
  ["dmarc", "_dmarc.example.org", { txt: ["v=DMARC1; p=none; rua=a@example.org"] }, /rua=/],
  [
    "dmarc",
    "_dmarc.example.org",
    { txt: ["v=DMARC1; p=none", "v=DMARC1; p=none"] },
    /more than one/,
  ],
  ["dmarc", "_dmarc.example.org", { txt: ["v=spf1 -all"] }, /does not begin with v=DMARC1/],
  ["tls-rpt", "_smtp._tls.example.org", { txt: ["v=TLSRPTv1"] }, /where reports go/],
  ["srv", "_submissions._tcp.example.org", { srv: ["0 1 466 mail.example.org"] }, /elsewhere/],
  ["srv", "_submissions._tcp.example.org", { srv: ["0 0 0 ."] }, /elsewhere/],
  ["mta-sts", "_mta-sts.example.org", { txt: ["v=STSv1; id=2026-11-23"] }, /no id/],
];

for (const [purpose, name, records, words] of CASES) {
  const shown = JSON.stringify(records);
  const verdict = words === null ? "takes" : "does not take";
  Deno.test(`checkDomain() ${verdict} ${name} ${shown}`, async () => {
    const base = name === "example.org" ? { ...GOOD["example.org"], ...records } : records;
    const looked = await look({ [name]: base });
    const found = looked.of(purpose).find((finding) => finding.name === name);
    assert(found !== undefined);
    if (words === null) return assertEquals(found.status, "ok", found.message);
    assertEquals(found.status, "different", found.message);
    assert(words.test(found.message), found.message);
    assert(found.advice !== null && found.found.length > 0);
  });
}

Deno.test("checkDomain() takes the DMARC policy of a domain above (RFC 7489 §6.6.3)", async () => {
  const resolver = new MemoryResolver();
  resolver.set("_dmarc.example.org", { txt: ["v=DMARC1; p=quarantine"] });
  const findings = await checkDomain({ resolver }, HOST, { domain: "a.b.example.org", dkim: [] });
  const dmarc = findings.find(({ purpose }) => purpose === "dmarc");
  assertEquals(dmarc?.status, "ok");
  assertStringIncludes(dmarc!.message, "example.org holds: p=quarantine");
});

Deno.test("checkDomain() wants a host where MTA-STS is announced", async () => {
  const looked = await look({ "mta-sts.example.org": null });
  assertEquals(troubles(looked), ["different _mta-sts.example.org"]);
});
