/**
 * What `yizhan check` says of DNSSEC: who is believed, and whether DANE works.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import { checkDnssec } from "../../src/cli/check/check_dnssec.ts";
import type { CheckContext } from "../../src/cli/check/finding.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { formatNameServer } from "../../src/runtime/resolv_conf.ts";
import { DnsServer } from "../support/dns_server.ts";
import { Site } from "./site.ts";

interface World {
  readonly nameServers?: readonly string[];
  readonly dnssec?: "auto" | "on" | "off";
  readonly routes?: readonly object[];
  readonly enabled?: boolean;
  /** `/etc/resolv.conf`; absent: it cannot be read. */
  readonly resolvConf?: string;
}

/** The findings, a line each. */
async function check(world: World): Promise<string[]> {
  const { resolvConf, ...relay } = world;
  const readFile = (path: string) =>
    path === "/etc/resolv.conf" && resolvConf !== undefined
      ? Promise.resolve(encode(resolvConf))
      : Promise.reject(new Error("not this one"));
  const usual = { enabled: true, nameServers: [], dnssec: "auto", routes: [] };
  const found = await checkDnssec({
    loaded: { config: { relay: { ...usual, ...relay } } },
    runtime: { files: { readFile }, clock: { now: () => 0 } },
  } as unknown as CheckContext);
  return found.map(({ level, message, advice }) => `${level}: ${message}; ${advice ?? ""}`);
}

const DANE = [{ domains: ["*"], via: { kind: "hold", then: { kind: "mx", tls: "dane" } } }];

Deno.test("checkDnssec() says why name servers are not believed, and asks none of them", async () => {
  const away = { nameServers: ["192.0.2.53:53", "127.0.0.1:53"] };
  const cases: readonly (readonly [World, RegExp])[] = [
    [
      away,
      /^ok: what 192\.0\.2\.53:53, 127\.0\.0\.1:53 says of DNSSEC is not believed: 192\.0\.2\.53:53 is not on this machine; no DANE for mail that goes; .*relay\.dnssec: on/,
    ],
    [
      { resolvConf: "nameserver 192.0.2.1\n" },
      /192\.0\.2\.1:53 is not on this machine, and \/etc\/resolv\.conf has no options trust-ad;/,
    ],
    // What Docker copies from its host is about another server.
    [
      { resolvConf: "nameserver 127.0.0.11\noptions trust-ad\n" },
      /is not believed: 127\.0\.0\.11:53 only hands on what others say;/,
    ],
    [{ nameServers: ["[2001:db8::1]:53"], dnssec: "off" }, /^ok: nobody is believed .*: off\)/],
    [
      { ...away, routes: DANE },
      /^error: .* is not believed: .*; mail of routes with tls: dane never/,
    ],
  ];
  for (const [world, wanted] of cases) {
    const [line = "", ...more] = await check(world);
    assertMatch(line, wanted);
    assertEquals(more, []);
  }
});

Deno.test("checkDnssec() says nothing where nothing goes, or who is asked is not known", async () => {
  assertEquals(await check({ enabled: false, nameServers: ["192.0.2.53:53"] }), []);
  assertEquals(await check({}), []);
  assertEquals(await check({ resolvConf: "search example.org\n" }), []);
});

Deno.test("checkDnssec() asks those that are believed whether they validate", async () => {
  await using dns = await DnsServer.start();
  const nameServers = [formatNameServer(dns.server)];
  const dull =
    /^ok: what 127\.0\.0\.1:\d+ says of DNSSEC is believed \(on this machine\), but it does not validate: no DANE for mail that goes; /;
  assertMatch((await check({ nameServers })).join(), dull);
  // It was asked for to be believed.
  assertMatch(
    (await check({ nameServers, dnssec: "on" })).join(),
    /^warning: .* is believed \(relay\.dnssec: on\), but it does not validate/,
  );
  assertMatch(
    (await check({ nameServers, routes: DANE })).join(),
    /^warning: .* does not validate: mail of routes with tls: dane never goes; /,
  );
  dns.zones.signed.add("org");
  assertMatch(
    (await check({ nameServers })).join(),
    /^ok: .* is believed \(on this machine\), and it validates: DANE works; $/,
  );
  dns.zones.failures.set("org", "servfail");
  assertMatch((await check({ nameServers })).join(), /whether it validates is not known now; $/);
});

Deno.test("yizhan check tells each name server that is believed about DNSSEC", async () => {
  await using site = await Site.make();
  await using good = await DnsServer.start();
  await using dull = await DnsServer.start();
  good.zones.signed.add("org");
  const nameServers = [good, dull].map(({ server }) => formatNameServer(server));
  const relay = { nameServers, dnssec: "on" } satisfies ConfigInput["relay"];
  await site.configure({ tls: site.certificates("mx"), relay });
  const { stdout } = await site.run(["check"]);
  const lines = stdout.split("\n").filter((line) => / {2}dnssec {7} /.test(line));
  assertEquals(lines.length, 2, stdout);
  assert(lines[0]!.startsWith(`ok       dnssec         what ${nameServers[0]} says`), stdout);
  assert(lines[1]!.startsWith(`warning  dnssec         what ${nameServers[1]} says`), stdout);
});
