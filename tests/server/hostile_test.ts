/**
 * Clients that mean harm or are lost: each is answered or cut off, with bounded memory and nothing left
 * behind.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { MemoryStation } from "../support/memory_station.ts";

/** What the client is told last, and whether the station then closed. */
async function lastWords(station: MemoryStation, text: string | Uint8Array) {
  const peer = await station.connect();
  await peer.expect(220);
  await peer.send(text).catch(() => {}); // may be cut off before all is written
  const replies: string[] = [];
  for (let given; (given = await peer.reply()) !== null;) replies.push(given);
  return replies;
}

Deno.test("a station cuts off a web browser", async () => {
  await using station = await MemoryStation.start();
  const request =
    "POST / HTTP/1.1\r\nHost: mx.example.test\r\nContent-Length: 30\r\n\r\nMAIL FROM:<a@b.c>\r\n";
  assertEquals((await lastWords(station, request)).map((each) => each.slice(0, 3)), ["521"]);
  assertEquals(station.of("session.fault").map(({ kind }) => kind), ["not-smtp"]);
});

Deno.test("a station cuts off TLS in the clear at once, rather than wait for a line", async () => {
  await using station = await MemoryStation.start();
  const start = station.runtime.clock.now();
  const hello = Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3);
  assertEquals((await lastWords(station, hello)).map((each) => each.slice(0, 3)), ["521"]);
  assertLess(station.runtime.clock.now() - start, 1000);
});

Deno.test("a station cuts off commands with bare line feeds", async () => {
  await using station = await MemoryStation.start();
  const words = await lastWords(station, "HELO a\nMAIL FROM:<a@b.c>\n");
  assertEquals(words.map((each) => each.slice(0, 9)), ["521 5.5.2"]);
});

Deno.test("a station gives up on a line of 10 MB", async () => {
  await using station = await MemoryStation.start();
  const words = await lastWords(station, "x".repeat(10_000_000));
  assertEquals(words.map((each) => each.slice(0, 9)), ["500 5.5.2"]);
});

Deno.test("a station answers one line that is too long and goes on", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say(`NOOP ${"x".repeat(10_000)}`, 500, "5.5.2");
  await peer.say("NOOP", 250);
});

Deno.test("a station has patience for 20 errors", async () => {
  await using station = await MemoryStation.start();
  const words = await lastWords(station, "WHAT\r\n".repeat(50));
  assertEquals(words.length, 22);
  assertEquals(words.at(-1)!.slice(0, 9), "421 4.7.0");
});

Deno.test("a station has patience for 1,000 commands that bring no mail", async () => {
  await using station = await MemoryStation.start();
  const words = await lastWords(station, "NOOP\r\n".repeat(2000));
  assertEquals(words.length, 1001);
  assertEquals(words.at(-1)!.slice(0, 9), "421 4.7.0");
});

Deno.test("a station takes 1,000 recipients and puts off the rest, however many come", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  let accepted = 0;
  let putOff = 0;
  for (let batch = 0; batch < 100; batch++) {
    await peer.send("RCPT TO:<alice@example.test>\r\n".repeat(1000));
    for (let i = 0; i < 1000; i++) {
      const given = await peer.reply();
      if (given?.startsWith("250 2.1.5")) accepted++;
      else if (given?.startsWith("452 4.5.3")) putOff++;
    }
  }
  assertEquals([accepted, putOff], [1000, 99_000]);
});

Deno.test("a station cuts off who tries 100 unknown names", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  for (let i = 0; i < 100; i++) await peer.say(`RCPT TO:<guess${i}@example.test>`, 550, "5.1.1");
  await peer.say("RCPT TO:<guess100@example.test>", 421, "4.7.0");
  assertEquals(await peer.reply(), null);
});

Deno.test("a station cuts off who fails to log in three times", async () => {
  await using station = await MemoryStation.start({ listener: { role: "submission" } });
  const peer = await station.greeted();
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  const wrong = btoa("\0alice@example.test\0wrong");
  await peer.say(`AUTH PLAIN ${wrong}`, 535, "5.7.8");
  await peer.say(`AUTH PLAIN ${wrong}`, 535, "5.7.8");
  await peer.say(`AUTH PLAIN ${wrong}`, 535, "5.7.8");
  await peer.expect(421, "4.7.0");
  assertEquals(station.of("auth.failed").map(({ identity }) => identity), [
    "alice@example.test",
    "alice@example.test",
    "alice@example.test",
  ]);
});

Deno.test("a station cuts off who goes on and on after the limit of a message", async () => {
  await using station = await MemoryStation.start({
    listener: { limits: { messageSize: 10_000 } },
  });
  const peer = await station.greeted();
  await peer.begin();
  await peer.send(`${"x".repeat(98)}\r\n`.repeat(20_000)).catch(() => {});
  await peer.expect(552, "5.3.4");
  assertEquals(await peer.reply(), null);
  assertEquals(await station.tree("/mail"), []);
});

Deno.test("a station does not read a BDAT chunk that nobody could mean", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("BDAT 9007199254740991 LAST", 503, "5.5.1");
  assertEquals(await peer.reply(), null);
});

Deno.test("a station discards the octets of a BDAT that comes at the wrong moment", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.send("BDAT 28\r\nMAIL FROM:<evil@a.example>\r\nNOOP\r\n");
  await peer.expect(503, "5.5.1");
  await peer.expect(250, "2.0.0"); // NOOP: the line between was the chunk
  assertEquals(station.of("command.refused"), []);
});

Deno.test("a station answers binary garbage or cuts it off, whatever it is", async () => {
  await using station = await MemoryStation.start();
  for (let round = 0; round < 50; round++) {
    const garbage = station.runtime.random.bytes(2000);
    const words = await lastWords(station, garbage.map((octet) => octet === 0x16 ? 0 : octet));
    const codes = words.map((each) => each.slice(0, 3));
    // Lines without CRLF are cut off at their LF, or wait for one until the time is up.
    assert(codes.every((code) => /^(?:500|501|502|521|421)$/.test(code)), codes.join());
    assert(codes.length > 0);
  }
  await station.runtime.clock.advance(5000);
  assertEquals(station.of("session.closed").length, 50);
  assertEquals(station.of("internal.error"), []);
  assert(await station.tree("/mail").then((tree) => tree.length === 0));
});

Deno.test("a station takes so many messages in a session, and any number from clients that may relay", async () => {
  const mail = "MAIL FROM:<a@b.c>\r\nRCPT TO:<alice@example.test>\r\nBDAT 4 LAST\r\n\r\n\r\n";
  const session = `EHLO a\r\n${mail.repeat(3)}QUIT\r\n`;
  for (
    const [relayFrom, last, offer] of [[[], "421 4.7.0", true], [
      ["198.51.100.0/24"],
      "221 2.0.0",
      false,
    ]] as const
  ) {
    await using station = await MemoryStation.start({
      listener: { limits: { messages: 2 }, extensions: { limits: true } },
      relayFrom: [...relayFrom],
    });
    const peer = await station.connect();
    await peer.expect(220);
    await peer.send("EHLO a\r\n");
    const hello = await peer.reply();
    assertEquals(hello!.includes("MAILMAX=2"), offer);
    await peer.send(session.slice("EHLO a\r\n".length));
    const replies: string[] = [];
    for (let given; (given = await peer.reply()) !== null;) replies.push(given);
    assertEquals(replies.at(-1)!.slice(0, 9), last);
    assertEquals((await station.mailbox("alice")).length, last.startsWith("421") ? 2 : 3);
  }
});

Deno.test("attack: who talks before the greeting is turned away, and policies hear of it", async () => {
  const heard: string[][] = [];
  await using station = await MemoryStation.start({
    listener: { greetingDelay: 5000 },
    policies: [{ name: "ear", fault: ({ client }, kind) => void heard.push([client, kind]) }],
  });
  const bot = await station.connect("198.51.100.66");
  await bot.send("EHLO bot.example\r\n");
  await bot.expect(503, "5.5.0");
  assertEquals(await bot.reply(), null);
  const honest = await station.greeted();
  await honest.mail({});
  assertEquals(heard, [["198.51.100.66", "early-talk"]]);
});

Deno.test("a station lets who talks early talk, where it is told so", async () => {
  const heard: string[] = [];
  await using station = await MemoryStation.start({
    listener: { refuseEarlyTalk: false },
    policies: [{ name: "ear", fault: (_, kind) => void heard.push(kind) }],
  });
  const peer = await station.connect();
  await peer.send("EHLO hasty.example\r\n");
  await peer.expect(220);
  await peer.expect(250);
  assertEquals(heard, []);
});
