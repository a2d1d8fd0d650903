/**
 * Mail that goes from station to station: by MX, again when told to wait, until it cannot be done.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SpoolBusyError } from "../../src/queue/spool/owner.ts";
import { startMta } from "../../src/mta.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import { fates, isReport, readReport } from "./report.ts";
import { DAY, HOUR, idsOf, MINUTE, SECOND, World } from "./world.ts";

Deno.test("a mail for here and for two domains elsewhere arrives once in each mailbox", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  const c = await world.station("c.example");
  const to = ["bob@a.example", "alice@b.example", "bob@b.example", "alice@c.example"];
  await a.submit("alice@a.example", to);
  await world.pass(SECOND);
  for (const station of [a, b, c]) {
    for (const user of ["alice", "bob"]) {
      const wanted = to.filter((address) => address === `${user}@${station.domain}`).length;
      assertEquals((await station.mailbox(user)).length, wanted, `${user}@${station.domain}`);
    }
    assertEquals(await station.queued(), []);
    assertEquals(station.faults, []);
  }
  // RFC 5321 §4.4: the last station adds the return path, each a Received field on top.
  const [mail] = await b.mailbox("alice");
  assertMatch(mail!, /^Return-Path: <alice@a\.example>\r\n/);
  assertEquals(mail!.match(/^Received: from /gm)?.length, 2);
  assertMatch(mail!, /^Received: from mx\.a\.example .*by mx\.b\.example/ms);
  assertEquals(b.of("session.opened").length, 1);
});

Deno.test("a mail put off with 4xx is tried again later and arrives (RFC 5321 §4.5.4.1)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const start = world.clock.now();
  const answers = (line: string) =>
    line.startsWith("RCPT") && world.clock.now() - start < 30 * MINUTE
      ? "450 4.7.1 greylisted"
      : undefined;
  const peer = await world.peer("b.example", { on: answers });
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(29 * MINUTE);
  assertEquals([peer.messages.length, (await a.queued()).length], [0, 1]);
  assert(peer.said("RCPT").length >= 2);
  await world.pass(30 * MINUTE);
  assertEquals([peer.messages.length, (await a.queued()).length], [1, 0]);
  assertEquals(await a.mailbox("alice"), []);
});

Deno.test("a mail that nobody takes is told of once after hours, and comes back once after five days", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const start = world.clock.now();
  await world.peer("b.example", {
    on: (line) => line.startsWith("RCPT") ? "451 4.3.2 not today" : undefined,
  });
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(3 * HOUR);
  assertEquals(await a.mailbox("alice"), []);
  await world.pass(5 * HOUR + MINUTE);
  const [delayed, ...none] = (await a.mailbox("alice")).map(readReport);
  assertEquals(none, []);
  assertEquals(fates(delayed!), ["bob@b.example delayed 4.3.2"]);
  // RFC 3464 §2.3.9: the date after which no more is tried.
  assertEquals(Date.parse(delayed!.recipients[0]!["will-retry-until"]!), start + 5 * DAY);
  await world.pass(4 * DAY + 15 * HOUR);
  assertEquals((await a.mailbox("alice")).length, 1);
  await world.pass(2 * HOUR);
  const [, failed, ...more] = (await a.mailbox("alice")).map(readReport);
  assertEquals(more, []);
  // RFC 3463 §3.5: X.4.7, "useful only as a persistent transient error".
  assertEquals(fates(failed!), ["bob@b.example failed 4.4.7"]);
  assertMatch(failed!.text, /not today/);
  assertEquals(await a.queued(), []);
  await world.pass(5 * DAY);
  assertEquals((await a.mailbox("alice")).length, 2);
});

Deno.test("the refusal of one recipient comes back, the others have their mail (RFC 5321 §6.1)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await a.submit("alice@a.example", ["bob@b.example", "nobody@b.example"]);
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 1);
  const [report, ...more] = (await a.mailbox("alice")).map(readReport);
  assertEquals(more, []);
  assertEquals(fates(report!), ["nobody@b.example failed 5.1.1"]);
  assertEquals(report!.recipients[0]!["remote-mta"], "dns; mx.b.example");
});

Deno.test("mail moves on to the next host of a domain when the first is down", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  world.resolver.set("b.example", { mx: ["10 dead.b.example", "20 mx.b.example"] });
  world.resolver.set("dead.b.example", { a: ["192.0.2.200"] });
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 1);
});

Deno.test("a station that was down for hours gets its mail when it is back", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await b.stop();
  for (let i = 0; i < 20; i++) await a.submit("alice@a.example", "bob@b.example");
  await world.pass(3 * HOUR);
  assertEquals((await a.queued()).length, 20);
  await b.start();
  await world.pass(3 * HOUR);
  assertEquals((await b.mailbox("bob")).length, 20);
  assertEquals(await a.queued(), []);
  assertEquals((await a.mailbox("alice")).filter(isReport), []);
});

Deno.test("two stations hand mail to each other at the same time", async () => {
  await using world = new World();
  world.hub.network.wires.conditions = () => ({ delay: 20, split: (n) => Math.min(n, 700) });
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  const taking = Array.from({ length: 100 }, (_, i) => [
    a.mta.submit({ sender: "alice@a.example", recipients: ["bob@b.example"] }, `N: ${i}\n\nx\n`),
    b.mta.submit({ sender: "alice@b.example", recipients: ["bob@a.example"] }, `N: ${i}\n\nx\n`),
  ]).flat();
  await world.clock.runUntil(Promise.all(taking));
  await world.pass(MINUTE);
  for (const station of [a, b]) {
    const mails = await station.mailbox("bob");
    const numbers = mails.map((mail) => Number(/^N: (\d+)/m.exec(mail)?.[1]));
    assertEquals(new Set(numbers).size, 100);
    assertEquals(mails.length, 100);
    assertEquals(await station.queued(), []);
    assertEquals(station.faults, []);
  }
});

Deno.test("a mail that goes round in circles ends, with one notice (RFC 5321 §6.3)", async () => {
  await using world = new World();
  const home = await world.station("home.example");
  const directory = (own: string, other: string) => ({
    accounts: { [`postmaster@${own}`]: {} },
    aliases: { [`round@${own}`]: `round@${other}` },
  });
  const a = await world.station("a.example", { directory: directory("a.example", "b.example") });
  const b = await world.station("b.example", { directory: directory("b.example", "a.example") });
  await home.submit("alice@home.example", "round@a.example");
  await world.pass(HOUR);
  const [report, ...more] = (await home.mailbox("alice")).map(readReport);
  assertEquals(more, []);
  assertMatch(report!.recipients[0]!.status!, /^5\.4\.6$/);
  assertEquals([await a.queued(), await b.queued()], [[], []]);
});

Deno.test("stations whose senders do not exist do not bounce at each other for ever (RFC 5321 §6.1)", async () => {
  await using world = new World();
  const a = await world.station("a.example", { postmaster: "alice@a.example" });
  const b = await world.station("b.example", { postmaster: "alice@b.example" });
  await a.submit("ghost@b.example", "nobody@b.example");
  await world.pass(DAY);
  assertEquals([await a.queued(), await b.queued()], [[], []]);
  // The failure notice to ghost@ is refused by B, and A's postmaster hears of it.
  const [report, ...more] = (await a.mailbox("alice")).map(readReport);
  assertEquals(more, []);
  assertEquals(fates(report!), ["ghost@b.example failed 5.1.1"]);
  assertMatch(report!.head["return-path"]!, /^<>$/);
  assertEquals(await b.mailbox("alice"), []);
});

Deno.test("a double bounce without a postmaster is dropped, and told as an event", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await a.submit("ghost@b.example", "nobody@b.example");
  await world.pass(DAY);
  assertEquals([await a.queued(), await b.queued()], [[], []]);
  assertEquals(a.of("notice.dropped").length, 1);
  assertEquals([a.faults, b.faults], [[], []]);
});

Deno.test("a postmaster whose own host refuses is not bounced to again", async () => {
  await using world = new World();
  const a = await world.station("a.example", { postmaster: "chief@b.example" });
  const b = await world.station("b.example");
  await a.submit("ghost@b.example", "nobody@b.example");
  await world.pass(DAY);
  assertEquals([await a.queued(), await b.queued()], [[], []]);
  assertEquals(a.of("notice.dropped").length, 1);
});

Deno.test("stop() in the midst of relaying loses nothing, and nothing is left running", async () => {
  for (const moment of [0, 30, 70, 110, 150, 200, 260, 330, 400]) {
    await using world = new World();
    world.hub.network.wires.conditions = () => ({ delay: 20 });
    const a = await world.station("a.example");
    const b = await world.station("b.example");
    const ids = await Promise.all(
      Array.from({ length: 30 }, () => a.submit("alice@a.example", ["bob@b.example"])),
    );
    await world.pass(moment);
    await world.clock.runUntil(a.stop(moment % 60 === 0 ? 0 : 50));
    await world.pass(MINUTE);
    await a.start();
    await world.pass(HOUR);
    const mails = await b.mailbox("bob");
    const count = (id: string) => mails.filter((mail) => mail.includes(id)).length;
    for (const id of ids) assert(count(id) >= 1, `${id} is lost, stopped after ${moment} ms`);
    assertEquals(await a.queued(), []);
    assertEquals(await a.mailbox("alice"), []);
  }
});

Deno.test("stop() with grace lets what is under way finish: nothing arrives twice", async () => {
  await using world = new World();
  world.hub.network.wires.conditions = () => ({ delay: 20 });
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  for (let i = 0; i < 30; i++) await a.submit("alice@a.example", "bob@b.example");
  await world.clock.runUntil(a.stop(10 * SECOND));
  await a.start();
  await world.pass(HOUR);
  assertEquals((await b.mailbox("bob")).length, 30);
});

Deno.test("a second station on the same queue is turned away (SpoolBusyError)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  await a.submit("alice@a.example", "bob@void.example");
  const second = startMta({
    runtime: a.runtime,
    hostname: "second.a.example",
    directory: mapDirectory({ accounts: {} }),
    delivery: { maildirRoot: "/mail2" },
    queue: { directory: "/srv/spool/queue" },
    listeners: [{ role: "mx", address: { transport: "tcp", hostname: "0.0.0.0", port: 2525 } }],
  });
  await assertRejects(() => world.clock.runUntil(second), SpoolBusyError);
  // Nothing of the first is harmed.
  world.resolver.set("void.example", { mx: ["10 mx.b.example"] });
  await world.station("b.example", { directory: { accounts: { "bob@void.example": {} } } });
  const id = await a.submit("alice@a.example", "bob@void.example");
  await world.pass(SECOND);
  assertEquals(idsOf(await a.queued()).includes(id), false);
});
