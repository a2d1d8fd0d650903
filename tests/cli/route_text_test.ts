/**
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/cli/exit.ts";
import { acceptDomains, readCredentialLines, readRoute } from "../../src/cli/route_text.ts";
import { RouteTable, type ViaOptions } from "../../src/routing/route_table.ts";

const CREDENTIALS = new Map([["relay.example", { user: "u", password: "p w" }]]);

const WAYS: readonly (readonly [string, ViaOptions])[] = [
  ["mx", { kind: "mx" }],
  ["mx:2525", { kind: "mx", port: 2525 }],
  ["smtp:a.example", { kind: "smarthost", host: "a.example" }],
  ["smtp:192.0.2.1:2525", { kind: "smarthost", host: "192.0.2.1", port: 2525 }],
  ["smtp:[2001:db8::1]:26", { kind: "smarthost", host: "2001:db8::1", port: 26 }],
  ["smtps:Relay.example", {
    kind: "smarthost",
    host: "Relay.example",
    implicitTls: true,
    credentials: { user: "u", password: "p w" },
  }],
  ["lmtp:unix:/run/lmtp", { kind: "lmtp", address: { transport: "unix", path: "/run/lmtp" } }],
  ["lmtp:127.0.0.1:24", {
    kind: "lmtp",
    address: { transport: "tcp", hostname: "127.0.0.1", port: 24 },
  }],
  ["pipe:/bin/cat -n {user}", { kind: "pipe", program: "/bin/cat", arguments: ["-n", "{user}"] }],
  ["hold", { kind: "hold" }],
  ["hold:smtp:a.example", { kind: "hold", then: { kind: "smarthost", host: "a.example" } }],
];

for (const [text, via] of WAYS) {
  Deno.test(`readRoute() reads ${text}`, () => {
    assertEquals(readRoute(`a.example,.b.example=${text}`, CREDENTIALS), {
      domains: ["a.example", ".b.example"],
      via,
    });
  });
}

for (const text of ["", "a.example", "=mx", "a.example=", "a.example=x", "a=pipe:", "a=smtp:a b"]) {
  Deno.test(`readRoute() says what it wants for "${text}"`, () => {
    assertThrows(() => readRoute(text, CREDENTIALS), UsageError, "wanted DOMAIN=WAY");
  });
}

Deno.test("readRoute() takes the login of a port before that of its host", () => {
  const login = (user: string) => ({ user, password: "p" });
  const credentials = new Map([["h.example", login("any")], ["h.example:2525", login("one")]]);
  const userOf = (way: string) => {
    const { via } = readRoute(`*=${way}`, credentials);
    return via.kind === "smarthost" && via.credentials?.user;
  };
  assertEquals(userOf("smtp:h.example:2525"), "one");
  assertEquals(userOf("smtp:h.example:587"), "any");
  assertEquals(userOf("smtp:h.example"), "any");
});

Deno.test("readCredentialLines() reads lines, and names a wrong one without its secret", () => {
  const text = "# hosts\nRelay.example u p w \n\n";
  assertEquals(readCredentialLines(text, "f"), CREDENTIALS);
  const error = assertThrows(() => readCredentialLines("a b c\nsecret", "f"), UsageError, "f:2:");
  assertEquals((error as Error).message.includes("secret"), false);
});

const ROUTES = ["a.example,b.example,*=smtp:relay.example", ".c.example=mx:2525"];

/** Relay domains, and of some domains whether anybody's mail for them is taken and which way it goes. */
const ACCEPTED: readonly (readonly [readonly string[], Readonly<Record<string, string>>])[] = [
  [["A.example"], {
    "a.example": "taken smarthost",
    "b.example": "smarthost",
    "x.test": "smarthost",
  }],
  [["a.example", "b.example"], { "a.example": "taken smarthost", "b.example": "taken smarthost" }],
  [["in.c.example"], { "in.c.example": "taken mx:2525", "c.example": "smarthost" }],
  [["new.example"], { "new.example": "taken smarthost", "x.new.example": "smarthost" }],
];

for (const [domains, expected] of ACCEPTED) {
  Deno.test(`acceptDomains() takes mail for ${domains} from anybody, and for nobody else`, () => {
    const routes = ROUTES.map((text) => readRoute(text, new Map()));
    const table = new RouteTable(acceptDomains(routes, domains));
    for (const [domain, wanted] of Object.entries(expected)) {
      const route = table.find(domain);
      const way = route.kind === "mx" ? `mx:${route.port}` : route.kind;
      assertEquals(`${table.accepts(domain) ? "taken " : ""}${way}`, wanted, domain);
    }
  });
}
