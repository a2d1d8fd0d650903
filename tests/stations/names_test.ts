/**
 * What DNS says decides what becomes of a mail: at once, later, or never (RFC 5321 §5.1, RFC 7505).
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { fates, readReport } from "./report.ts";
import { HOUR, MINUTE, SECOND, World } from "./world.ts";

/** A mail to a domain of which the world says what `set` made it say. */
async function sendTo(world: World, to: string, options = {}) {
  const a = await world.station("a.example", options);
  await a.submit("alice@a.example", to);
  await world.pass(SECOND);
  const reports = (await a.mailbox("alice")).map(readReport);
  return { a, reports, fates: reports.flatMap(fates) };
}

Deno.test("a domain that takes no mail (null MX) is told of at once, 5.1.10 (RFC 7505 §4.2)", async () => {
  await using world = new World();
  world.resolver.set("b.example", { mx: ["0 ."], a: ["192.0.2.99"] });
  const { a, fates } = await sendTo(world, "bob@b.example");
  assertEquals(fates, ["bob@b.example failed 5.1.10"]);
  assertEquals(await a.queued(), []);
});

Deno.test("a domain that does not exist is told of at once, 5.1.2 (RFC 5321 §5.1)", async () => {
  await using world = new World();
  const { a, fates, reports } = await sendTo(world, "bob@typo.example");
  assertEquals(fates, ["bob@typo.example failed 5.1.2"]);
  assertEquals(reports[0]!.recipients[0]!["remote-mta"], undefined);
  assertEquals(await a.queued(), []);
});

Deno.test("a name server that is ill puts mail off, and it goes when it is well", async () => {
  for (const failure of ["servfail", "timeout", "refused"] as const) {
    await using world = new World();
    const b = await world.station("b.example");
    world.resolver.failures.set("mx b.example", failure);
    const { a, fates } = await sendTo(world, "bob@b.example");
    await world.pass(HOUR);
    assertEquals([fates, (await a.queued()).length], [[], 1], failure);
    world.resolver.failures.clear();
    await world.pass(2 * HOUR);
    assertEquals((await b.mailbox("bob")).length, 1, failure);
  }
});

Deno.test("an address that cannot be looked up now puts mail off as well", async () => {
  await using world = new World();
  const b = await world.station("b.example");
  world.resolver.failures.set("mx.b.example", "servfail");
  const { a, fates } = await sendTo(world, "bob@b.example");
  assertEquals([fates, (await a.queued()).length], [[], 1]);
  world.resolver.failures.clear();
  await world.pass(HOUR);
  assertEquals((await b.mailbox("bob")).length, 1);
});

Deno.test("an MX that leads to this machine is not connected to, 5.4.6", async () => {
  for (const address of ["127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1"]) {
    await using world = new World();
    world.host("b.example", "mx.b.example", address);
    const { a, fates } = await sendTo(world, "bob@b.example");
    assertEquals(fates, ["bob@b.example failed 5.4.6"], address);
    assertEquals([await a.queued(), a.of("session.opened")], [[], []]);
  }
});

Deno.test("an MX that leads to loopback is connected to where the route allows it", async () => {
  await using world = new World();
  world.host("b.example", "mx.b.example", "127.0.0.1");
  const { a, fates } = await sendTo(world, "bob@b.example", {
    directory: { accounts: { "alice@a.example": {} } },
    routes: [{ domains: ["b.example"], via: { kind: "mx", allowAddresses: ["127.0.0.0/8"] } }],
  });
  // It is we who answer, by our own name.
  assertEquals(fates, ["bob@b.example failed 5.4.6"]);
  assertEquals(a.of("session.opened").length, 1);
});

Deno.test("a domain without MX is its own mail host (RFC 5321 §5.1)", async () => {
  await using world = new World();
  const b = await world.station("b.example");
  world.resolver.set("b.example", { a: [b.address] });
  await sendTo(world, "bob@b.example");
  assertEquals((await b.mailbox("bob")).length, 1);
});

Deno.test("an address literal is connected to as it is, and is of who listens there (RFC 5321 §4.1.3)", async () => {
  await using world = new World();
  const b = await world.station("b.example");
  const { fates, reports } = await sendTo(world, `bob@[${b.address}]`);
  assertEquals(b.of("session.opened").length, 1);
  assertMatch(fates[0]!, /^bob@\[192\.0\.2\.1\] failed 5\./);
  assertEquals(reports[0]!.recipients[0]!["remote-mta"], "dns; [192.0.2.1]");
});

Deno.test("a host with an address of a network that is down is tried at its other one", async () => {
  await using world = new World();
  const b = await world.station("b.example");
  world.resolver.set("mx.b.example", { a: [b.address], aaaa: ["2001:db8::25"] });
  await sendTo(world, "bob@b.example");
  assertEquals((await b.mailbox("bob")).length, 1);
});

Deno.test("a domain that moves is found where it is at the next attempt", async () => {
  await using world = new World();
  const b = await world.station("b.example");
  world.host("b.example", "old.b.example", "192.0.2.200");
  const { a } = await sendTo(world, "bob@b.example");
  assertEquals((await a.queued()).length, 1);
  world.host("b.example", "mx.b.example", b.address);
  await world.pass(40 * MINUTE);
  assertEquals((await b.mailbox("bob")).length, 1);
});
