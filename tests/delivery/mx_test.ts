import { assert, assertEquals } from "@std/assert";
import { findHosts, type HostSearch } from "../../src/delivery/mx.ts";
import { parseNetwork } from "../../src/net_address.ts";
import type { MxRoute, SmarthostRoute } from "../../src/routing/route.ts";
import { MemoryRandom } from "../../src/runtime/memory_random.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";
import type { DnsNameRecords } from "../../src/runtime/dns_zones.ts";

const MX: MxRoute = {
  kind: "mx",
  domain: "example.test",
  port: 25,
  tls: "opportunistic",
  family: "ipv6-first",
  allowAddresses: [],
  connections: 20,
  eightBit: "convert",
};
const SMARTHOST: SmarthostRoute = {
  ...MX,
  kind: "smarthost",
  host: "relay.test",
  port: 587,
  implicitTls: false,
};
const OWN = { hostnames: ["mail.here.test"], addresses: ["198.51.100.25", "2001:db8:25::1"] };

function world(names: Record<string, DnsNameRecords>): MemoryResolver {
  const resolver = new MemoryResolver();
  for (const [name, records] of Object.entries(names)) resolver.set(name, records);
  return resolver;
}

function search(
  names: Record<string, DnsNameRecords> | MemoryResolver,
  route: Partial<MxRoute> | SmarthostRoute = {},
  seed = 1,
): Promise<HostSearch> {
  const resolver = names instanceof MemoryResolver ? names : world(names);
  const whole = "kind" in route && route.kind === "smarthost" ? route : { ...MX, ...route };
  return findHosts(resolver, whole as MxRoute | SmarthostRoute, OWN, new MemoryRandom(seed));
}

/** `status code enhanced`, or the hosts with their addresses. */
function brief(result: HostSearch): string | Record<string, readonly string[]> {
  if (result.status !== "found") {
    return `${result.status} ${result.reply.code} ${result.reply.enhanced}`;
  }
  return Object.fromEntries(result.hosts.map(({ name, addresses }) => [name, addresses]));
}

function names(result: HostSearch): string[] {
  assert(result.status === "found", JSON.stringify(result));
  return result.hosts.map(({ name }) => name);
}

Deno.test("findHosts() gives the hosts by preference (RFC 5321 §5.1)", async () => {
  const result = await search({
    "example.test": { mx: ["30 c.test", "10 a.test", "20 b.test"] },
    "a.test": { a: ["192.0.2.1"], aaaa: ["2001:db8::1"] },
    "b.test": { aaaa: ["2001:db8::2"] },
    "c.test": { a: ["192.0.2.3", "192.0.2.4"] },
  });
  assertEquals(result, {
    status: "found",
    hosts: [
      { name: "a.test", preference: 10, addresses: ["2001:db8::1", "192.0.2.1"] },
      { name: "b.test", preference: 20, addresses: ["2001:db8::2"] },
      { name: "c.test", preference: 30, addresses: ["192.0.2.3", "192.0.2.4"] },
    ],
  });
});

Deno.test("findHosts() shuffles equal preferences, and only those", async () => {
  const resolver = world({
    "example.test": { mx: ["5 first.test", "10 a.test", "10 b.test", "10 c.test", "20 last.test"] },
  });
  for (const name of ["first", "a", "b", "c", "last"]) {
    resolver.set(`${name}.test`, { a: ["192.0.2.1"] });
  }
  const seen = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const order = names(await search(resolver, {}, seed));
    assertEquals([order[0], order[4]], ["first.test", "last.test"]);
    seen.add(order.slice(1, 4).join(" "));
  }
  // All six orders of three; that one is missing after 100 draws has a chance of 10^-7.
  assertEquals(seen.size, 6);
});

Deno.test("findHosts() takes the domain itself where there is no MX (RFC 5321 §5.1)", async () => {
  assertEquals(
    await search({ "example.test": { a: ["192.0.2.1"] } }),
    {
      status: "found",
      hosts: [{ name: "example.test", preference: 0, addresses: ["192.0.2.1"] }],
    },
  );
  assertEquals(brief(await search({ "example.test": { aaaa: ["2001:db8::1"] } })), {
    "example.test": ["2001:db8::1"],
  });
});

Deno.test("findHosts() does not take the domain itself where its MX are of no use", async () => {
  const records = { "example.test": { mx: ["10 gone.test"], a: ["192.0.2.1"] } };
  assertEquals(brief(await search(records)), "failed 550 5.4.4");
});

Deno.test("findHosts() fails for what DNS has for sure", async () => {
  const cases: [Record<string, DnsNameRecords>, string][] = [
    [{}, "failed 550 5.1.2"],
    [{ "example.test": { txt: ["neither MX nor address"] } }, "failed 550 5.1.2"],
    // RFC 7505 §3, §4
    [{ "example.test": { mx: ["0 ."], a: ["192.0.2.1"] } }, "failed 556 5.1.10"],
    [{ "example.test": { mx: ["10 gone.test", "20 also.gone.test"] } }, "failed 550 5.4.4"],
    [{ "example.test": { mx: ["10 a.test"] }, "a.test": { txt: ["x"] } }, "failed 550 5.4.4"],
    // An address is no name of a host (RFC 1035 §3.3.9).
    [{ "example.test": { mx: ["10 192.0.2.1"] } }, "failed 550 5.4.4"],
  ];
  for (const [records, expected] of cases) {
    assertEquals(brief(await search(records)), expected, JSON.stringify(records));
  }
});

Deno.test("findHosts() ignores a null MX beside others (RFC 7505 §3)", async () => {
  const records = { "example.test": { mx: ["0 .", "10 a.test"] }, "a.test": { a: ["192.0.2.1"] } };
  assertEquals(brief(await search(records)), { "a.test": ["192.0.2.1"] });
});

Deno.test("findHosts() defers while a name server is ill", async () => {
  for (const failure of ["servfail", "refused", "timeout"] as const) {
    const resolver = world({
      "example.test": { mx: ["10 a.test"] },
      "a.test": { a: ["192.0.2.1"] },
      "bare.test": {},
      "gone.test": { mx: ["10 nowhere.test", "20 ill.test"] },
    });
    const failing = async (question: string, domain = "example.test") => {
      resolver.failures.clear();
      resolver.failures.set(question, failure);
      return brief(await search(resolver, { domain }));
    };
    assertEquals(await failing("mx example.test"), "deferred 451 4.4.3");
    assertEquals(await failing("a.test"), "deferred 451 4.4.3");
    assertEquals(await failing("a a.test"), "deferred 451 4.4.3");
    assertEquals(await failing("aaaa a.test"), { "a.test": ["192.0.2.1"] });
    assertEquals(await failing("a bare.test", "bare.test"), "deferred 451 4.4.3");
    assertEquals(await failing("ill.test", "gone.test"), "deferred 451 4.4.3");
  }
});

Deno.test("findHosts() passes over hosts that do not resolve while others do", async () => {
  const resolver = world({
    "example.test": { mx: ["10 gone.test", "20 ill.test", "30 well.test"] },
    "well.test": { a: ["192.0.2.1"] },
  });
  resolver.failures.set("ill.test", "servfail");
  assertEquals(brief(await search(resolver)), { "well.test": ["192.0.2.1"] });
});

Deno.test("findHosts() follows a CNAME of the domain and of a host", async () => {
  const records = {
    "example.test": { cname: "real.test" },
    "real.test": { mx: ["10 alias.test"] },
    "alias.test": { cname: "host.test" },
    "host.test": { a: ["192.0.2.1"] },
  };
  assertEquals(brief(await search(records)), { "alias.test": ["192.0.2.1"] });
});

Deno.test("findHosts() cuts the list where it comes to this station (RFC 5321 §5.1)", async () => {
  const hosts = {
    "a.test": { a: ["192.0.2.1"] },
    "b.test": { a: ["192.0.2.2"] },
    "c.test": { a: ["192.0.2.3"] },
    "mail.here.test": { a: ["198.51.100.25"] },
    "other-name.here.test": { aaaa: ["2001:db8:25::1"], a: ["192.0.2.9"] },
  };
  for (const own of ["MAIL.here.test.", "other-name.here.test"]) {
    const mx = ["10 a.test", `20 ${own}`, "20 b.test", "30 c.test"];
    const result = await search({ ...hosts, "example.test": { mx } });
    assertEquals(brief(result), { "a.test": ["192.0.2.1"] }, own);
    const first = await search({ ...hosts, "example.test": { mx: [`10 ${own}`, "10 a.test"] } });
    assertEquals(brief(first), "failed 550 5.4.6", own);
  }
  const itself = await search(hosts, { domain: "mail.here.test" });
  assertEquals(brief(itself), "failed 550 5.4.6");
});

Deno.test("findHosts() does not ask for hosts that come after this station", async () => {
  const resolver = world({ "example.test": { mx: ["10 mail.here.test", "20 a.test"] } });
  assertEquals(brief(await search(resolver)), "failed 550 5.4.6");
  assertEquals([...resolver.questions.keys()], ["mx example.test"]);
});

/** Addresses that no other machine can have, by family. */
const LOCAL = {
  a: [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.1.1",
    "224.0.0.1",
    "255.255.255.255",
  ],
  aaaa: [
    "::1",
    "::",
    "fe80::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.1.1",
    "::127.0.0.1",
  ],
};

Deno.test("findHosts() never gives an address of this machine or its links", async () => {
  for (const family of ["a", "aaaa"] as const) {
    for (const address of LOCAL[family]) {
      const records = {
        "example.test": { mx: ["10 trap.test"] },
        "trap.test": { [family]: [address] },
      };
      assertEquals(brief(await search(records)), "failed 550 5.4.6", address);
      const itself = { "example.test": { [family]: [address] } };
      assertEquals(brief(await search(itself)), "failed 550 5.4.6", address);
      const beside = {
        "example.test": { mx: ["10 trap.test", "20 b.test"] },
        "trap.test": {
          [family]: [address],
          a: [...(family === "a" ? [address] : []), "192.0.2.1"],
        },
        "b.test": { a: ["192.0.2.2"] },
      };
      assertEquals(
        brief(await search(beside)),
        { "trap.test": ["192.0.2.1"], "b.test": ["192.0.2.2"] },
        address,
      );
    }
  }
});

Deno.test("findHosts() gives such addresses where the route allows them", async () => {
  const allowAddresses = ["127.0.0.0/8", "198.51.100.25"].map((text) => parseNetwork(text)!);
  const records = {
    "example.test": { mx: ["10 a.test", "20 b.test", "30 c.test"] },
    "a.test": { a: ["127.0.0.1"], aaaa: ["::1"] },
    "b.test": { a: ["198.51.100.25"] },
    "c.test": { a: ["169.254.0.1"] },
  };
  assertEquals(brief(await search(records, { allowAddresses })), {
    "a.test": ["127.0.0.1"],
    "b.test": ["198.51.100.25"],
  });
});

Deno.test("findHosts() gives private addresses: they are real networks", async () => {
  const addresses = ["10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1"];
  const records = { "example.test": { a: addresses, aaaa: ["fd00::1"] } };
  assertEquals(brief(await search(records)), { "example.test": ["fd00::1", ...addresses] });
});

Deno.test("findHosts() keeps to the families of the route", async () => {
  const records = {
    "example.test": { mx: ["10 both.test", "20 four.test", "30 six.test"] },
    "both.test": { a: ["192.0.2.1"], aaaa: ["2001:db8::1"] },
    "four.test": { a: ["192.0.2.4"] },
    "six.test": { aaaa: ["2001:db8::6"] },
  };
  const four = { "four.test": ["192.0.2.4"] };
  const six = { "six.test": ["2001:db8::6"] };
  const cases = {
    "ipv6-first": { "both.test": ["2001:db8::1", "192.0.2.1"], ...four, ...six },
    "ipv4-first": { "both.test": ["192.0.2.1", "2001:db8::1"], ...four, ...six },
    "ipv6-only": { "both.test": ["2001:db8::1"], ...six },
    "ipv4-only": { "both.test": ["192.0.2.1"], ...four },
  } as const;
  for (const [family, expected] of Object.entries(cases)) {
    const resolver = world(records);
    const result = await search(resolver, { family: family as MxRoute["family"] });
    assertEquals(brief(result), expected, family);
    const asked = [...resolver.questions.keys()].map((question) => question.split(" ")[0]);
    assertEquals(asked.includes("aaaa"), family !== "ipv4-only");
    assertEquals(asked.includes("a"), family !== "ipv6-only");
  }
  const only = await search({ "example.test": { aaaa: ["2001:db8::1"] } }, { family: "ipv4-only" });
  assertEquals(brief(only), "failed 550 5.4.4");
});

Deno.test("findHosts() takes address literals without asking (RFC 5321 §4.1.3)", async () => {
  const resolver = new MemoryResolver();
  const literal = async (domain: string) => brief(await search(resolver, { domain }));
  assertEquals(await literal("[192.0.2.1]"), { "[192.0.2.1]": ["192.0.2.1"] });
  assertEquals(await literal("[IPv6:2001:db8::1]"), { "[IPv6:2001:db8::1]": ["2001:db8::1"] });
  assertEquals(await literal("[127.0.0.1]"), "failed 550 5.4.6");
  assertEquals(await literal("[IPv6:::ffff:127.0.0.1]"), "failed 550 5.4.6");
  assertEquals(await literal("[198.51.100.25]"), "failed 550 5.4.6");
  assertEquals(await literal("[x:y]"), "failed 550 5.1.2");
  assertEquals(resolver.questions.size, 0);
});

Deno.test("findHosts() asks the addresses of a smarthost, not its MX", async () => {
  const resolver = world({
    "relay.test": { a: ["192.0.2.1"], aaaa: ["2001:db8::1"], mx: ["10 wrong.test"] },
  });
  assertEquals(await search(resolver, SMARTHOST), {
    status: "found",
    named: true,
    hosts: [{ name: "relay.test", preference: 0, addresses: ["2001:db8::1", "192.0.2.1"] }],
  });
  assertEquals([...resolver.questions.keys()].sort(), ["a relay.test", "aaaa relay.test"]);
  assertEquals(brief(await search({}, { ...SMARTHOST, host: "192.0.2.7" })), {
    "192.0.2.7": ["192.0.2.7"],
  });
  assertEquals(brief(await search({}, { ...SMARTHOST, host: "2001:DB8::7" })), {
    "2001:db8::7": ["2001:db8::7"],
  });
});

Deno.test("findHosts() defers whatever is wrong with a smarthost: it is a setting", async () => {
  const ill = new MemoryResolver();
  ill.failures.set("relay.test", "timeout");
  assertEquals(brief(await search(ill, SMARTHOST)), "deferred 451 4.4.3");
  assertEquals(brief(await search({}, SMARTHOST)), "deferred 451 4.4.4");
  assertEquals(brief(await search({}, { ...SMARTHOST, host: "127.0.0.1" })), "deferred 451 4.4.6");
  const allowAddresses = [parseNetwork("127.0.0.1")!];
  assertEquals(
    brief(await search({}, { ...SMARTHOST, host: "127.0.0.1", allowAddresses })),
    { "127.0.0.1": ["127.0.0.1"] },
  );
});

Deno.test("findHosts() is bounded, whatever DNS says", async () => {
  const many = (prefix: string) => Array.from({ length: 50 }, (_, i) => `${prefix}${i + 1}`);
  const resolver = world({ "example.test": { mx: many("10 h").map((mx) => `${mx}.test`) } });
  for (const host of many("h")) {
    resolver.set(`${host}.test`, { a: many("192.0.2."), aaaa: many("2001:db8::") });
  }
  const result = await search(resolver);
  assert(result.status === "found");
  assertEquals(resolver.questions.size, 1 + 2 * 10);
  const addresses = result.hosts.flatMap((host) => host.addresses);
  assertEquals(addresses.length, 20);
  // One host does not crowd the others out, nor one family the other.
  assertEquals(result.hosts.length, 3);
  assertEquals(result.hosts[0]!.addresses.filter((address) => address.includes(".")).length, 4);
});

Deno.test("findHosts() asks for a host once, at its lowest preference", async () => {
  const resolver = world({
    "example.test": { mx: ["20 A.test", "10 a.test.", "15 b.test"] },
    "a.test": { a: ["192.0.2.1", "192.0.2.1"] },
    "b.test": { a: ["192.0.2.2"] },
  });
  assertEquals(brief(await search(resolver)), { "a.test": ["192.0.2.1"], "b.test": ["192.0.2.2"] });
  assertEquals(resolver.questions.get("a a.test"), 1);
});

Deno.test("findHosts() defers when it is aborted", async () => {
  const resolver = world({ "example.test": { a: ["192.0.2.1"] } });
  const aborted = AbortSignal.abort();
  const result = await findHosts(resolver, MX, OWN, new MemoryRandom(1), aborted);
  assertEquals(brief(result), "deferred 451 4.4.3");
});

Deno.test("findHosts() tells whether DNSSEC vouches for who the hosts are, or that there is no MX", async () => {
  const named = async (domain: string, sign: string) => {
    const resolver = world({
      "mail.test": { mx: ["10 mx.host.test"] },
      "mx.host.test": { a: ["192.0.2.1"] },
      "bare.test": { a: ["192.0.2.1"] },
    });
    resolver.signed.add(sign);
    const found = await search(resolver, { domain });
    return found.status === "found" && [found.named ?? false, found.hosts[0]?.signed ?? false];
  };
  assertEquals(await named("mail.test", "mail.test"), [true, false]);
  assertEquals(await named("mail.test", "host.test"), [false, true]);
  assertEquals(await named("bare.test", "bare.test"), [true, true]);
  assertEquals(await named("bare.test", "host.test"), [false, false]);
});
