/**
 * Clients that are never idle and never get anywhere, beside honest ones that are slow: what is held against them is
 * progress.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { Connection } from "../../src/runtime/network.ts";
import { DEFAULT_LIMITS } from "../../src/server/roles.ts";
import { SessionTime } from "../../src/server/session_time.ts";
import { MemoryStation, type SmtpPeer } from "../support/memory_station.ts";

const SECOND = 1000;
const MINUTE = 60_000;

/** Sends the text octet by octet, so many milliseconds apart, until the station closes; gives how many were sent. */
async function trickle(
  station: MemoryStation,
  peer: SmtpPeer,
  text: string,
  every: number,
): Promise<number> {
  let sent = 0;
  for (const octet of text) {
    try {
      await peer.send(octet);
    } catch {
      return sent;
    }
    sent++;
    await station.runtime.clock.advance(every);
  }
  return sent;
}

/** Minutes from the beginning to the end of the only session. */
function minutesOf(station: MemoryStation): number {
  const [closed] = station.of("session.closed");
  assert(closed !== undefined, "the session goes on");
  return closed.duration / MINUTE;
}

Deno.test("attack: a command that comes an octet a minute is cut off five minutes after its first", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await trickle(station, peer, "NOOP xxxxxxxxxxxxxxxxxxxxxxxx", MINUTE);
  await peer.expect(421, "4.4.2");
  assertLess(minutesOf(station), 5.1);
});

Deno.test("a command may come after four silent minutes, and slowly, as by hand", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  for (let round = 0; round < 3; round++) {
    await station.runtime.clock.advance(4 * MINUTE);
    assertEquals(await trickle(station, peer, "NOOP by hand\r\n", 10 * SECOND), 14);
    await peer.expect(250);
  }
});

Deno.test("attack: an answer to AUTH that comes an octet a minute is cut off too", async () => {
  await using station = await MemoryStation.start({
    listener: { role: "catcher" },
  });
  const peer = await station.greeted();
  await peer.say("AUTH LOGIN", 334);
  await trickle(station, peer, "YWxpY2VAZXhhbXBsZQ", MINUTE);
  await peer.expect(421, "4.4.2");
  assertLess(minutesOf(station), 5.1);
});

for (const every of [SECOND, 20 * SECOND, MINUTE]) {
  Deno.test(`attack: a message that comes an octet every ${every / 1000} s is cut off in minutes`, async () => {
    await using station = await MemoryStation.start();
    const peer = await station.greeted();
    await peer.begin();
    await trickle(station, peer, "Subject: never\r\n\r\n".padEnd(600, "x"), every);
    await peer.expect(421, "4.4.2");
    assertLess(minutesOf(station), 4.1);
    assertEquals(await station.tree("/mail"), []);
  });
}

Deno.test("attack: who was fast at first cannot trickle for long after", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.begin();
  await peer.send(`Subject: fast\r\n\r\n${`${"x".repeat(98)}\r\n`.repeat(20_000)}`);
  await trickle(station, peer, "y".repeat(600), 10 * SECOND);
  await peer.expect(421, "4.4.2");
  assertLess(minutesOf(station), 4.1);
});

Deno.test("attack: chunks of one octet are no progress either", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  for (let minute = 0; minute < 10; minute++) {
    await peer.send("BDAT 1\r\nx").catch(() => {});
    const given = await peer.reply();
    if (given?.startsWith("421 4.4.2")) break;
    assertEquals(given?.slice(0, 3), "250");
    await station.runtime.clock.advance(MINUTE);
  }
  assertLess(minutesOf(station), 4.1);
});

Deno.test("attack: a BDAT at the wrong moment does not make time for its octets", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.send("BDAT 100000\r\n");
  await trickle(station, peer, "x".repeat(600), 20 * SECOND);
  await peer.expect(421, "4.4.2");
  assertLess(minutesOf(station), 4.1);
});

Deno.test("attack: a TLS handshake that comes an octet a second is cut off after a minute", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("STARTTLS", 220);
  await trickle(station, peer, "x".repeat(200), SECOND);
  assertEquals(station.of("tls.failed").length, 1);
  assertLess(minutesOf(station), 1.1);
});

Deno.test("attack: NOOPs without end, and no mail, are over after an hour", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  for (let minute = 0; minute < 90; minute++) {
    await peer.send("NOOP\r\n").catch(() => {});
    const given = await peer.reply();
    if (given?.startsWith("421 4.4.2")) break;
    assertEquals(given?.slice(0, 3), "250");
    await station.runtime.clock.advance(MINUTE);
  }
  assertLess(minutesOf(station), 60.1);
});

Deno.test("a session that brings a mail now and then may last", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  for (let round = 0; round < 4; round++) {
    for (let each = 0; each < 12; each++) {
      await station.runtime.clock.advance(4 * MINUTE);
      await peer.say("NOOP", 250);
    }
    await peer.mail({});
  }
  assertEquals((await station.mailbox("alice")).length, 4);
});

Deno.test("attack: a client that never reads is gone after some minutes, however busily it sends", async () => {
  await using station = await MemoryStation.start();
  station.runtime.network.wires.conditions = () => ({ window: 2048 });
  const peer = await station.connect();
  await peer.expect(220);
  const flood = peer.send("HELP\r\n".repeat(900)).catch(() => {});
  await station.runtime.clock.advance(3 * MINUTE + 2 * SECOND);
  await flood;
  assertEquals(station.of("session.closed").map(({ reason }) => reason), ["timeout"]);
});

Deno.test("attack: a client that reads an octet every ten seconds is gone after some minutes", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  await using station = await MemoryStation.start({ runtime });
  runtime.network.wires.conditions = () => ({ window: 512 });
  const client = memoryRuntime({ address: "198.51.100.7", beside: runtime });
  const { clock } = runtime;
  const to = { transport: "tcp", hostname: "192.0.2.25", port: 25 } as const;
  const connection = await clock.runUntil(client.network.connect(to));
  const asking = connection.write(encode("HELP\r\n".repeat(900))).catch(() => {});
  const one = new Uint8Array(1);
  for (let i = 0; i < 60; i++) {
    await clock.runUntil(connection.read(one).catch(() => null));
    await clock.advance(10 * SECOND);
  }
  await asking;
  assertEquals(station.of("session.closed").length, 1);
  assertLess(minutesOf(station), 3.1);
});

Deno.test("attack: 1,000 trickling clients are gone after four minutes; an honest slow one is not", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  await using station = await MemoryStation.start({ runtime });
  const { clock } = runtime;
  const honest = await station.greeted("203.0.113.1");
  await honest.begin();
  const to = { transport: "tcp", hostname: "192.0.2.25", port: 25 } as const;
  const crowd: Connection[] = [];
  for (let network = 0; network < 50; network++) {
    const address = `198.51.100.${network}`;
    const client = memoryRuntime({ address, beside: runtime });
    for (let i = 0; i < 20; i++) crowd.push(await clock.runUntil(client.network.connect(to)));
  }
  const open = [
    "EHLO x.example\r\n",
    "MAIL FROM:<a@x.example>\r\n",
    "RCPT TO:<alice@example.test>\r\n",
    "DATA\r\n",
  ];
  const replies = new Uint8Array(4096);
  const begun = Promise.all(crowd.map(async (connection) => {
    await connection.read(replies.slice());
    for (const line of open) {
      await connection.write(encode(line));
      await connection.read(replies.slice());
    }
  }));
  await clock.runUntil(begun);
  assertEquals(station.mta.status().listeners[0]?.connections, 1001);

  // 1 MB at 1 KiB a second; the crowd sends an octet every ten.
  const line = encode(`${"y".repeat(1022)}\r\n`);
  const octet = encode("x");
  await honest.send("Subject: slow\r\n\r\n");
  for (let second = 0; second < 1000; second++) {
    await honest.send(line);
    if (second % 10 === 0) {
      const writing = crowd.map((connection) => connection.write(octet).catch(() => {}));
      await clock.runUntil(Promise.all(writing));
    }
    await clock.advance(SECOND);
    if (second === 250) assertEquals(station.of("session.closed").length, 1000);
  }
  await honest.say(".", 250);
  const [mail] = await station.mailbox("alice");
  assert(mail !== undefined && mail.length > 1_000_000);
  for (const connection of crowd) connection.close();
});

Deno.test("a pause of ours is not held against a client that sends slowly", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const slow = {
    name: "slow",
    timeout: 10 * MINUTE,
    body: () => ({
      write: () => runtime.clock.sleep(MINUTE),
      end: () => undefined,
    }),
  };
  await using station = await MemoryStation.start({ runtime, policies: [slow] });
  const peer = await station.greeted();
  await peer.begin();
  const piece = encode(`${"z".repeat(98)}\r\n`);
  await peer.send("Subject: looked at\r\n\r\n");
  for (let i = 0; i < 8; i++) {
    await peer.send(piece);
    await runtime.clock.advance(MINUTE + SECOND);
  }
  await peer.say(".", 250);
});

Deno.test("SessionTime gives a message what its octets have paid for, and no more than a pause", () => {
  const time = new SessionTime(DEFAULT_LIMITS, 0);
  const body = { timeout: 3 * MINUTE, receivingBody: true, withinLine: false };
  assertEquals(time.waits(0, body, true), 3 * MINUTE);
  time.heard(() => 2 * MINUTE, 100); // 100 octets pay a second
  assertEquals(time.waits(2 * MINUTE, body, true), 2 * MINUTE + MINUTE + SECOND);
  time.heard(() => 2 * MINUTE, 1_000_000);
  assertEquals(time.waits(10 * MINUTE, body, true), 13 * MINUTE);
  time.heard(() => 9 * MINUTE, 0); // the clock was set back
  assertEquals(time.waits(9 * MINUTE, body, true), 12 * MINUTE);
});

Deno.test("SessionTime without a rate only knows pauses", () => {
  const time = new SessionTime({ ...DEFAULT_LIMITS, bodyRate: 0 }, 0);
  const body = { timeout: 3 * MINUTE, receivingBody: true, withinLine: false };
  for (let minute = 0; minute < 59; minute += 2) {
    assertEquals(time.waits(minute * MINUTE, body, true), (minute + 3) * MINUTE);
    time.heard(() => (minute + 2) * MINUTE, 1);
  }
});
