/**
 * Mail that an alias sends on to another station, and the way back of what comes of it (SRS).
 *
 * @module
 */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { MapDirectoryOptions } from "../../src/directory/map_directory.ts";
import { fates, readReport } from "./report.ts";
import { DAY, HOUR, SECOND, type Station, World } from "./world.ts";

/** B sends what is for `fwd@b.example` on to C. */
const FORWARDING: MapDirectoryOptions = {
  accounts: { "bob@b.example": {}, "catcher@b.example": {} },
  aliases: {
    "fwd@b.example": "carol@c.example",
    "gone@b.example": "nobody@c.example",
    "both@b.example": ["bob@b.example", "carol@c.example"],
  },
};

async function threeStations(world: World, directory = FORWARDING) {
  const a = await world.station("a.example");
  const b = await world.station("b.example", { directory });
  const c = await world.station("c.example", {
    directory: { accounts: { "carol@c.example": {} } },
  });
  return { a, b, c };
}

/** The reverse-path with which a mail came. */
function sendersAt(station: Station): string[] {
  return station.of("message.accepted").map(({ sender }) => sender);
}

/** What RCPT is answered for an address. */
async function rcpt(world: World, station: Station, address: string): Promise<string> {
  const peer = await world.client(station);
  await peer.say("EHLO client.example", 250);
  await peer.say("MAIL FROM:<>", 250);
  await peer.send(`RCPT TO:<${address}>\r\n`);
  const answer = await peer.reply();
  await peer.say("QUIT", 221);
  return answer!;
}

Deno.test("mail that an alias sends on leaves with a sender of its domain", async () => {
  await using world = new World();
  const { a, b, c } = await threeStations(world);
  await a.submit("alice@a.example", ["fwd@b.example", "both@b.example"]);
  await world.pass(SECOND);
  // One copy for Carol, though two ways lead to her.
  const [mail, ...more] = await c.mailbox("carol");
  assertEquals(more, []);
  assertMatch(
    mail!,
    /^Return-Path: <SRS0=[A-Za-z0-9+/]{4,}=[A-Z2-7]{2}=a\.example=alice@b\.example>\r\n/,
  );
  // Bob's copy stays here, with the sender it has.
  assertMatch((await b.mailbox("bob"))[0]!, /^Return-Path: <alice@a\.example>\r\n/);
});

Deno.test("a bounce to a rewritten sender goes on to the sender (SRS)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example", { directory: FORWARDING });
  // C accepts, and bounces later.
  const c = await world.peer("c.example");
  await a.submit("alice@a.example", "fwd@b.example");
  await world.pass(SECOND);
  const [taken] = c.messages;
  const rewritten = /<(SRS0[^>]+)>/.exec(taken!.mail)![1]!;
  const peer = await world.client(b);
  await peer.say("EHLO mx.c.example", 250);
  await peer.say("MAIL FROM:<>", 250);
  await peer.say(`RCPT TO:<${rewritten}>`, 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: it did not work\r\n\r\nSorry.\r\n.", 250);
  await peer.say("QUIT", 221);
  await world.pass(SECOND);
  const [bounce, ...more] = await a.mailbox("alice");
  assertEquals(more, []);
  assertMatch(bounce!, /^Subject: it did not work\r\n/m);
  assertMatch(bounce!, /^Return-Path: <>\r\n/);
});

Deno.test("the refusal of where an alias leads comes back to the sender, in the name of the alias", async () => {
  await using world = new World();
  const { a, b, c } = await threeStations(world);
  await a.submit("alice@a.example", "gone@b.example");
  await world.pass(SECOND);
  const [report, ...more] = (await a.mailbox("alice")).map(readReport);
  assertEquals(more, []);
  assertEquals(fates(report!), ["gone@b.example failed 5.1.1"]);
  assertEquals([await b.queued(), await c.queued()], [[], []]);
});

Deno.test("a chain of aliases over three stations leads a bounce back to the first (SRS1)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example", { directory: FORWARDING });
  const c = await world.station("c.example", {
    directory: { accounts: {}, aliases: { "carol@c.example": "dora@d.example" } },
  });
  const d = await world.station("d.example");
  await a.submit("alice@a.example", "fwd@b.example");
  await world.pass(SECOND);
  const [report, ...more] = (await a.mailbox("alice")).map(readReport);
  assertEquals(more, []);
  assertEquals(fates(report!), ["carol@c.example failed 5.1.1"]);
  assertMatch(sendersAt(c)[0]!, /^SRS0=.*@b\.example$/);
  assertEquals(d.of("command.refused").length, 1);
  assertEquals([await b.queued(), await c.queued()], [[], []]);
});

Deno.test("an SRS address that is forged, of another secret or too old is refused (550)", async () => {
  await using world = new World();
  const { a, b, c } = await threeStations(world);
  await a.submit("alice@a.example", "fwd@b.example");
  await world.pass(SECOND);
  const rewritten = sendersAt(c)[0]!;
  assertMatch(await rcpt(world, b, rewritten), /^250 /);
  // Some stations write local parts in lower case.
  assertMatch(await rcpt(world, b, rewritten.toLowerCase()), /^250 /);
  const [, hash, day] = rewritten.split("=") as [string, string, string];
  const forged = [
    rewritten.replace("alice", "bob"),
    rewritten.replace("a.example", "c.example"),
    rewritten.replace(`=${hash}=`, "=AAAA="),
    rewritten.replace(`=${day}=`, "=AA="),
    "SRS0=alice@b.example",
    "SRS1=AAAA=a.example==AAAA=AA=x.example=y@b.example",
  ];
  for (const address of forged) {
    assertMatch(await rcpt(world, b, address), /^550 5\.1\.1 /, address);
  }
  await world.pass(20 * DAY);
  assertMatch(await rcpt(world, b, rewritten), /^250 /);
  await world.pass(3 * DAY);
  assertMatch(await rcpt(world, b, rewritten), /^550 5\.1\.1 /);
});

Deno.test("a rewritten sender is past a catch-all, and holds over a restart", async () => {
  await using world = new World();
  const { a, b, c } = await threeStations(world, {
    ...FORWARDING,
    catchAll: { "b.example": "catcher@b.example" },
  });
  await c.stop();
  await a.submit("alice@a.example", "fwd@b.example");
  await world.pass(HOUR);
  b.crash("lost");
  await b.start();
  await c.start();
  await world.pass(4 * HOUR);
  const [rewritten] = sendersAt(c);
  const peer = await world.client(b);
  await peer.say("EHLO mx.c.example", 250);
  await peer.mail({ sender: "", to: [rewritten!], text: "Subject: back\r\n\r\n\r\n" });
  await peer.say("QUIT", 221);
  await world.pass(SECOND);
  assertEquals((await a.mailbox("alice")).length, 1);
  assertEquals(await b.mailbox("catcher"), []);
});

Deno.test("a bounce to a sender of another domain of the same station ends in its mailbox", async () => {
  await using world = new World();
  const b = await world.station("b.example", {
    directory: {
      accounts: { "alice@b.example": {} },
      aliases: { "fwd@second.example": "nobody@c.example" },
    },
  });
  world.resolver.set("second.example", { mx: ["10 mx.b.example"] });
  // C accepts it, and sends the bounce afterwards.
  const c = await world.peer("c.example");
  await b.submit("alice@b.example", "fwd@second.example");
  await world.pass(SECOND);
  const rewritten = /<(SRS0[^>]+@second\.example)>/.exec(c.messages[0]!.mail)![1]!;
  const peer = await world.client(b);
  await peer.say("EHLO mx.c.example", 250);
  await peer.mail({ sender: "", to: [rewritten], text: "Subject: back\r\n\r\n\r\n" });
  await peer.say("QUIT", 221);
  await world.pass(SECOND);
  assertEquals((await b.mailbox("alice")).length, 1);
  assertEquals(b.faults, []);
});

Deno.test("the null sender stays null when a notice is sent on", async () => {
  await using world = new World();
  const { a, c } = await threeStations(world);
  await a.submit(null, "fwd@b.example");
  await world.pass(SECOND);
  assertMatch((await c.mailbox("carol"))[0]!, /^Return-Path: <>\r\n/);
});

Deno.test("the rewritten sender is the same at every attempt", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  await world.station("b.example", { directory: FORWARDING });
  const senders: string[] = [];
  await world.peer("c.example", {
    on: (line) => {
      if (line.startsWith("MAIL")) senders.push(line.split(" ")[1]!);
      return line.startsWith("RCPT") && senders.length < 9 ? "450 4.7.1 greylisted" : undefined;
    },
  });
  await a.submit("alice@a.example", "fwd@b.example");
  await world.pass(2 * DAY);
  assertEquals(senders.length, 9);
  assertEquals(new Set(senders).size, 1);
  assertNotEquals(senders[0], "FROM:<alice@a.example>");
});

Deno.test("a mail that LMTP brings for several that lead to one place is there once (RFC 2033)", async () => {
  const orders = [["fwd", "alice", "both"], ["both", "alice", "fwd"], ["alice", "both", "fwd"]];
  for (const order of orders) {
    await using world = new World();
    const a = await world.station("a.example", {
      directory: {
        accounts: { "alice@a.example": {} },
        aliases: {
          "fwd@a.example": "bob@b.example",
          "both@a.example": ["alice@a.example", "bob@b.example"],
        },
      },
      more: [{ role: "lmtp", address: { transport: "tcp", hostname: "0.0.0.0", port: 24 } }],
    });
    const b = await world.station("b.example");
    const peer = await world.client(a, 24);
    await peer.say("LHLO client.example", 250);
    await peer.say("MAIL FROM:<z@z.example>", 250);
    for (const user of order) await peer.say(`RCPT TO:<${user}@a.example>`, 250);
    await peer.say("DATA", 354);
    await peer.say("Subject: hi\r\n\r\nHello.\r\n.", 250);
    for (const _ of order.slice(1)) await peer.expect(250);
    await world.pass(SECOND);
    const copies = [(await a.mailbox("alice")).length, (await b.mailbox("bob")).length];
    assertEquals(copies, [1, 1], order.join());
  }
});
