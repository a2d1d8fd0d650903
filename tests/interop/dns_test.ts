/**
 * Names from Knot DNS: what the resolver makes of a real server's answers, and which hosts come of them.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { createSocket } from "node:dgram";
import { findHosts, type HostSearch } from "../../src/delivery/mx.ts";
import { parseNetwork } from "../../src/net_address.ts";
import type { MxRoute } from "../../src/routing/route.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { DENO_QUERIES, denoResolver } from "../../src/runtime/deno_resolver.ts";
import { queryNameServer } from "../../src/runtime/node_dns_query.ts";
import type { NameServer } from "../../src/runtime/resolv_conf.ts";
import type { Resolver } from "../../src/runtime/resolver.ts";
import { type Knot, startKnot } from "./knot.ts";
import { interopTest } from "./support.ts";

/** Milliseconds a server gets: long on a busy machine, and short where one is known to be dead. */
const PATIENT = 30_000;
const SHORT = 1000;

/** A domain for every case of MX. Two servers of the same name space: the second zone is another's. */
const ZONES = {
  "test": `
plain MX 10 mx1.hosts
several MX 30 mx3.hosts
several MX 10 mx1.hosts
several MX 20 mx2.hosts
equal MX 10 mx1.hosts
equal MX 10 mx2.hosts
equal MX 10 mx3.hosts
null MX 0 .
nomx A 192.0.2.80
onlysix AAAA 2001:db8::80
text TXT "neither MX nor address"
alias CNAME plain
outward CNAME plain.other.example.
dangling CNAME nowhere.other.example.
loop CNAME loop2
loop2 CNAME loop
mxalias MX 10 alias.hosts
nowhere MX 10 gone.hosts
nowhere MX 20 text
mixed MX 10 gone.hosts
mixed MX 20 mx2.hosts
illfirst MX 10 mx.broken.example.
illfirst MX 20 mx2.hosts
illonly MX 10 gone.hosts
illonly MX 20 mx.broken.example.
loopback MX 10 loopback.hosts
backup MX 10 mx1.hosts
backup MX 20 mail.here
backup MX 30 mx3.hosts
own MX 10 mail.here
xn--bcher-kva MX 10 xn--mx-fka.hosts
$ORIGIN hosts.test.
mx1 A 192.0.2.1
mx1 AAAA 2001:db8::1
mx2 A 192.0.2.2
mx3 A 192.0.2.3
alias CNAME mx2
loopback A 127.0.0.1
loopback AAAA ::1
xn--mx-fka A 192.0.2.9
$ORIGIN here.test.
mail A 198.51.100.25
`,
  "other.example": "plain MX 10 mx\nmx A 192.0.2.7\n",
  "broken.example": null,
  "2.0.192.in-addr.arpa": "1 PTR mx1.hosts.test.\n",
};

const ROUTE: MxRoute = {
  kind: "mx",
  domain: "",
  port: 25,
  tls: "opportunistic",
  family: "ipv6-first",
  allowAddresses: [],
  connections: 20,
  eightBit: "convert",
};
const OWN = { hostnames: ["mail.here.test"], addresses: [] };

async function search(
  resolver: Resolver,
  domain: string,
  more: Partial<MxRoute> = {},
): Promise<string> {
  const { random } = denoRuntime();
  return brief(await findHosts(resolver, { ...ROUTE, domain, ...more }, OWN, random));
}

/** `status code enhanced`, or hosts and addresses in their order. */
function brief(result: HostSearch): string {
  if (result.status !== "found") {
    return `${result.status} ${result.reply.code} ${result.reply.enhanced}`;
  }
  const hosts = result.hosts.map(({ name, addresses }) => `${name} ${addresses.join(" ")}`);
  return hosts.join(", ");
}

function resolverOf(...knots: readonly (Knot | { readonly server: NameServer })[]): Resolver {
  return denoResolver({ servers: knots.map(({ server }) => server), timeout: PATIENT });
}

const MX1 = "mx1.hosts.test 2001:db8::1 192.0.2.1";
const MX2 = "mx2.hosts.test 192.0.2.2";
const MX3 = "mx3.hosts.test 192.0.2.3";

interopTest("findHosts() over Knot DNS does what each MX case wants", ["knotd"], async () => {
  await using knot = await startKnot(ZONES);
  const resolver = resolverOf(knot);
  const cases: Record<string, string> = {
    "plain.test": MX1,
    "several.test": `${MX1}, ${MX2}, ${MX3}`,
    "null.test": "failed 556 5.1.10",
    "nomx.test": "nomx.test 192.0.2.80",
    "onlysix.test": "onlysix.test 2001:db8::80",
    "text.test": "failed 550 5.1.2",
    "gone.test": "failed 550 5.1.2",
    "alias.test": MX1,
    "outward.test": "mx.other.example 192.0.2.7",
    "dangling.test": "failed 550 5.1.2",
    "loop.test": "deferred 451 4.4.3",
    "mxalias.test": "alias.hosts.test 192.0.2.2",
    "nowhere.test": "failed 550 5.4.4",
    "mixed.test": MX2,
    "illfirst.test": MX2,
    "illonly.test": "deferred 451 4.4.3",
    "loopback.test": "failed 550 5.4.6",
    "backup.test": MX1,
    "own.test": "failed 550 5.4.6",
    "xn--bcher-kva.test": "xn--mx-fka.hosts.test 192.0.2.9",
    // A zone that cannot be loaded: SERVFAIL. A zone of somebody else: REFUSED.
    "broken.example": "deferred 451 4.4.3",
    "foreign.example": "deferred 451 4.4.3",
  };
  for (const [domain, expected] of Object.entries(cases)) {
    assertEquals(await search(resolver, domain), expected, domain);
  }
  const allowAddresses = [parseNetwork("127.0.0.0/8")!];
  assertEquals(
    await search(resolver, "loopback.test", { allowAddresses }),
    "loopback.hosts.test 127.0.0.1",
  );
});

interopTest("findHosts() over Knot DNS shuffles equal preferences", ["knotd"], async () => {
  await using knot = await startKnot(ZONES);
  const resolver = resolverOf(knot);
  const first = new Set<string>();
  for (let i = 0; i < 100; i++) first.add((await search(resolver, "equal.test")).split(" ")[0]!);
  // That one is missing after 100 draws has a chance of 10^-17.
  assertEquals([...first].sort(), ["mx1.hosts.test", "mx2.hosts.test", "mx3.hosts.test"]);
});

interopTest("the resolver tells Knot's NXDOMAIN, NODATA, SERVFAIL and REFUSED apart", [
  "knotd",
], async () => {
  await using knot = await startKnot(ZONES);
  const resolver = resolverOf(knot);
  assertEquals(await resolver.mx("gone.test"), { status: "none", reason: "nxdomain" });
  assertEquals(await resolver.mx("nomx.test"), { status: "none", reason: "nodata" });
  assertEquals(await resolver.txt("text.test"), {
    status: "found",
    records: ["neither MX nor address"],
  });
  assertEquals(await resolver.ptr("192.0.2.1"), { status: "found", records: ["mx1.hosts.test"] });
  assertEquals(await resolver.ptr("192.0.2.2"), { status: "none", reason: "nxdomain" });
  for (const [domain, rcode] of [["broken.example", "SERVFAIL"], ["foreign.example", "REFUSED"]]) {
    const answer = await resolver.mx(domain!);
    assertMatch(answer.status === "failed" ? answer.reason : answer.status, new RegExp(rcode!));
  }
});

interopTest("the resolver takes answers of Knot's by TCP where UDP cuts them off", [
  "knotd",
], async () => {
  // Thirty MX of long names do not fit into 512 octets; the query asks for no more.
  const hosts = Array.from({ length: 30 }, (_, i) => `${"x".repeat(50)}${i}.test.`);
  const zone = hosts.map((host) => `large MX 10 ${host}\n`).join("");
  await using knot = await startKnot({ test: zone });
  const answer = await resolverOf(knot).mx("large.test");
  assertEquals(answer.status === "found" && answer.records.length, 30);
  const signal = new AbortController().signal;
  const own = await queryNameServer(DENO_QUERIES, knot.server, "large.test", "MX", signal);
  assertEquals([own.answers.length, own.truncated], [30, false]);
});

interopTest("the resolver asks Knot where another server is dead", ["knotd"], async () => {
  await using knot = await startKnot(ZONES);
  const silent = createSocket("udp4");
  await new Promise<void>((bound) => silent.bind(0, "127.0.0.1", () => bound()));
  const dead = { address: "127.0.0.1", port: silent.address().port };
  const servers = [dead, knot.server];
  const resolver = denoResolver({ servers, timeout: SHORT });
  assertEquals(await search(resolver, "plain.test"), MX1);
  assertEquals(await search(resolver, "gone.test"), "failed 550 5.1.2");
  const alone = denoResolver({ servers: [dead], timeout: SHORT });
  assertEquals(await search(alone, "plain.test"), "deferred 451 4.4.3");
  assertEquals(await search(alone, "gone.test"), "deferred 451 4.4.3");
  await new Promise<void>((closed) => void silent.close(() => closed()));
  // Now nobody has the port.
  const closed = denoResolver({ servers, timeout: SHORT });
  assertEquals(await search(closed, "gone.test"), "failed 550 5.1.2");
});
