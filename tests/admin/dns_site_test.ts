/**
 * The DNS records of a site that this host serves: what is proposed, and what is said of what is there.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkDomain } from "../../src/admin/dns_check_domain.ts";
import { domainRecords, type MailHost } from "../../src/admin/dns_records.ts";
import { mailHostOf } from "../../src/admin/mail_host.ts";
import { formatZoneRecord, formatZones } from "../../src/admin/zone_text.ts";
import { yaml } from "../../src/config/packages.ts";
import { configSchema } from "../../src/config/schema.ts";
import type { DnsNameRecords } from "../../src/runtime/dns_zones.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";

const DOMAIN = { domain: "example.org", dkim: [] };
const LISTENERS = [{ address: "[::]:443" }, { address: "[::]:80", tls: false }];
/** `printf 'version: STSv1\r\nmode: testing\r\nmx: mail.example.org\r\nmax_age: 604800\r\n' | sha256sum | head -c32` */
const ID = "53489ece145c54a18e5e1e0b1091f6a8";

function hostOf(web: object): MailHost {
  return mailHostOf(configSchema.parse({
    hostname: "mail.example.org",
    addresses: ["192.0.2.25"],
    listeners: [{ role: "mx", address: "192.0.2.25:25" }],
    web,
  }));
}

/** The lines of a zone that are about the site. */
function linesOf(web: object): string[] {
  return domainRecords(hostOf(web), DOMAIN)
    .filter(({ purpose }) => ["site", "srv", "mta-sts"].includes(purpose))
    .map(({ name, data, need }) =>
      `${need}: ${formatZoneRecord(name, data).replace(" 3600 IN", "")}`
    );
}

Deno.test("domainRecords() has the names of the site, its policy and its services", () => {
  const imap = { hostname: "imap.example.org" };
  assertEquals(linesOf({ listeners: LISTENERS, imap, pop3: { tls: "starttls", port: 110 } }), [
    "optional: _imaps._tcp.example.org. SRV 0 1 993 imap.example.org.",
    "optional: _pop3._tcp.example.org. SRV 0 1 110 mail.example.org.",
    "optional: _autodiscover._tcp.example.org. SRV 0 1 443 mail.example.org.",
    "required: mta-sts.example.org. CNAME mail.example.org.",
    "optional: autoconfig.example.org. CNAME mail.example.org.",
    "optional: autodiscover.example.org. CNAME mail.example.org.",
    `required: _mta-sts.example.org. TXT "v=STSv1; id=${ID}"`,
  ]);
});

Deno.test("domainRecords() proposes nothing that is not served", () => {
  const later = 'later: _mta-sts.example.org. TXT "v=STSv1; id=1"';
  assertEquals(linesOf({}), [later]);
  // In clear nothing is told but where to ask by TLS.
  assertEquals(linesOf({ listeners: [LISTENERS[1]] }), [later]);
  assertEquals(linesOf({ listeners: LISTENERS, mtaSts: { mode: "none" } }), [later]);
  assertEquals(linesOf({ imap: {} }), [
    "optional: _imaps._tcp.example.org. SRV 0 1 993 mail.example.org.",
    later,
  ]);
});

Deno.test("domainRecords() proposes nothing that only this machine can reach", () => {
  const later = 'later: _mta-sts.example.org. TXT "v=STSv1; id=1"';
  const imap = {};
  for (const address of ["127.0.0.1:443", "[::1]:8443", "localhost:443", "[fe80::1]:443"]) {
    assertEquals(linesOf({ listeners: [{ address }, LISTENERS[1]], imap }), [
      "optional: _imaps._tcp.example.org. SRV 0 1 993 mail.example.org.",
      later,
    ], address);
  }
  assertEquals(linesOf({ imap: { hostname: "localhost" } }), [later]);
  // The first that others reach counts.
  const two = [{ address: "127.0.0.1:8443" }, { address: "192.0.2.25:444" }];
  assertEquals(
    linesOf({ listeners: two, imap })[1],
    "optional: _autodiscover._tcp.example.org. SRV 0 1 444 mail.example.org.",
  );
  // Something leads from port 443 to the socket.
  assertEquals(
    linesOf({ listeners: [{ address: "unix:/run/site.sock" }], imap })[1],
    "optional: _autodiscover._tcp.example.org. SRV 0 1 443 mail.example.org.",
  );
});

Deno.test("formatZones() publishes the records of the site, and says why", () => {
  const zone = formatZones(hostOf({ listeners: LISTENERS, imap: {} }), [DOMAIN]);
  assertStringIncludes(zone, "\nmta-sts.example.org. 3600 IN CNAME mail.example.org.\n");
  assertStringIncludes(zone, `\n_mta-sts.example.org. 3600 IN TXT "v=STSv1; id=${ID}"\n`);
});

async function check(records: Readonly<Record<string, DnsNameRecords>>): Promise<string[]> {
  const resolver = new MemoryResolver();
  resolver.set("mail.example.org", { a: ["192.0.2.25"] });
  for (const [name, found] of Object.entries(records)) resolver.set(name, found);
  const findings = await checkDomain({ resolver }, hostOf({ listeners: LISTENERS }), DOMAIN);
  return findings.filter(({ purpose }) => purpose === "site" || purpose === "mta-sts")
    .map(({ status, message }) => `${status}: ${message}`);
}

Deno.test("checkDomain() looks whether the site's name leads here, and which policy is announced", async () => {
  const txt = [`v=STSv1; id=${ID}`];
  const name = "mta-sts.example.org";
  assertEquals(await check({}), [
    "missing: there is no such name",
    "missing: there is no such name",
  ]);
  const announced = `ok: id ${ID}, of the policy served`;
  for (const records of [{ cname: "mail.example.org" }, { a: ["192.0.2.25"] }]) {
    assertEquals(await check({ [name]: records, [`_${name}`]: { txt } }), [
      "ok: it leads to 192.0.2.25",
      announced,
    ]);
  }
  const old = { txt: ["v=STSv1; id=20260101"] };
  assertEquals(await check({ [name]: { a: ["192.0.2.80"] }, [`_${name}`]: old }), [
    "different: it leads to 192.0.2.80, which is not this host",
    "different: the policy that is served has another id: others go by an older one",
  ]);
});

/** What is said of the policy beside the MX. */
async function policyOf(mtaSts: object, mx: readonly string[], listeners: object[] = LISTENERS) {
  const resolver = new MemoryResolver();
  resolver.set("example.org", { mx });
  const host = hostOf({ listeners, mtaSts });
  const findings = await checkDomain({ resolver }, host, DOMAIN);
  return findings.filter(({ purpose, type }) => purpose === "mta-sts" && type === "MX");
}

Deno.test("checkDomain() wants all hosts of the MX in a policy that is enforced (RFC 8461 §4.1)", async () => {
  const both = ["10 mail.example.org", "20 backup.example.net"];
  const [wrong, ...more] = await policyOf({ mode: "enforce" }, both);
  assertEquals([wrong, more], [{
    purpose: "mta-sts",
    status: "different",
    name: "example.org",
    type: "MX",
    found: ["10 mail.example.org.", "20 backup.example.net."],
    wanted: null,
    message:
      "the policy (enforce) does not have backup.example.net: who obeys it sends nothing there",
    advice: "write web: { mtaSts: { mx: [mail.example.org, backup.example.net] } } and publish " +
      "the record's new id, or take out of the MX what is not yours",
  }, []]);
  const statusOf = async (...given: Parameters<typeof policyOf>) =>
    (await policyOf(...given)).map(({ status }) => status);
  const listed = ["mail.example.org", "*.example.net"];
  assertEquals(await statusOf({ mode: "enforce", mx: listed }, both), ["ok"]);
  assertEquals(await statusOf({ mode: "enforce" }, ["10 MAIL.example.org."]), ["ok"]);
  // One label stands for one label.
  const below = ["10 a.mail.example.org"];
  assertEquals(await statusOf({ mode: "enforce", mx: ["*.example.org"] }, below), ["different"]);
  const [wild] = await policyOf({ mode: "enforce", mx: ["*.example.org"] }, both);
  const [, written] = /^write (.*) and publish/.exec(wild?.advice ?? "") ?? [];
  assertEquals(yaml.parse(written ?? ""), {
    web: { mtaSts: { mx: ["*.example.org", "backup.example.net"] } },
  });
  // It counts whoever serves it.
  assertEquals(await statusOf({ mode: "enforce" }, both, []), ["different"]);
});

Deno.test("checkDomain() says of a policy that is not enforced what it lacks, and nothing where there is none", async () => {
  const strange = ["10 backup.example.net"];
  const [told] = await policyOf({ mode: "testing" }, strange);
  assertEquals(told?.status, "ok");
  assertStringIncludes(told?.message ?? "", "does not have backup.example.net");
  assertEquals(await policyOf({ mode: "testing" }, strange, []), []);
  assertEquals(await policyOf({ mode: "none" }, strange), []);
  // That is served, so that others forget the one before (RFC 8461 §8.3).
  assertEquals(await policyOf({ mode: "none", mx: ["mail.example.org"] }, strange), []);
  // That is said of the MX.
  assertEquals(await policyOf({ mode: "enforce" }, []), []);
  assertEquals(await policyOf({ mode: "enforce" }, ["0 ."]), []);
});
