/**
 * Filters that are hostile, and clients that would get past one.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { concat, encode } from "../../../src/bytes.ts";
import { parseFields } from "../../../src/message/header.ts";
import { findClientName } from "../../../src/policy/milter/client_name.ts";
import { headerPackets } from "../../../src/policy/milter/commands.ts";
import { changesOf } from "../../../src/policy/milter/edits.ts";
import { knownMacros } from "../../../src/policy/milter/macros.ts";
import { MilterLink } from "../../../src/policy/milter/link.ts";
import { MilterPacketDecoder } from "../../../src/policy/milter/packet.ts";
import { parseReplyCode } from "../../../src/policy/milter/reply.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import type { Connection, Network } from "../../../src/runtime/network.ts";
import { ADDRESS, type Answer, filtered, longs, packet } from "./scripted_milter.ts";

const TEXT = "Subject: x\r\n\r\nx\r\n";
const at = (kind: string, ...answer: Uint8Array[]) => ({
  answer: (given: string): Answer => given === kind ? answer : undefined,
});

Deno.test("attack: a filter that says for ever, and at once, that it is at work is given up", async () => {
  const busy = concat(new Array<Uint8Array>(10_001).fill(packet("p")));
  for (const kind of ["M", "E"]) {
    await using world = await filtered(at(kind, busy, packet("c")));
    const { station } = world;
    const peer = await station.greeted();
    if (kind === "M") await peer.say("MAIL FROM:<a@client.example>", 451);
    else await peer.mail({ text: TEXT }, 451);
    assertStringIncludes(station.of("policy.failed")[0]!.error, "endless progress");
  }
});

Deno.test("attack: a filter that brings another body without end is given up, in one packet and in many", async () => {
  const large = new Uint8Array(1_100_000).fill(0x78);
  const bodies = [
    [concat([longs(0xffffffff), encode("b"), large])],
    new Array<Uint8Array>(20).fill(packet("b", large.subarray(0, 60_000))),
    new Array<Uint8Array>(2001).fill(packet("b")),
  ];
  for (const body of bodies) {
    await using world = await filtered(at("E", ...body), { temporary: "/incoming" });
    const { station } = world;
    const peer = await station.greeted();
    await peer.mail({ text: TEXT }, 451, "4.7.1");
    assertStringIncludes(station.of("policy.failed")[0]!.error, "endless changes");
    assertEquals(await Array.fromAsync(station.runtime.files.list("/incoming")), []);
  }
});

Deno.test("attack: a filter brings no other body where it is not asked for changes", async () => {
  for (const kind of ["M", "R", "L", "N", "B"]) {
    await using world = await filtered(at(kind, packet("b", "x".repeat(300_000))));
    const peer = await world.station.greeted();
    if (kind === "M") await peer.say("MAIL FROM:<a@client.example>", 451);
    else if (kind === "R") {
      await peer.say("MAIL FROM:<a@client.example>", 250);
      await peer.say("RCPT TO:<alice@example.test>", 451);
    } else await peer.mail({ text: TEXT }, 451);
    assertStringIncludes(world.station.of("policy.failed")[0]!.error, "replace-body in answer to");
  }
});

Deno.test("milter() puts a message off where another body finds no room, whatever onTrouble says, and goes on with the filter", async () => {
  let messages = 0;
  const body = [packet("b", "y".repeat(500_000)), packet("h", "X-A\0b\0"), packet("c")];
  await using world = await filtered({
    answer: (kind) => kind === "E" && ++messages === 1 ? body : undefined,
  }, { options: { onTrouble: "accept" }, bodyMemory: 64 * 1024 });
  const { station, filter } = world;
  const peer = await station.greeted();
  station.runtime.files.fail({ operation: "write", path: /\.body$/, code: "ENOSPC" });
  await peer.mail({ text: TEXT }, 452, "4.3.1");
  assertEquals(station.of("internal.error").map(({ where }) => where), ["body store"]);
  assertEquals(await station.mailbox("alice"), []);
  await peer.mail({ text: TEXT });
  assertEquals([filter.connections, station.of("policy.failed")], [1, []]);
  assertEquals((await station.mailbox("alice")).length, 1);
});

Deno.test("attack: a filter takes our own trace field neither away nor over, whatever it puts above", () => {
  const fields = parseFields(
    encode("Received: ours\r\nReceived: theirs\r\nno field\r\nSubject: x\r\n"),
  );
  const edits = [
    { reply: "insert-header", index: 0, name: "Received", value: "forged" },
    { reply: "change-header", index: 1, name: "received", value: "1" },
    { reply: "change-header", index: 2, name: "Received", value: "" },
    { reply: "change-header", index: 2, name: "Received", value: "new" },
  ] as const;
  assertEquals(
    changesOf(edits, fields, true).map((change) => ({ ...change, verbatim: undefined })),
    [
      { change: "insert-field", index: 0, name: "Received", value: "forged" },
      { change: "replace-field", name: "received", occurrence: 1, value: "1" },
      // The third of all: ours is the second.
      { change: "replace-field", name: "Received", occurrence: 3, value: null },
      { change: "insert-field", index: 4, name: "Received", value: "new" },
    ].map((change) => ({ ...change, verbatim: undefined })) as never,
  );
});

Deno.test("attack: a refusal or a field of nothing but line ends costs no time to speak of", () => {
  // Where each were a beginning, these would be hundreds of billions of steps.
  const newlines = `${"\n".repeat(1_000_000)}x`;
  assertEquals(parseReplyCode(`550 no${newlines}`), null);
  const [change] = changesOf([{ reply: "add-header", name: "X", value: newlines }], [], true);
  assert(change?.change === "insert-field" && change.value.endsWith("x"));
});

Deno.test("attack: a filter that asks for a hundred thousand macros is told those that there are, once each", () => {
  const asked = Array.from({ length: 100_000 }, (_, i) => i % 2 ? "i" : `{x${i}}`);
  assertEquals(knownMacros([...asked, "{j}", "toString", "client_addr", "{client_addr}"]), [
    ...["i", "j", "{client_addr}"],
  ]);
});

Deno.test("MilterPacketDecoder takes a long packet octet by octet", () => {
  const decoder = new MilterPacketDecoder(300_000, "b");
  const octets = packet("h", "X\0".concat("y".repeat(200_000), "\0"));
  for (const octet of octets.subarray(0, -1)) {
    decoder.receive(Uint8Array.of(octet));
    assertEquals(decoder.next(), null);
  }
  decoder.receive(octets.subarray(-1));
  const whole = decoder.next();
  assert(typeof whole === "object" && whole !== null);
  assertEquals([whole.data.length, decoder.pending], [200_003, false]);
});

Deno.test("attack: a filter that does not read keeps no connection when the session ends", async () => {
  const { clock } = memoryRuntime();
  const agreement = packet("O", longs(6, 0, 0));
  const written: Uint8Array[] = [];
  let closed = false;
  const connection = {
    read: (into: Uint8Array) => (into.set(agreement), Promise.resolve(agreement.length)),
    write: (octets: Uint8Array) =>
      written.push(octets) === 1 ? Promise.resolve() : new Promise<void>(() => {}),
    close: () => closed = true,
  } as unknown as Connection;
  const network = { connect: () => Promise.resolve(connection) } as unknown as Network;
  const link = await MilterLink.open(ADDRESS, { network, clock }, 1000);
  link.quit();
  assertEquals([written.at(-1), closed], [packet("Q"), false]);
  await clock.advance(5000);
  assertEquals([closed, clock.sleepers], [true, 0]);
});

Deno.test("attack: a client does not drive a filter away by a field that is larger than libmilter takes", () => {
  const value = `start${"x".repeat(100_000)}`;
  for (const name of ["X-Long", "Subject"]) {
    const fields = parseFields(encode(`${name}: ${value}\r\nX-Next: y\r\n`));
    const [long, next] = [...headerPackets(fields, false)];
    const data = long!.subarray(5);
    assertEquals([long![4], data.length, data.at(-1)], ["L".charCodeAt(0), 65_535, 0]);
    assertEquals(data.subarray(0, name.length + 6), encode(`${name}\0start`));
    assertEquals(data.indexOf(0, name.length + 1), data.length - 1);
    assertEquals(next, packet("L", "X-Next\0y\0"));
    const just = "y".repeat(65_535 - name.length - 2);
    const [whole] = [...headerPackets(parseFields(encode(`${name}: ${just}\r\n`)), false)];
    assertEquals(whole, packet("L", `${name}\0${just}\0`));
  }
});

Deno.test("attack: a client does not drive a filter away by a field whose name is larger than libmilter takes", () => {
  for (const length of [65_532, 65_533, 65_534, 200_000]) {
    const fields = parseFields(encode(`${"X".repeat(length)}: value\r\n`));
    const [long] = [...headerPackets(fields, false)];
    const data = long!.subarray(5);
    assertEquals([data.length, data.at(-1)], [65_535, 0]);
    assertEquals(data.indexOf(0), Math.min(length, 65_533));
  }
});

Deno.test("attack: findClientName() tells no name that is none, though DNS leads back from it", async () => {
  const { resolver, clock } = memoryRuntime();
  const names = ["a\r\nUser: x.example", "a b.example", "a\0.example", "<b>.example", ""];
  for (const name of names) {
    resolver.set("1.2.0.192.in-addr.arpa", { ptr: [name] });
    resolver.set(name, { a: ["192.0.2.1"] });
    assertEquals(await findClientName("192.0.2.1", resolver, clock), {
      ...{ name: "[192.0.2.1]", ptr: null, resolve: "FAIL" },
    });
  }
  resolver.set("1.2.0.192.in-addr.arpa", { ptr: [...names.slice(0, 2), "sound_1.example"] });
  resolver.set("sound_1.example", { a: ["192.0.2.1"] });
  assertEquals((await findClientName("192.0.2.1", resolver, clock)).name, "sound_1.example");
});
