/**
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { networkContains } from "../../src/net_address.ts";
import type { Route } from "../../src/routing/route.ts";
import { type RouteOptions, RouteTable } from "../../src/routing/route_table.ts";

const smarthost = (host: string): RouteOptions["via"] => ({ kind: "smarthost", host });

function hostOf(route: Route): string {
  return route.kind === "smarthost" ? route.host : route.kind;
}

const TABLE = new RouteTable([
  { domains: ["*"], via: smarthost("all.example") },
  { domains: ["example.org", "[192.0.2.1]"], via: smarthost("exact.example") },
  { domains: [".example.org"], via: smarthost("below.example") },
  { domains: [".deep.example.org"], via: smarthost("deep.example"), accept: true },
  { domains: ["bücher.example"], via: { kind: "mx" }, accept: true },
]);

for (
  const [domain, expected] of [
    ["example.org", "exact.example"],
    ["EXAMPLE.org", "exact.example"],
    ["a.example.org", "below.example"],
    ["deep.example.org", "below.example"],
    ["x.y.deep.example.org", "deep.example"],
    ["notexample.org", "all.example"],
    ["org", "all.example"],
    ["[192.0.2.1]", "exact.example"],
    ["[192.0.2.2]", "all.example"],
    ["xn--bcher-kva.example", "mx"],
  ] as const
) {
  Deno.test(`RouteTable.find() gives ${expected} for ${domain}`, () => {
    assertEquals(hostOf(TABLE.find(domain)), expected);
  });
}

Deno.test("RouteTable.find() leads to the MX of the domain where nothing is said", () => {
  assertEquals(new RouteTable().find("Bücher.example"), {
    kind: "mx",
    domain: "xn--bcher-kva.example",
    port: 25,
    tls: "opportunistic",
    dane: true,
    mtaSts: true,
    family: "ipv6-first",
    allowAddresses: [],
    connections: 20,
    eightBit: "convert",
  });
});

Deno.test("RouteTable.accepts() holds for what the operator named, and nothing else", () => {
  assertEquals(TABLE.accepts("a.deep.example.org"), true);
  assertEquals(TABLE.accepts("bücher.example"), true);
  assertEquals(TABLE.accepts("deep.example.org"), false);
  assertEquals(TABLE.accepts("anything.example"), false);
  assertEquals(new RouteTable().accepts("anything.example"), false);
});

Deno.test("RouteTable gives a smarthost with credentials verified TLS and port 587", () => {
  const credentials = { user: "u", password: "p" };
  const table = new RouteTable([
    { domains: ["a.example"], via: { kind: "smarthost", host: "h.example", credentials } },
    {
      domains: ["b.example"],
      via: { kind: "smarthost", host: "h.example", credentials, implicitTls: true },
    },
    {
      domains: ["c.example"],
      via: {
        kind: "smarthost",
        host: "h.example",
        credentials: { ...credentials, allowUnverified: true },
      },
    },
  ]);
  const facts = ["a.example", "b.example", "c.example"].map((domain) => {
    const route = table.find(domain);
    return route.kind === "smarthost" && [route.tls, route.port];
  });
  assertEquals(facts, [["verified", 587], ["verified", 465], ["required", 587]]);
});

Deno.test("RouteTable.holdsAny tells whether a domain waits for ETRN", () => {
  assertEquals(TABLE.holdsAny, false);
  const table = new RouteTable([{ domains: ["a.example"], via: { kind: "hold" } }]);
  assertEquals(table.holdsAny, true);
  const route = table.find("a.example");
  assertEquals(route.kind === "hold" && route.then.kind, "mx");
});

const WRONG: readonly (readonly [string, RouteOptions, string])[] = [
  ["no domain", { domains: [], via: { kind: "mx" } }, "domains"],
  ["what is no domain", { domains: ["a b"], via: { kind: "mx" } }, "no domain"],
  ["an open relay", { domains: ["*"], via: { kind: "mx" }, accept: true }, "relay for everybody"],
  ["a host that is none", { domains: ["*"], via: smarthost("a b") }, "neither a name"],
  ["port 0", { domains: ["*"], via: { kind: "mx", port: 0 } }, "no port 0"],
  ["no connections", { domains: ["*"], via: { kind: "mx", connections: 0 } }, "over 0"],
  [
    "a source that is none",
    { domains: ["*"], via: { kind: "mx", source: { ipv4: "x" } } },
    "source",
  ],
  [
    "a network that is none",
    { domains: ["*"], via: { kind: "mx", allowAddresses: ["lo"] } },
    "not a network",
  ],
  ["an option whose value is often empty", {
    domains: ["*"],
    via: { kind: "pipe", program: "x", arguments: ["-t{tag}", "{user}"] },
  }, "-t{tag}"],
  ["an empty program", { domains: ["*"], via: { kind: "pipe", program: "" } }, "program"],
  [
    "a password for whoever answers",
    {
      domains: ["*"],
      via: {
        kind: "smarthost",
        host: "h.example",
        tls: "required",
        credentials: { user: "u", password: "p" },
      },
    },
    "allowUnverified",
  ],
  [
    "a password in clear",
    {
      domains: ["*"],
      via: {
        kind: "smarthost",
        host: "h.example",
        tls: "opportunistic",
        credentials: { user: "u", password: "p", allowUnverified: true },
      },
    },
    "never go in clear",
  ],
  ["a kind that is none", { domains: ["*"], via: { kind: "x" } as never }, "kind"],
];

for (const [name, rule, words] of WRONG) {
  Deno.test(`RouteTable refuses ${name}`, () => {
    assertThrows(() => new RouteTable([rule]), TypeError, words);
  });
}

Deno.test("RouteTable refuses two rules for one domain", () => {
  const rule: RouteOptions = { domains: ["a.example"], via: { kind: "mx" } };
  assertThrows(() => new RouteTable([rule, rule]), TypeError, "already");
});

Deno.test("RouteTable finds address literals however they are written", () => {
  const via = { kind: "smarthost", host: "smtp.example.net" } as const;
  const table = new RouteTable([{ domains: ["[IPv6:2001:DB8:0::1]", "[192.0.02.1]"], via }]);
  for (const domain of ["[IPv6:2001:db8::1]", "[192.0.2.1]"]) {
    assertEquals(table.find(domain).kind, "smarthost");
  }
});

Deno.test("RouteTable lets an address that was written down be loopback, and localhost, but no other name", () => {
  const allowed = (host: string) => {
    const route = new RouteTable([{ domains: ["*"], via: smarthost(host) }]).find("a.example");
    return route.kind === "smarthost" &&
      route.allowAddresses.some((network) => networkContains(network, "127.0.0.1"));
  };
  assertEquals(["127.0.0.1", "localhost", "Localhost", "relay.example"].map(allowed), [
    true,
    true,
    true,
    false,
  ]);
});
