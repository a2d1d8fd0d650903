import { assertEquals } from "@std/assert";
import {
  type DaneGuard,
  guardName,
  guardsInOrder,
  type HostGuard,
  type StsGuard,
  type TlsGuards,
} from "../../src/delivery/tls_guard.ts";
import { reply } from "../../src/smtp/reply.ts";
import { mxRoute } from "./relay_world.ts";

const RECORD = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
const NONE: HostGuard = { kind: "none", why: "nothing" };
const DANE: DaneGuard = {
  ...{ kind: "dane", base: "mx.test", names: ["mx.test"], records: [RECORD] },
};
const USELESS: DaneGuard = { ...DANE, records: [] };
const POLICY = { mode: "enforce", mx: ["mx.test"], maxAge: 86400 } as unknown as StsGuard["policy"];
const ENFORCED: HostGuard = { kind: "sts", domain: "test", mode: "enforce", policy: POLICY };
const TESTING: HostGuard = { ...ENFORCED, mode: "testing" };
const SHUT: HostGuard = {
  ...{ kind: "shut", by: "sts", reply: reply(451, "4.7.5", "not listed") },
  fault: { type: "validation-failure", text: "not listed" },
};

/** What comes of two, the second of which would say something; it gives back what is there already. */
async function both(first: HostGuard, second: HostGuard, named: boolean): Promise<HostGuard> {
  const dane: TlsGuards = { guard: () => [first] };
  const sts: TlsGuards = {
    guard: (_, before) => before[0]?.kind === "none" ? Promise.resolve([second]) : before,
  };
  const hosts = [{ name: "mx.test", preference: 10, addresses: ["192.0.2.1"] }];
  const question = { route: mxRoute(), domain: "test", named, hosts };
  const [found] = await guardsInOrder([dane, sts]).guard(question, []);
  return found!;
}

Deno.test("guardsInOrder() has DANE stand where DNSSEC vouches for who the hosts are (RFC 8461 §2)", async () => {
  for (const other of [ENFORCED, SHUT, TESTING, NONE]) {
    assertEquals(await both(DANE, other, true), DANE);
    assertEquals(await both(NONE, other, true), other);
  }
});

Deno.test("guardsInOrder() lets nobody around a policy by hosts of his own that have DANE", async () => {
  assertEquals(await both(DANE, SHUT, false), SHUT);
  assertEquals(await both(DANE, ENFORCED, false), { ...DANE, listed: true });
  assertEquals(await both(DANE, TESTING, false), DANE);
  assertEquals(await both(DANE, NONE, false), DANE);
});

Deno.test("guardsInOrder() takes a policy before records that prove nothing", async () => {
  for (const named of [true, false]) {
    assertEquals(await both(USELESS, ENFORCED, named), ENFORCED);
    assertEquals(await both(USELESS, SHUT, named), SHUT);
    assertEquals(await both(USELESS, TESTING, named), USELESS);
    assertEquals(await both(USELESS, NONE, named), USELESS);
  }
});

Deno.test("guardName() names what vouches for a peer, and nothing that does not", () => {
  const names = [DANE, USELESS, ENFORCED, TESTING, NONE, SHUT].map(guardName);
  assertEquals(names, ["DANE", null, "MTA-STS", null, null, null]);
});
