/**
 * Next hops that keep within the time for every answer, and would hold a connection for days all the same.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import type { Connection } from "../../src/runtime/network.ts";
import { mxRoute, RelayWorld } from "./relay_world.ts";
import type { JobSetup } from "./support.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const LITERAL = mxRoute({ domain: "[192.0.2.27]" });

/** How long a peer takes: for the reply to each recipient and to the end, and after each read of the message. */
interface Pace {
  readonly rcpt?: number;
  readonly end?: number;
  readonly read?: number;
}

/** A peer without PIPELINING that takes its time; serves one connection. */
async function slowPeer(world: RelayWorld, { rcpt = 0, end = 0, read = 0 }: Pace): Promise<void> {
  const { clock } = world.own;
  const { network } = world.machine("192.0.2.27");
  const listener = await network.listen({ transport: "tcp", hostname: "0.0.0.0", port: 25 });
  const serve = async (socket: Connection) => {
    const buffer = new Uint8Array(65_536);
    const hear = async () => {
      const length = await socket.read(buffer);
      if (length === null) throw new Error("closed");
      return decode(buffer.subarray(0, length));
    };
    const say = (text: string) => socket.write(encode(`${text}\r\n`));
    await say("220 slow.example");
    for (;;) {
      const line = await hear();
      if (line.startsWith("RCPT")) await clock.sleep(rcpt);
      if (!line.startsWith("DATA")) {
        await say("250 OK");
        continue;
      }
      await say("354 go on");
      for (let tail = ""; !tail.endsWith("\r\n.\r\n"); tail = (tail + await hear()).slice(-5)) {
        await clock.sleep(read);
      }
      await clock.sleep(end);
      await say("250 2.0.0 taken");
    }
  };
  (async () => {
    const socket = await listener.accept();
    if (socket !== null) await serve(socket).catch(() => {});
    listener.close();
  })();
}

async function relayedPast(pace: Pace, setup: JobSetup) {
  await using world = new RelayWorld();
  world.own.network.wires.conditions = () => ({ window: 60_000 });
  await slowPeer(world, pace);
  const start = world.own.clock.now();
  const outcomes = await world.relay(setup, LITERAL);
  return { outcomes, took: world.own.clock.now() - start };
}

const CROWD = Array.from({ length: 100 }, (_, index) => `user${index}@example.org`);

Deno.test("attack: a next hop that answers every recipient at the last moment is left after two hours", async () => {
  const { outcomes, took } = await relayedPast({ rcpt: 290_000 }, { to: CROWD });
  assertEquals(outcomes.length, 100);
  for (const outcome of outcomes) assertMatch(outcome, /^\d+ deferred 451 4\.4\.2 /);
  assert(took >= 2 * HOUR && took < 2 * HOUR + 5000, `${took}`);
});

Deno.test("attack: a next hop that reads a large message a window at a time is left after two hours", async () => {
  const body = "0123456789abcdef\r\n".repeat(500_000);
  const { outcomes, took } = await relayedPast({ read: 100_000 }, { body, pieces: 300 });
  assertMatch(outcomes[0]!, /^0 deferred 451 4\.4\.2 /);
  assert(took >= 2 * HOUR && took < 2 * HOUR + 5000, `${took}`);
});

Deno.test("a next hop that is only slow gets its mail", async () => {
  const { outcomes } = await relayedPast({ rcpt: 25_000, end: 9 * MINUTE }, { to: CROWD });
  assertEquals(
    new Set(outcomes.map((each) => each.replace(/^\d+ /, ""))),
    new Set(["relayed 250 2.0.0 taken"]),
  );
});

Deno.test("the answer to a message has its ten minutes, however late the message was whole", async () => {
  // 1 h 55 min for the recipients: the two hours end while the answer is awaited.
  const { outcomes } = await relayedPast({ rcpt: 69_000, end: 9 * MINUTE }, { to: CROWD });
  assertEquals(
    new Set(outcomes.map((each) => each.replace(/^\d+ /, ""))),
    new Set(["relayed 250 2.0.0 taken"]),
  );
});
