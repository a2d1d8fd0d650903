/**
 * Delivery status notifications over several stations (RFC 3461, RFC 3464): who makes which, who gets it, what
 * it returns.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import type { SmtpPeer } from "../support/memory_station.ts";
import { fates, readReport } from "./report.ts";
import { HOUR, MINUTE, SECOND, type Station, type StationOptions, World } from "./world.ts";

/** Takes anything from our clients. */
const OPEN: StationOptions = { relayFrom: ["198.51.100.0/24"] };
/** Who knows no DSN. */
const PLAIN = { extensions: { dsn: false } };

/** A session that has said EHLO. */
async function session(world: World, station: Station): Promise<SmtpPeer> {
  const peer = await world.client(station);
  await peer.say("EHLO client.example", 250);
  return peer;
}

/** Sends a mail with parameters of MAIL and RCPT, and lets it arrive. */
async function send(
  world: World,
  station: Station,
  { from = "alice@a.example", mail = "", to }: {
    from?: string;
    mail?: string;
    to: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const peer = await session(world, station);
  await peer.say(`MAIL FROM:<${from}>${mail}`, 250);
  for (const [address, parameters] of Object.entries(to)) {
    await peer.say(`RCPT TO:<${address}>${parameters}`, 250);
  }
  await peer.say("DATA", 354);
  await peer.say("Subject: hi\r\nX-Mark: yes\r\n\r\nThe body.\r\n.", 250);
  await peer.say("QUIT", 221);
  await world.pass(SECOND);
}

async function reports(station: Station, user = "alice") {
  return (await station.mailbox(user)).map(readReport);
}

Deno.test("NOTIFY=SUCCESS for a mailbox here gives a notice of delivery (RFC 3461 §4.1)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const to = { "bob@a.example": " NOTIFY=SUCCESS ORCPT=rfc822;Bobby@elsewhere.example" };
  await send(world, a, { mail: " ENVID=QQ+2B314159 RET=HDRS", to });
  assertEquals((await a.mailbox("bob")).length, 1);
  const [report, ...more] = await reports(a);
  assertEquals(more, []);
  assertEquals(fates(report!), ["bob@a.example delivered 2.1.5"]);
  // RFC 3464 §2.2.1, §2.3.1: both come back, the envelope id out of its xtext.
  assertEquals(report!.message["original-envelope-id"], "QQ+314159");
  assertEquals(report!.recipients[0]!["original-recipient"], "rfc822; Bobby@elsewhere.example");
  assertEquals(report!.head["return-path"], "<>");
  assertEquals(report!.types, ["text/plain", "message/delivery-status", "text/rfc822-headers"]);
});

Deno.test("a request for notices is handed on, and the last station makes them (RFC 3461 §5.2.1)", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  const b = await world.station("b.example");
  const to = {
    "bob@b.example": " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bobby@elsewhere.example",
    "nobody@b.example": " NOTIFY=SUCCESS,FAILURE",
    "alice@b.example": " NOTIFY=NEVER",
  };
  await send(world, a, { mail: " ENVID=mark RET=FULL", to });
  assertEquals([(await b.mailbox("alice")).length, (await b.mailbox("bob")).length], [1, 1]);
  const made = await reports(a);
  assertEquals(made.flatMap(fates).sort(), [
    "bob@b.example delivered 2.1.5",
    "nobody@b.example failed 5.1.1",
  ]);
  const of = (action: string) => made.find(({ recipients }) => recipients[0]!.action === action)!;
  assertEquals(of("delivered").message["reporting-mta"], "dns; mx.b.example");
  assertEquals(of("delivered").message["original-envelope-id"], "mark");
  const [{ "original-recipient": original }] = of("delivered").recipients as [
    Record<string, string>,
  ];
  assertEquals(original, "rfc822; Bobby@elsewhere.example");
  assertEquals(of("failed").message["reporting-mta"], "dns; mx.a.example");
  // RFC 3461 §4.3: RET applies to failures only.
  assertEquals(of("failed").types.at(-1), "message/rfc822");
  assertMatch(of("failed").original, /X-Mark: yes\r\n\r\nThe body\./);
  assertEquals(of("delivered").types.at(-1), "text/rfc822-headers");
});

Deno.test("what is handed to a station without DSN is told as relayed (RFC 3461 §5.2.2)", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  const b = await world.station("b.example", { listener: PLAIN });
  const to = {
    "bob@b.example": " NOTIFY=SUCCESS",
    "alice@b.example": " NOTIFY=NEVER",
  };
  await send(world, a, { mail: " ENVID=mark", to });
  assertEquals([(await b.mailbox("alice")).length, (await b.mailbox("bob")).length], [1, 1]);
  const [report, ...more] = await reports(a);
  assertEquals(more, []);
  assertEquals(fates(report!).map((fate) => fate.slice(0, -2)), ["bob@b.example relayed 2.0"]);
  assertEquals(report!.recipients[0]!["remote-mta"], "dns; mx.b.example");
});

Deno.test("NOTIFY=NEVER and NOTIFY=SUCCESS keep a failure from being told (RFC 3461 §4.1)", async () => {
  for (const notify of ["NEVER", "SUCCESS", "DELAY"]) {
    await using world = new World();
    const a = await world.station("a.example", OPEN);
    await world.station("b.example");
    await send(world, a, { to: { "nobody@b.example": ` NOTIFY=${notify}` } });
    assertEquals(await a.mailbox("alice"), [], notify);
    assertEquals(a.of("delivery.failed").length, 1);
    assertEquals(await a.queued(), []);
  }
});

Deno.test("NOTIFY=DELAY is told of a delay, and only who asks is (RFC 3461 §4.1)", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  await world.peer("b.example", { on: (line) => line.startsWith("MAIL") ? "451 no" : undefined });
  const to = { "x@b.example": " NOTIFY=DELAY", "y@b.example": " NOTIFY=FAILURE" };
  await send(world, a, { to });
  await world.pass(9 * HOUR);
  assertEquals((await reports(a)).flatMap(fates).map((fate) => fate.split(" ", 2).join(" ")), [
    "x@b.example delayed",
  ]);
});

Deno.test("RET says how much of a mail comes back with its failure (RFC 3461 §4.3)", async () => {
  for (const [ret, body] of [["FULL", true], ["HDRS", false]] as const) {
    await using world = new World();
    const a = await world.station("a.example", OPEN);
    await world.station("b.example");
    await send(world, a, { mail: ` RET=${ret}`, to: { "nobody@b.example": "" } });
    const [report] = await reports(a);
    assertMatch(report!.original, /^X-Mark: yes\r\n/m);
    assertEquals(report!.original.includes("The body."), body, ret);
    assertEquals(report!.types.at(-1), body ? "message/rfc822" : "text/rfc822-headers");
  }
});

Deno.test("a mail with the null sender is never answered (RFC 5321 §4.5.5)", async () => {
  await using world = new World();
  const a = await world.station("a.example", { ...OPEN, postmaster: "bob@a.example" });
  const b = await world.station("b.example");
  const to = { "nobody@b.example": " NOTIFY=FAILURE,SUCCESS", "bob@b.example": " NOTIFY=SUCCESS" };
  await send(world, a, { from: "", to });
  assertEquals((await b.mailbox("bob")).length, 1);
  // Who runs the station hears of the one that failed; nobody hears of the one that did not.
  assertEquals((await reports(a, "bob")).flatMap(fates), ["nobody@b.example failed 5.1.1"]);
  assertEquals(await a.mailbox("alice"), []);
  assertEquals([await a.queued(), await b.queued()], [[], []]);
});

Deno.test("a notice is sent like any mail, and tried again like any mail", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  const b = await world.station("b.example");
  await b.stop();
  await world.station("c.example");
  await send(world, a, { from: "bob@b.example", to: { "nobody@c.example": "" } });
  const [waiting] = await a.queued();
  assertEquals(waiting?.sender, "");
  await b.start();
  await world.pass(HOUR);
  const [report] = await reports(b, "bob");
  assertEquals(fates(report!), ["nobody@c.example failed 5.1.1"]);
  assertEquals(await a.queued(), []);
});

Deno.test("a mail that fails for many at two hosts comes back in one notice", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  await world.station("b.example");
  await world.station("c.example");
  const to = Object.fromEntries(
    ["b", "c"].flatMap((name) => [1, 2, 3].map((i) => [`no${i}@${name}.example`, ""])),
  );
  await send(world, a, { to });
  const all = (await reports(a)).flatMap(fates).sort();
  assertEquals(all, Object.keys(to).sort().map((address) => `${address} failed 5.1.1`));
  assertEquals((await reports(a)).length, 1);
});

Deno.test("of mail that an alias sends on its sender is told in the alias's name (RFC 3461 §5.2.7)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example", {
    directory: {
      accounts: { "alice@b.example": {} },
      aliases: { "fwd@b.example": ["secret@c.example"] },
    },
  });
  const c = await world.station("c.example", {
    directory: { accounts: { "secret@c.example": {} } },
    listener: PLAIN,
  });
  await a.submit("alice@a.example", [{ address: "fwd@b.example", notify: ["SUCCESS"] }]);
  await world.pass(SECOND);
  assertEquals((await c.mailbox("secret")).length, 1);
  const [mail] = await a.mailbox("alice");
  const report = readReport(mail!);
  assertEquals(fates(report).map((fate) => fate.slice(0, -2)), ["fwd@b.example relayed 2.0"]);
  assertNotMatch(mail!, /secret/);
  assertEquals(await b.queued(), []);
});

Deno.test("notices come at the right time from a station that was restarted in between", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  await world.peer("b.example", { on: (line) => line.startsWith("RCPT") ? "450 no" : undefined });
  await send(world, a, { to: { "x@b.example": " NOTIFY=DELAY,FAILURE" } });
  for (let hour = 0; hour < 12; hour++) {
    await world.clock.runUntil(a.stop());
    await a.start();
    await world.pass(HOUR);
  }
  const made = await reports(a);
  assertEquals(made.flatMap(fates), ["x@b.example delayed 4.0.0"]);
  assert(Date.parse(made[0]!.head.date!) > world.clock.now() - 9 * HOUR);
});

Deno.test("who still waits does not keep back what there is to tell of the others", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  const b = await world.station("b.example");
  await world.peer("c.example", { on: (line) => line.startsWith("RCPT") ? "450 no" : undefined });
  const to = {
    "x@c.example": "",
    "nobody@b.example": "",
    "bob@b.example": " NOTIFY=SUCCESS",
    "bob@a.example": " NOTIFY=SUCCESS",
  };
  await send(world, a, { to });
  await world.pass(MINUTE);
  assertEquals((await b.mailbox("bob")).length, 1);
  assertEquals((await reports(a)).flatMap(fates).sort(), [
    "bob@a.example delivered 2.1.5",
    "bob@b.example delivered 2.1.5",
    "nobody@b.example failed 5.1.1",
  ]);
  assertEquals((await a.queued()).length, 1);
});
