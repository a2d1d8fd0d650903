import { assertEquals } from "@std/assert";
import { whyNoBan } from "../../../src/config/policies/ban_effect.ts";

const RULES = {
  abuse: { exempt: ["127.0.0.0/8", "::1/128", "192.0.2.0/28"], bans: { enabled: true } },
  relay: { from: ["198.51.100.0/24", "2001:db8:1::/48"] },
};

/** The key that stands in the way. */
function keyFor(named: string): string | null {
  const why = whyNoBan(RULES, named);
  return why === null ? null : / since (\S+) has /.exec(why)?.[1] ?? why;
}

Deno.test("whyNoBan() says which key has what is to be banned", () => {
  const cases: readonly [string, string | null][] = [
    ["127.0.0.1", "abuse.exempt"],
    ["::ffff:127.0.0.1", "abuse.exempt"],
    ["::1", "abuse.exempt"],
    ["192.0.2.15", "abuse.exempt"],
    ["192.0.2.16", null],
    ["192.0.2.0/29", "abuse.exempt"],
    ["198.51.100.7", "relay.from"],
    ["2001:db8:1:2::5", "relay.from"],
    ["2001:db8:1:2::/64", "relay.from"],
    ["2001:db8:2::5", null],
  ];
  for (const [named, key] of cases) assertEquals([named, keyFor(named)], [named, key]);
});

Deno.test("whyNoBan() lets a network be banned of which only a part is exempt", () => {
  for (const network of ["192.0.2.0/24", "198.51.0.0/16", "2001:db8::/32", "::/64"]) {
    assertEquals([network, keyFor(network)], [network, null]);
  }
});

Deno.test("whyNoBan() says that bans are switched off", () => {
  const off = { ...RULES, abuse: { ...RULES.abuse, bans: { enabled: false } } };
  assertEquals(
    whyNoBan(off, "203.0.113.7"),
    "nobody is banned while abuse.bans.enabled is false: set it, then yizhan reload",
  );
});
