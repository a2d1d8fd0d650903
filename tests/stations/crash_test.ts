/**
 * Stations whose machine loses power at any call of the disk while mail is on its way: what was acknowledged
 * is never lost, and what has arrived in a mailbox here is not there twice.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Unsynced } from "../../src/runtime/memory_disk.ts";
import { MINUTE, SECOND, type Station, type StationOptions, World } from "./world.ts";

/** Relays for our clients, and tries again soon. */
const OPTIONS: StationOptions = {
  relayFrom: ["198.51.100.0/24"],
  queue: { retry: { usual: { first: MINUTE, factor: 1, longest: MINUTE } } },
};
const MAILS = 3;
const RECIPIENTS = ["bob@a.example", "bob@b.example", "nobody@b.example", "slow@c.example"];

/** What a run came to. */
interface Run {
  /** Calls of the disk of A until all was done. */
  readonly calls: number;
  /** Crashes that happened. */
  readonly crashes: number;
}

/** Numbered mails from Alice by SMTP until A is gone; gives the numbers of those acknowledged. */
async function sendAll(world: World, a: Station, size: number): Promise<number[]> {
  const acknowledged: number[] = [];
  const client = await world.client(a).catch(() => null);
  const body = `${"x".repeat(70)}\r\n`.repeat(Math.ceil(size / 72));
  const say = async (text: string) => {
    await client!.send(text);
    const answer = await client!.reply();
    if (answer === null) throw new Error("gone");
    return answer;
  };
  try {
    await say("EHLO client.example\r\n");
    for (let i = 0; i < MAILS; i++) {
      await say("MAIL FROM:<alice@a.example>\r\n");
      for (const recipient of RECIPIENTS) await say(`RCPT TO:<${recipient}>\r\n`);
      await say("DATA\r\n");
      const answer = await say(`Number: ${i}.\r\n\r\n${body}.\r\n`);
      if (answer.startsWith("250")) acknowledged.push(i);
    }
  } catch {
    // The station is gone; what it did not acknowledge is for the client to send again.
  } finally {
    client?.close();
  }
  return acknowledged;
}

/** How often each number is among mails. */
function countNumbers(mails: readonly string[]): number[] {
  const counts = new Array<number>(MAILS).fill(0);
  for (const mail of mails) counts[Number(/^Number: (\d+)\./m.exec(mail)![1])]!++;
  return counts;
}

/** A crash of A at the n-th call of its disk, and perhaps another n calls after it is back. */
async function crashAt(
  call: number,
  unsynced: Unsynced,
  { again = false, size = 10 }: { again?: boolean; size?: number } = {},
): Promise<Run> {
  const world = new World(call + 1);
  const { clock } = world;
  const a = await world.station("a.example", OPTIONS);
  const b = await world.station("b.example");
  const begin = clock.now();
  const c = await world.peer("c.example", {
    on: (line) =>
      line.startsWith("RCPT") && clock.now() - begin < 30 * SECOND ? "450 4.7.1 later" : undefined,
  });
  let crashes = 0;
  let calls = 0;
  const watch = () => {
    const { files } = a.runtime;
    const start = files.calls;
    files.onCall = () => {
      calls = files.calls - start;
      if (files.calls - start !== call) return;
      crashes++;
      a.crash(unsynced);
    };
  };
  watch();
  const acknowledged = await sendAll(world, a, size);
  const restart = async () => {
    if (!a.isDown) return;
    if (again && crashes === 1) watch();
    await a.start().catch(() => {});
  };
  // Whoever starts it does so until it runs.
  for (const minutes of [0, 1, 5, 5]) {
    await world.pass(minutes * MINUTE);
    for (let i = 0; i < 3; i++) await restart();
  }
  await world.pass(5 * MINUTE);
  a.runtime.files.onCall = () => {};

  const where = `${unsynced} at call ${call}`;
  assertEquals(await a.queued(), [], where);
  const here = countNumbers(await a.mailbox("bob"));
  const there = countNumbers(await b.mailbox("bob"));
  const later = countNumbers(c.messages.map(({ text }) => text));
  const told = countNumbers(await a.mailbox("alice"));
  for (const number of acknowledged) {
    assertEquals(here[number], 1, `${where}: number ${number} in the mailbox here`);
    for (const [name, counts] of Object.entries({ there, later, told })) {
      assert(counts[number]! >= 1, `${where}: number ${number} is lost ${name}`);
      assert(counts[number]! <= 1 + crashes, `${where}: ${name} ${counts[number]} times`);
    }
  }
  // What was not acknowledged may be there or not, but not twice.
  assert(here.every((count) => count <= 1), `${where}: ${here} in the mailbox here`);
  assertEquals(a.of("queue.damaged"), [], where);
  assertEquals(a.of("notice.dropped"), [], where);
  for (const { recipients } of a.of("message.queued")) {
    assertEquals(recipients, ["alice@a.example"], where);
  }
  await world[Symbol.asyncDispose]();
  return { calls, crashes };
}

for (const unsynced of ["torn", "lost", "kept"] as const) {
  Deno.test(`a station that loses power at any call of its disk loses no mail (${unsynced})`, async () => {
    const { calls, crashes } = await crashAt(Infinity, unsynced);
    assertEquals(crashes, 0);
    assert(calls > 100, `${calls} calls`);
    let happened = 0;
    for (let call = 1; call < calls; call += unsynced === "torn" ? 1 : 2) {
      happened += (await crashAt(call, unsynced)).crashes;
    }
    assert(happened > 50, `${happened} crashes`);
  });
}

Deno.test("a station that loses power again while it recovers loses no mail", async () => {
  const { calls } = await crashAt(Infinity, "torn");
  const step = Math.ceil(calls / 60);
  let twice = 0;
  for (let call = 2; call < calls; call += step) {
    if ((await crashAt(call, "torn", { again: true })).crashes === 2) twice++;
  }
  assert(twice > 10, `${twice} times`);
});

Deno.test("a station that loses power with large messages on their way loses no mail", async () => {
  const size = 300 * 1024;
  const { calls } = await crashAt(Infinity, "torn", { size });
  const step = Math.ceil(calls / 20);
  for (let call = 1; call < calls; call += step) {
    await crashAt(call, call % 2 === 0 ? "torn" : "lost", { size });
  }
});

Deno.test("stations that lose power at any moment of an exchange lose no mail", async () => {
  for (let moment = 1; moment < 600; moment += 13) {
    await using world = new World(moment);
    world.hub.network.wires.conditions = () => ({ delay: 10, split: (n) => Math.min(n, 400) });
    const a = await world.station("a.example", OPTIONS);
    const b = await world.station("b.example");
    const messages = [1, 2, 3].map((i) => `Number: ${i}.\r\n\r\n${"x".repeat(i * 500)}\r\n`);
    for (const message of messages) await a.submit("alice@a.example", "bob@b.example", { message });
    await world.pass(moment);
    const victims = [[a], [b], [a, b]][moment % 3]!;
    for (const victim of victims) victim.crash("torn");
    await world.pass(SECOND);
    for (const victim of victims) await victim.start();
    await world.pass(15 * MINUTE);
    const arrived = await b.mailbox("bob");
    for (const i of [1, 2, 3]) {
      const copies = arrived.filter((mail) => mail.includes(`Number: ${i}.`)).length;
      assert(copies === 1 || copies === 2, `${copies} of ${i}, crash after ${moment} ms`);
    }
    assertEquals(await a.queued(), []);
    assertEquals(await a.mailbox("alice"), []);
  }
});

Deno.test("what a process that died has left half-done is not taken for durable", async () => {
  // The process dies at some call (nothing is lost yet); its successor acknowledges; then the power goes.
  let acknowledged = 0;
  for (let call = 1;; call++) {
    await using world = new World(call);
    const queue = { ...OPTIONS.queue, paused: true };
    const a = await world.station("a.example", { ...OPTIONS, queue }, { start: false });
    const watched = a.runtime.files;
    const start = watched.calls;
    watched.onCall = () => {
      if (watched.calls - start === call) a.crash("kept");
    };
    await a.start().catch(() => {});
    if (!a.isDown) await sendAll(world, a, 10);
    const died = a.isDown;
    if (died) await a.start();
    const numbers = await sendAll(world, a, 10);
    acknowledged += numbers.length;
    a.crash("lost");
    Object.assign(a.options, OPTIONS);
    await a.start();
    await world.pass(10 * MINUTE);
    const where = `died at call ${call}`;
    const here = countNumbers(await a.mailbox("bob"));
    for (const number of numbers) assert(here[number]! >= 1, `${where}: ${number} is lost`);
    if (!died) break;
  }
  assert(acknowledged > 100, `${acknowledged}`);
});
