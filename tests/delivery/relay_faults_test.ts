/**
 * A next hop that breaks at every possible point. Whatever it does, the attempt ends, nothing is lost, and
 * what is told is true: `relayed` only where the peer has said 250 to the message, and another copy is sent
 * only where none can have arrived.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { PeerBehaviour } from "./scripted_peer.ts";
import { mxRoute, RelayWorld } from "./relay_world.ts";

/** Octets that the peer says up to 354, after which the message goes out, and to its end (`scripted_peer.ts`). */
const GO_ON = 24 + 73 + 14 + 14 + 14 + 11;
const DIALOGUE = GO_ON + 17;
const TO = ["bob@example.org", "eve@example.org"];

/** One delivery to a bad host with a good one behind it; what became of it. */
async function deliverPast(behaviour: PeerBehaviour) {
  await using world = new RelayWorld();
  const bad = await world.peer(behaviour);
  const good = await world.peer({}, "192.0.2.26");
  const start = world.own.clock.now();
  const outcomes = await world.relayed({ to: TO });
  return {
    statuses: outcomes.map(({ status }) => status),
    texts: outcomes.map(({ reply }) => reply.lines.join(" ")),
    waited: world.own.clock.now() - start,
    copies: bad.messages.length + good.messages.length,
    bad,
    good,
    troubles: world.troubles,
  };
}

Deno.test("remoteTransport() loses no mail when a next hop closes after any octet", async () => {
  for (let octets = 0; octets < DIALOGUE; octets++) {
    const { statuses, texts, bad, good, troubles, waited } = await deliverPast({
      closeAfter: octets,
    });
    if (octets >= GO_ON) {
      // The message had gone out: only its reply would have said whether it was taken.
      assertEquals(statuses, ["deferred", "deferred"], `after ${octets}`);
      assertMatch(texts[0]!, /may have arrived/);
      assertEquals([troubles.length, good.connections], [1, 0]);
    } else {
      assertEquals(statuses, ["relayed", "relayed"], `after ${octets}`);
      assertEquals([bad.messages.length, good.messages.length], [0, 1], `after ${octets}`);
    }
    assert(waited < 5_000, `${waited} ms after ${octets}`);
  }
  const { statuses, good } = await deliverPast({ closeAfter: DIALOGUE });
  assertEquals([statuses, good.connections], [["relayed", "relayed"], 0]);
});

Deno.test("remoteTransport() waits as long as RFC 5321 says when a next hop falls silent after any octet", async () => {
  for (let octets = 0; octets < DIALOGUE; octets++) {
    const { statuses, waited, good } = await deliverPast({ silentAfter: octets });
    // RFC 5321 §4.5.3.2: the end of the message, DATA, everything else.
    const limit = octets >= GO_ON ? 600_000 : octets >= GO_ON - 11 ? 120_000 : 300_000;
    assert(waited >= limit && waited < limit + 5_000, `${waited} ms after ${octets}`);
    if (octets >= GO_ON) {
      assertEquals([statuses, good.connections], [["deferred", "deferred"], 0], `after ${octets}`);
    } else {
      assertEquals(statuses, ["relayed", "relayed"], `after ${octets}`);
      assertEquals(good.messages.length, 1);
    }
  }
});

Deno.test("remoteTransport() loses no mail when a connection is reset at any point", async () => {
  let resets = 0;
  for (let after = 1; after < 420; after++) {
    await using world = new RelayWorld();
    const bad = await world.peer();
    const good = await world.peer({}, "192.0.2.26");
    let first = true;
    world.own.network.wires.conditions = () => {
      const fault = first ? { after, kind: "reset" } as const : undefined;
      first = false;
      return { ...(fault && { fault }), split: (available) => Math.min(available, 7) };
    };
    const outcomes = await world.relayed({ to: TO });
    const statuses = new Set(outcomes.map(({ status }) => status));
    assertEquals(statuses.size, 1, `after ${after}`);
    const [status] = statuses;
    if (status === "relayed") {
      assert(bad.messages.length + good.messages.length >= 1, `lost after ${after}`);
    } else {
      assertEquals(status, "deferred");
      resets++;
    }
    // Another host is never asked once the message may have been taken.
    if (bad.messages.length > 0) assertEquals(good.messages.length, 0, `twice after ${after}`);
  }
  assert(resets > 0);
});

Deno.test("remoteTransport() reads replies that come late and octet by octet", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  world.own.network.wires.conditions = () => ({ split: () => 1, delay: 10_000 });
  assertEquals(await world.relay({ to: TO }), [
    "0 relayed 250 2.0.0 taken",
    "1 relayed 250 2.0.0 taken",
  ]);
  assertEquals(peer.connections, 1);
});

Deno.test("remoteTransport() gives a reply no more time for coming octet by octet", async () => {
  await using world = new RelayWorld();
  const { clock } = world.own;
  const good = await world.peer({}, "192.0.2.26");
  const listener = await world.machine("192.0.2.25").network.listen({
    transport: "tcp",
    hostname: "0.0.0.0",
    port: 25,
  });
  const served = (async () => {
    const socket = (await listener.accept())!;
    const octet = Uint8Array.of(0x32);
    for (;;) {
      await socket.write(octet);
      await clock.sleep(100_000);
    }
  })().catch(() => {});
  const start = clock.now();
  assertEquals(await world.relay(), ["0 relayed 250 2.0.0 taken"]);
  const waited = clock.now() - start;
  assert(waited >= 300_000 && waited < 305_000, `${waited}`);
  assertEquals(good.messages.length, 1);
  listener.close();
  await clock.runUntil(served);
});

Deno.test("remoteTransport() survives garbage, endless lines and endless replies", async () => {
  const endless = "250-" + "x".repeat(100_000);
  const many = Array.from({ length: 5_000 }, () => "250-more").join("\r\n");
  for (const answer of ["", "\0\0\0", "25", "999 what", "250", "²50 ok", endless, many, "220"]) {
    for (const verb of ["EHLO", "MAIL", "RCPT", "DATA"]) {
      const seen = await deliverPast({ on: (line) => line.startsWith(verb) ? answer : undefined });
      assert(seen.statuses.every((status) => status === "relayed" || status === "deferred"));
      assertEquals(seen.copies <= 1, true);
    }
  }
  for (const greeting of ["", "\0\0\0", endless, many, "SSH-2.0-OpenSSH_9.2"]) {
    const { statuses, good } = await deliverPast({ greeting });
    assertEquals([statuses, good.messages.length], [["relayed", "relayed"], 1]);
  }
});

Deno.test("remoteTransport() hears a peer that breaks a large message off", async () => {
  await using world = new RelayWorld();
  world.own.resolver.set("example.org", { mx: ["10 mx1.example.org"] });
  // Says 552 in the middle of the message, reads no more, and closes.
  const machine = world.machine("192.0.2.25");
  const listener = await machine.network.listen({
    transport: "tcp",
    hostname: "0.0.0.0",
    port: 25,
  });
  const served = (async () => {
    const socket = (await listener.accept())!;
    const text = (words: string) => new TextEncoder().encode(words);
    const buffer = new Uint8Array(65536);
    await socket.write(text("220 hello\r\n"));
    await socket.read(buffer);
    await socket.write(text("250-peer\r\n250 PIPELINING\r\n"));
    await socket.read(buffer);
    await socket.write(text("250 OK\r\n250 OK\r\n354 go on\r\n"));
    await socket.read(buffer);
    await socket.write(text("552 5.2.2 too much for me\r\n"));
    socket.close();
  })();
  const body = "0123456789abcdef\r\n".repeat(100_000);
  assertEquals(await world.relay({ body, pieces: 40 }), ["0 failed 552 5.2.2 too much for me"]);
  await served;
});

Deno.test("remoteTransport() gives up after three minutes when a peer reads nothing of a large message", async () => {
  await using world = new RelayWorld();
  world.own.resolver.set("example.org", { mx: ["10 mx1.example.org"] });
  world.own.network.wires.conditions = () => ({ window: 1000 });
  const machine = world.machine("192.0.2.27");
  const listener = await machine.network.listen({
    transport: "tcp",
    hostname: "0.0.0.0",
    port: 25,
  });
  const served = (async () => {
    const socket = (await listener.accept())!;
    const text = (words: string) => new TextEncoder().encode(words);
    const buffer = new Uint8Array(65536);
    await socket.write(text("220 hello\r\n"));
    await socket.read(buffer);
    await socket.write(text("250-peer\r\n250 PIPELINING\r\n"));
    await socket.read(buffer);
    await socket.write(text("250 OK\r\n250 OK\r\n354 go on\r\n"));
  })();
  const start = world.own.clock.now();
  const body = "0123456789abcdef\r\n".repeat(100_000);
  const [outcome] = await world.relay({ body }, mxRoute({ domain: "[192.0.2.27]" }));
  assertMatch(outcome!, /^0 deferred 451 4\.4\.2 /);
  const waited = world.own.clock.now() - start;
  assert(waited >= 180_000 && waited < 190_000, `${waited}`);
  await served;
});
