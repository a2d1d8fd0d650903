import { assert, assertEquals, assertFalse } from "@std/assert";
import { parseNetwork } from "../../src/net_address.ts";
import { mayRelay, RELAY_DENIED } from "../../src/policy/relay.ts";
import { describeReply } from "../../src/smtp/reply.ts";

const NETWORKS = ["192.0.2.0/24", "2001:db8::/32"].map((text) => parseNetwork(text)!);

Deno.test("mayRelay() lets who has logged in, from anywhere", () => {
  assert(mayRelay({ identity: "alice@example.org", client: "198.51.100.7" }, []));
  assert(mayRelay({ identity: "alice@example.org", client: "unix" }, []));
});

Deno.test("mayRelay() lets clients in the networks, IPv4 and IPv6", () => {
  for (const client of ["192.0.2.1", "192.0.2.255", "2001:db8::7"]) {
    assert(mayRelay({ identity: null, client }, NETWORKS), client);
  }
});

Deno.test("mayRelay() lets nobody else", () => {
  for (const client of ["192.0.3.1", "127.0.0.1", "2001:db9::1", "unix", ""]) {
    assertFalse(mayRelay({ identity: null, client }, NETWORKS), client);
  }
  assertFalse(mayRelay({ identity: null, client: "192.0.2.1" }, []));
});

Deno.test("RELAY_DENIED is 550 5.7.1", () => {
  assertEquals(describeReply(RELAY_DENIED).slice(0, 9), "550 5.7.1");
});
