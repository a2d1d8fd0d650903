import { assert, assertEquals, assertRejects } from "@std/assert";
import { Places } from "../../../src/policy/milter/places.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { filtered, packet } from "./scripted_milter.ts";

Deno.test("attack: strangers that connect and only say their name cost the filter nothing", async () => {
  await using world = await filtered({});
  for (let i = 0; i < 20; i++) await world.station.greeted(`198.51.100.${i}`);
  assertEquals(world.filter.connections, 0);
});

Deno.test("attack: strangers that say no more hold no connection that somebody else needs", async () => {
  await using world = await filtered({}, { options: { connections: 2, onTrouble: "accept" } });
  const { station, filter } = world;
  for (let i = 0; i < 20; i++) {
    const stranger = await station.greeted(`198.51.100.${i}`);
    await stranger.say("MAIL FROM:<x@client.example>", 250);
    if (i % 2 === 0) await stranger.say("RCPT TO:<alice@example.test>", 250);
  }
  const begun = station.runtime.clock.now();
  await (await station.greeted("198.51.100.99")).mail({});
  assertEquals(station.runtime.clock.now(), begun);
  assertEquals((await station.mailbox("alice")).length, 1);
  await station.runtime.clock.settle();
  assertEquals([filter.connections, filter.open], [21, 2]);
  assertEquals(station.of("policy.failed"), []);
});

Deno.test("milter() tells again what the filter has heard over a link that went to somebody else", async () => {
  await using world = await filtered({}, { options: { connections: 1 } });
  const { station, filter } = world;
  const slow = await station.greeted("198.51.100.1");
  const other = await station.greeted("198.51.100.2");
  await slow.say("MAIL FROM:<slow@client.example> SIZE=100", 250);
  await slow.say("RCPT TO:<alice@example.test>", 250);
  await other.mail({});
  await slow.say("RCPT TO:<bob@example.test>", 250);
  const mail = "M<slow@client.example>|SIZE=100|";
  const [alice, bob] = ["R<alice@example.test>|", "R<bob@example.test>|"];
  assertEquals(filter.heard.slice(-2), [mail, bob]);
  await slow.say("DATA", 354);
  await other.mail({});
  await slow.say("Subject: x\r\n\r\nx\r\n.", 250);
  const last = filter.heard.lastIndexOf("T");
  assertEquals(filter.heard.slice(last - 3, last), [mail, alice, bob]);
  assertEquals((await station.mailbox("alice")).length, 3);
  assertEquals((await station.mailbox("bob")).length, 1);
  await station.runtime.clock.settle();
  assertEquals(filter.open, 1);
});

Deno.test("milter() shows no filter a message of which it has heard of some recipients only", async () => {
  await using world = await filtered({}, { options: { connections: 1 } });
  const { station, filter } = world;
  const slow = await station.greeted("198.51.100.1");
  await slow.say("MAIL FROM:<slow@client.example>", 250);
  await slow.say("RCPT TO:<alice@example.test>", 250);
  await (await station.greeted("198.51.100.2")).mail({});
  await slow.say("RCPT TO:<bob@example.test>", 250);
  await slow.say("DATA", 354);
  await slow.say("Subject: x\r\n\r\nx\r\n.", 250);
  assert(filter.kinds.endsWith("CHMRAMRRTLNBE"), filter.kinds);
  assertEquals((await station.mailbox("bob")).length, 1);
});

Deno.test("attack: strangers that take turns do not have a filter told of all recipients at each", async () => {
  await using world = await filtered({}, { options: { connections: 1 } });
  const { station, filter } = world;
  const [one, two] = [await station.greeted("198.51.100.1"), await station.greeted("198.51.100.2")];
  await one.say("MAIL FROM:<a@client.example>", 250);
  await two.say("MAIL FROM:<b@client.example>", 250);
  const turns = 50;
  for (let i = 0; i < turns; i++) {
    for (const each of [one, two]) await each.say(`RCPT TO:<alice+${i}@example.test>`, 250);
  }
  assertEquals(filter.kinds.replace(/[^R]/g, "").length, 2 * turns);
});

Deno.test("milter() puts a message off where the filter refuses, told again, a recipient that was taken", async () => {
  let heard = 0;
  await using world = await filtered({
    answer: (kind, data) =>
      kind === "R" && data.includes("bob") && ++heard > 1 ? packet("r") : undefined,
  }, { options: { connections: 1 } });
  const { station } = world;
  const slow = await station.greeted("198.51.100.1");
  await slow.say("MAIL FROM:<a@client.example>", 250);
  await slow.say("RCPT TO:<alice@example.test>", 250);
  await slow.say("RCPT TO:<bob@example.test>", 250);
  await slow.say("DATA", 354);
  await (await station.greeted("198.51.100.2")).mail({ to: ["alice@example.test"] });
  await slow.send("Subject: x\r\n\r\nx\r\n.\r\n");
  await slow.expect(451);
  assertEquals((await station.mailbox("bob")).length, 0);
});

Deno.test("milter() holds what the filter said of a message whose link went to somebody else", async () => {
  for (const [said, code, mails] of [["r", 550, 0], ["a", 250, 1]] as const) {
    await using world = await filtered({
      answer: (kind, data) => kind === "M" && data.includes("<slow@") ? packet(said) : undefined,
    }, { options: { connections: 1 } });
    const { station, filter } = world;
    const slow = await station.greeted("198.51.100.1");
    await slow.say("MAIL FROM:<slow@client.example>", code);
    await (await station.greeted("198.51.100.2")).mail({ to: ["bob@example.test"] });
    if (said === "r") continue;
    await slow.say("RCPT TO:<alice@example.test>", 250);
    await slow.say("DATA", 354);
    await slow.say("Subject: x\r\n\r\nx\r\n.", 250);
    assertEquals((await station.mailbox("alice")).length, mails);
    assertEquals(filter.heard.filter((each) => each.includes("<slow@")).length, 1);
  }
});

Deno.test("milter() has so many connections at once, and answers for the filter where it is too busy", async () => {
  await using world = await filtered({
    answer: (kind) => kind === "E" ? "hang" : undefined,
  }, { options: { connections: 2 } });
  const { station, filter } = world;
  const { clock } = station.runtime;
  const peers = [];
  for (let i = 0; i < 3; i++) peers.push(await station.greeted(`198.51.100.${i}`));
  for (const peer of peers.slice(0, 2)) {
    await peer.begin();
    await peer.send("Subject: x\r\n\r\nx\r\n.\r\n");
  }
  await clock.settle();
  const begun = clock.now();
  await peers[2]!.say("MAIL FROM:<c@client.example>", 451, "4.7.1");
  assertEquals(clock.now() - begun, 30_000);
  assertEquals([filter.connections, filter.open], [2, 2]);
  assertEquals(station.of("policy.failed").map(({ error }) => error), [
    "Error: unix:/run/milter.sock: all 2 connections at work for 30000 ms",
  ]);
  for (const peer of peers.slice(0, 2)) await peer.expect(451);
  // The places are free again.
  await peers[2]!.say("MAIL FROM:<c@client.example>", 250);
});

Deno.test("Places gives turns in order, takes them from whoever rests longest, and turns away where too many wait", async () => {
  const { clock } = memoryRuntime();
  const places = new Places(2, clock);
  const gone: string[] = [];
  const guest = (name: string) => {
    const self = {
      leave() {
        gone.push(name);
        places.wake(self);
        places.give();
      },
    };
    return self;
  };
  const [a, b] = [guest("a"), guest("b")];
  await places.take(1000);
  await places.take(1000);
  places.rest(a);
  places.rest(b);
  places.wake(a);
  places.rest(a);
  await places.take(1000);
  assertEquals(gone, ["b"]);
  places.wake(a);
  const order: number[] = [];
  const waiting = [1, 2, 3].map((n) => places.take(1000).then(() => order.push(n)));
  places.rest(a); // at once
  places.give();
  await clock.settle();
  assertEquals([gone, order], [["b", "a"], [1, 2]]);
  const full = Array.from({ length: 19 }, () => places.take(1000));
  [...waiting, ...full].forEach((each) => each.catch(() => {}));
  await assertRejects(() => places.take(1000), Error, "too many wait");
  await clock.advance(1000);
  const ends = await Promise.allSettled([...waiting, ...full]);
  assertEquals(ends.filter(({ status }) => status === "rejected").length, 20);
  // Who had no patience left takes no place.
  places.give();
  await places.take(0);
  assert(clock.sleepers === 0);
});
