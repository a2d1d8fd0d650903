import { assertEquals } from "@std/assert";
import { parseNetwork } from "../../../src/net_address.ts";
import { DEFAULT_EXEMPT, isStranger } from "../../../src/policy/abuse/stranger.ts";
import type { SessionView } from "../../../src/policy/policy.ts";

const CLIENT: SessionView = {
  id: "1",
  role: "mx",
  client: "192.0.2.7",
  hello: null,
  tls: null,
  identity: null,
  trusted: false,
};

Deno.test("isStranger() is true of a client that nobody vouches for", () => {
  assertEquals(isStranger(CLIENT), true);
  assertEquals(isStranger({ ...CLIENT, role: "submission" }), true);
  assertEquals(isStranger({ ...CLIENT, client: "2001:db8::1" }), true);
});

Deno.test("isStranger() is false of whoever is known", () => {
  for (
    const known of [
      { trusted: true },
      { identity: "alice@example.org" },
      { role: "lmtp" },
      { role: "catcher" },
      { client: "unix" },
    ]
  ) {
    assertEquals(isStranger({ ...CLIENT, ...known }), false, JSON.stringify(known));
  }
});

Deno.test("isStranger() exempts this machine, and the networks it is given instead", () => {
  for (const client of ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"]) {
    assertEquals(isStranger({ ...CLIENT, client }), false, client);
    assertEquals(isStranger({ ...CLIENT, client }, []), true, client);
  }
  const exempt = [...DEFAULT_EXEMPT, parseNetwork("192.0.2.0/28")!, parseNetwork("2001:db8::/32")!];
  assertEquals(isStranger(CLIENT, exempt), false);
  assertEquals(isStranger({ ...CLIENT, client: "::ffff:192.0.2.7" }, exempt), false);
  assertEquals(isStranger({ ...CLIENT, client: "192.0.2.16" }, exempt), true);
  assertEquals(isStranger({ ...CLIENT, client: "2001:db8::9" }, exempt), false);
});
