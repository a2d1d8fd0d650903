import { assert, assertEquals } from "@std/assert";
import { tarpit, type TarpitOptions } from "../../../src/policy/abuse/tarpit.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation } from "../../support/memory_station.ts";

async function stickyStation(options: TarpitOptions = {}, relayFrom: readonly string[] = []) {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  return await MemoryStation.start({
    runtime,
    relayFrom,
    policies: [tarpit(options, runtime)],
  });
}

/** What each of so many unknown recipients takes, in virtual milliseconds. */
async function times(station: MemoryStation, count: number): Promise<number[]> {
  const { clock } = station.runtime;
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  const took = [];
  for (let i = 0; i < count; i++) {
    const before = clock.now();
    await peer.say(`RCPT TO:<n${i}@example.test>`, 550);
    took.push(clock.now() - before);
  }
  peer.close();
  return took;
}

Deno.test("attack: who asks for names pays for each with time, up to the longest", async () => {
  await using station = await stickyStation({ longest: 5000 });
  assertEquals(await times(station, 8), [0, 0, 0, 1000, 2000, 4000, 5000, 5000]);
});

Deno.test("tarpit() counts anew in each session, and lets what is good pass at once", async () => {
  await using station = await stickyStation();
  const { clock } = station.runtime;
  const before = clock.now();
  for (let i = 0; i < 5; i++) {
    const peer = await station.greeted();
    await peer.say("MAIL FROM:<a@client.example>", 250);
    for (let n = 0; n < 3; n++) await peer.say(`RCPT TO:<n${n}@example.test>`, 550);
    await peer.say("RSET", 250);
    await peer.mail({});
    peer.close();
  }
  assertEquals(clock.now(), before);
});

Deno.test("attack: only so many sessions are slowed at once; the others cost us nothing", async () => {
  await using station = await stickyStation({
    after: 0,
    first: 60_000,
    longest: 60_000,
    sessions: 2,
  });
  const { clock } = station.runtime;
  const peers = [];
  for (let i = 0; i < 5; i++) peers.push(await station.greeted());
  for (const peer of peers) await peer.say("MAIL FROM:<a@client.example>", 250);
  for (const peer of peers) await peer.send("RCPT TO:<n@example.test>\r\n");
  await clock.advance(1);
  const before = clock.now();
  for (const peer of peers.slice(2)) await peer.expect(550);
  assertEquals(clock.now(), before);
  for (const peer of peers.slice(0, 2)) await peer.expect(550);
  assert(clock.now() - before > 59_000);
});

Deno.test("tarpit() never slows who is trusted, nor what is refused for now", async () => {
  await using station = await stickyStation({ after: 0 }, ["198.51.100.0/24"]);
  assertEquals(await times(station, 3), [0, 0, 0]);
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  await using other = await MemoryStation.start({
    runtime,
    policies: [
      tarpit({ after: 0 }, runtime),
      { name: "p", sender: () => ({ action: "defer", reply: { code: 451, lines: ["later"] } }) },
    ],
  });
  const peer = await other.greeted();
  const before = runtime.clock.now();
  for (let i = 0; i < 5; i++) await peer.say("MAIL FROM:<a@client.example>", 451);
  assertEquals(runtime.clock.now(), before);
});
