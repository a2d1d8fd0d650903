import { assertEquals } from "@std/assert";
import type { DeliveryJob } from "../../src/delivery/transport.ts";
import type { Outcome } from "../../src/queue/outcome.ts";
import { mxRoute, RelayWorld, smarthostRoute } from "./relay_world.ts";
import { type Answer, CLOSE, type PeerBehaviour } from "./scripted_peer.ts";
import { jobFor, sourceOf, told } from "./support.ts";

/** An address, so that there is nothing to be looked up and waited for. */
const ROUTE = smarthostRoute({ host: "192.0.2.25", tls: "none" });
const RELAYED = ["0 relayed 250 2.0.0 taken"];

/** A job, its message in memory as in the queue. */
function job(name: string, more: Partial<DeliveryJob> = {}): DeliveryJob {
  const source = sourceOf("Subject: hi\r\n", `${name}\r\n`);
  const body = new TextEncoder().encode(`${name}\r\n`);
  return {
    ...jobFor(ROUTE, { to: [`${name}@example.org`] }),
    open: () => ({ ...source, bodyParts: () => [body] }),
    ...more,
  };
}

/** Delivers jobs, each given to the transport when the one before has room for it. */
async function deliverAll(
  world: RelayWorld,
  names: readonly string[],
  more: Partial<DeliveryJob> = {},
  signals: readonly AbortSignal[] = [],
): Promise<string[][]> {
  const deliveries: Promise<readonly Outcome[]>[] = [];
  const next = (): void => {
    const { length } = deliveries;
    if (length === names.length) return;
    const signal = signals[length] ?? new AbortController().signal;
    const one = job(names[length]!, { ...more, onRoom: next, follows: length > 0 });
    deliveries.push(world.remote.deliver(one, signal));
  };
  next();
  const outcomes: string[][] = [];
  await world.own.clock.runUntil((async () => {
    for (let at = 0; at < names.length; at++) {
      // Where there never was room the next is given when the one before is over.
      outcomes.push(told(await deliveries[at]!));
      if (deliveries.length === at + 1) next();
    }
  })());
  return outcomes;
}

/** An answer instead of the usual to the nth of the lines that begin so. */
function nth(number: number, start: string, answer: Answer): PeerBehaviour["on"] {
  let count = 0;
  return (line) => line.startsWith(start) && ++count === number ? answer : undefined;
}

Deno.test("remoteTransport(): the next message goes along with the one before, over one connection", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  assertEquals(await deliverAll(world, ["a", "b", "c"]), [RELAYED, RELAYED, RELAYED]);
  assertEquals(peer.messages.map(({ rcpt, text }) => [rcpt[0], text.split("\r\n")[2]]), [
    ["<a@example.org>", "a"],
    ["<b@example.org>", "b"],
    ["<c@example.org>", "c"],
  ]);
  // EHLO; the first MAIL; then a message and the next MAIL, twice; the last message.
  assertEquals([peer.connections, peer.reads], [1, 5]);
  assertEquals(world.remote.resting, 1);
});

Deno.test("remoteTransport(): the same with CHUNKING, where RSET makes sure of what the chunk leaves", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({ extensions: ["PIPELINING", "CHUNKING"] });
  assertEquals(await deliverAll(world, ["a", "b", "c"]), [RELAYED, RELAYED, RELAYED]);
  assertEquals([peer.connections, peer.reads, peer.said("RSET").length], [1, 5, 2]);
});

Deno.test("remoteTransport(): without PIPELINING one message goes after the other", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({ extensions: [] });
  assertEquals(await deliverAll(world, ["a", "b"]), [RELAYED, RELAYED]);
  assertEquals(peer.connections, 1);
});

Deno.test("remoteTransport(): a message that is read from the disk follows too, a little later", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  const open = async () => {
    for (let i = 0; i < 5; i++) await Promise.resolve();
    return sourceOf("Subject: hi\r\n", "slow\r\n");
  };
  assertEquals(await deliverAll(world, ["a", "b", "c"], { open }), [RELAYED, RELAYED, RELAYED]);
  assertEquals([peer.connections, peer.messages.length], [1, 3]);
});

Deno.test("remoteTransport(): a message costs one round trip, also where its host is looked up", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  const { clock, network } = world.own;
  network.wires.conditions = () => ({ delay: 50 });
  for (const [route, connections] of [[ROUTE, 1], [mxRoute({ tls: "none" }), 2]] as const) {
    const names = ["a", "b", "c", "d", "e", "f"];
    const begun = clock.now();
    assertEquals(await deliverAll(world, names, { route }), names.map(() => RELAYED));
    // Connecting, the greeting, EHLO and the first envelope, then the messages.
    assertEquals([peer.connections, clock.now() - begun], [
      connections,
      (3.5 + names.length) * 100,
    ]);
  }
});

Deno.test("remoteTransport(): what follows a message that is refused is sent all the same", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({ on: nth(1, ".", "554 5.6.0 no") });
  assertEquals(await deliverAll(world, ["a", "b"]), [["0 failed 554 5.6.0 no"], RELAYED]);
  assertEquals(peer.connections, 1);
});

Deno.test("remoteTransport(): what follows a message that ends the connection goes over another", async () => {
  const unseen = "0 deferred 451 4.4.2 [192.0.2.25]:25: the whole message was sent, " +
    "but its reply was not seen (the connection ended, after the message was sent and before it was " +
    "answered): it may have arrived";
  for (
    const [answer, outcome] of [
      [CLOSE, unseen],
      ["421 4.3.2 going down", "0 deferred 421 4.3.2 going down"],
    ] as const
  ) {
    await using world = new RelayWorld();
    const peer = await world.peer({ on: nth(1, ".", answer) });
    assertEquals(await deliverAll(world, ["a", "b", "c"]), [[outcome], RELAYED, RELAYED]);
    assertEquals([peer.connections, peer.messages.length], [2, 2]);
  }
});

Deno.test("remoteTransport(): a peer that has had enough after a message is asked over another connection", async () => {
  for (const answer of [CLOSE, "421 4.7.0 enough"] as const) {
    await using world = new RelayWorld();
    const peer = await world.peer({ on: nth(2, "MAIL", answer) });
    assertEquals(await deliverAll(world, ["a", "b"]), [RELAYED, RELAYED]);
    assertEquals([peer.connections, peer.messages.length], [2, 2]);
  }
});

Deno.test("remoteTransport(): a message that follows and is broken off breaks off none but itself", async () => {
  await using world = new RelayWorld();
  const second = new AbortController();
  const peer = await world.peer({
    on: (line) => {
      if (line === ".") second.abort(); // while the first waits for its answer
      return undefined;
    },
  });
  const signals = [new AbortController().signal, second.signal];
  const [first, aborted] = await deliverAll(world, ["a", "b"], {}, signals);
  assertEquals([first, aborted], [RELAYED, ["0 deferred 451 4.3.2 delivery was interrupted"]]);
  assertEquals(peer.messages.length, 1);
});

Deno.test("remoteTransport(): ends a connection after its hundred messages, also of those that follow", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  const names = Array.from({ length: 101 }, (_, index) => `n${index}`);
  assertEquals(await deliverAll(world, names), names.map(() => RELAYED));
  assertEquals([peer.connections, peer.messages.length], [2, 101]);
});

Deno.test("remoteTransport(): no message is made to wait behind another where the peer was slow", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  let delay = 5;
  world.own.network.wires.conditions = () => ({ delay: () => delay });
  assertEquals(await deliverAll(world, ["a", "b"]), [RELAYED, RELAYED]);
  delay = 800;
  let room = 0;
  const counting = (name: string) => world.deliver(job(name, { onRoom: () => void room++ }));
  await counting("c"); // that the peer is slow is learnt by this one
  assertEquals(room, 1);
  await counting("d");
  assertEquals([room, peer.connections], [1, 1]);
  delay = 5;
  await counting("e"); // and by this one that it is so no more
  await counting("f");
  assertEquals([room, peer.connections, peer.messages.length], [2, 1, 6]);
});

Deno.test("remoteTransport(): a message with a place of its own does not wait for the answer to another's", async () => {
  for (const follows of [false, true]) {
    await using world = new RelayWorld();
    const peer = await world.peer();
    const second: Promise<readonly Outcome[]>[] = [];
    const onRoom = () => void second.push(world.remote.deliver(job("b", { follows }), signal));
    const { signal } = new AbortController();
    const first = world.remote.deliver(job("a", { onRoom }), signal);
    assertEquals(told(await world.own.clock.runUntil(first)), RELAYED);
    assertEquals(told(await world.own.clock.runUntil(second[0]!)), RELAYED);
    assertEquals(peer.connections, follows ? 1 : 2);
  }
});

Deno.test("remoteTransport(): a message refused before its end says nothing of how slow the peer is", async () => {
  await using world = new RelayWorld();
  await world.peer({ on: nth(2, "RCPT", "550 5.1.1 who?") });
  let room = 0;
  const counting = (name: string) => world.deliver(job(name, { onRoom: () => void room++ }));
  await counting("a");
  await world.own.clock.runUntil(world.own.clock.sleep(3000));
  assertEquals(told(await counting("b")), ["0 failed 550 5.1.1 who?"]);
  await counting("c");
  assertEquals(room, 2);
});
