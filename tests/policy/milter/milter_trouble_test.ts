import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { concat, encode } from "../../../src/bytes.ts";
import { findClientName } from "../../../src/policy/milter/client_name.ts";
import { STEPS } from "../../../src/policy/milter/negotiation.ts";
import { milter } from "../../../src/policy/milter/milter.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation } from "../../support/memory_station.ts";
import {
  ADDRESS,
  filtered,
  longs,
  packet,
  type Script,
  ScriptedMilter,
} from "./scripted_milter.ts";

const TEXT = "Subject: x\r\n\r\nx\r\n.";

for (
  const [onTrouble, wanted] of [
    ["accept", 250],
    ["defer", 451],
    ["reject", 550],
    [undefined, 451],
  ] as const
) {
  Deno.test(`milter() without its filter answers as onTrouble says: ${onTrouble ?? "default"}`, async () => {
    const runtime = memoryRuntime({ address: "192.0.2.25" });
    const policy = milter({
      ...{ address: ADDRESS, hostname: "mx.example.test" },
      ...(onTrouble && { onTrouble }),
    }, runtime);
    await using station = await MemoryStation.start({ runtime, policies: [policy] });
    const peer = await station.greeted();
    await peer.say(
      "MAIL FROM:<a@client.example>",
      wanted,
      wanted === 250 ? "" : `${wanted}`[0] + ".7.1",
    );
    const [failed, ...more] = station.of("policy.failed");
    assertEquals([failed?.policy, failed?.stage, more.length], ["milter", "sender", 0]);
    assertStringIncludes(failed!.error, "unix:/run/milter.sock: ");
    if (wanted !== 250) return;
    await peer.say("RCPT TO:<alice@example.test>", 250);
    await peer.say("DATA", 354);
    await peer.say(TEXT, 250);
    assertEquals((await station.mailbox("alice")).length, 1);
    assertEquals(station.of("policy.failed").length, 1);
  });
}

Deno.test("milter() asks again at the next MAIL, with all the filter has missed", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const policy = milter({ address: ADDRESS, hostname: "mx.example.test" }, runtime);
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 451);
  const filter = await ScriptedMilter.start(runtime, {});
  await peer.mail({});
  assertEquals(filter.kinds, "CHMRTLNBE");
  assertEquals((await station.mailbox("alice")).length, 1);
  filter.stop();
});

Deno.test("milter() does not wait for a hung filter at each step", async () => {
  await using world = await filtered({ answer: () => "hang" });
  const { clock } = world.station.runtime;
  const begun = clock.now();
  const peer = await world.station.greeted();
  assertEquals(clock.now() - begun, 0);
  await peer.say("MAIL FROM:<a@client.example>", 451);
  assertEquals(clock.now() - begun, 30_000);
});

Deno.test("milter() begins anew, without a word, where the filter left between two messages", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const policy = milter({ address: ADDRESS, hostname: "mx.example.test" }, runtime);
  const old = await ScriptedMilter.start(runtime, {});
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const peer = await station.greeted();
  await peer.mail({});
  old.stop();
  const filter = await ScriptedMilter.start(runtime, {});
  await peer.mail({});
  assertEquals(filter.kinds, "CHMRTLNBE");
  assertEquals(station.of("policy.failed"), []);
  filter.stop();
});

Deno.test("milter() tells all again where the filter was restarted in the middle of a message", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const policy = milter({ address: ADDRESS, hostname: "mx.example.test" }, runtime);
  let filter = await ScriptedMilter.start(runtime, {});
  const restart = async () => {
    filter.stop();
    filter = await ScriptedMilter.start(runtime, {});
  };
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example> SIZE=10", 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await restart();
  await peer.say("RCPT TO:<bob@example.test>", 250);
  // Of Alice it hears again when the message is whole.
  assertEquals(filter.kinds, "CHMR");
  await peer.say("DATA", 354);
  await restart();
  await peer.say(TEXT, 250);
  assertEquals(filter.kinds, "CHMRRTLNBE");
  assertEquals(filter.heard.find(([kind]) => kind === "M"), "M<a@client.example>|SIZE=10|");
  assertEquals(station.of("policy.failed"), []);
  filter.stop();
});

Deno.test("milter() tells a filter that was restarted nothing of a recipient that others refuse", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const policy = milter({ address: ADDRESS, hostname: "mx.example.test" }, runtime);
  const script = { negotiate: longs(6, 0x1ff, STEPS.refusedRecipients) };
  const old = await ScriptedMilter.start(runtime, script);
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  old.stop();
  const filter = await ScriptedMilter.start(runtime, script);
  await peer.say("RCPT TO:<nobody@example.test>", 550);
  assertEquals(filter.kinds, "");
  await peer.say("RCPT TO:<alice@example.test>", 250);
  assertEquals(filter.kinds, "CHMR");
  assertEquals(station.of("policy.failed"), []);
  filter.stop();
});

/** What an ill or hostile filter does, at which command, and words of the event. */
const ILL: [name: string, kind: string, Script, words: string][] = [
  [
    "closes",
    "E",
    { answer: (kind) => kind === "E" ? "close" : undefined },
    "closed the connection",
  ],
  ["is silent", "E", { answer: (kind) => kind === "E" ? "hang" : undefined }, "within 300000 ms"],
  [
    "is silent about MAIL",
    "M",
    { answer: (kind) => kind === "M" ? "hang" : undefined },
    "30000 ms",
  ],
  ["is silent in the negotiation", "M", { answer: () => "hang" }, "30000 ms"],
  ["speaks another protocol", "M", { answer: () => encode("220 mx ESMTP\r\n") }, "a packet of"],
  ["speaks a later version", "M", { negotiate: longs(7, 0, 0) }, "version 7"],
  [
    "sends a packet of 4 GiB",
    "E",
    endsWith(concat([longs(0xffffffff), encode("h")])),
    "4294967295",
  ],
  ["sends a packet of nothing", "E", endsWith(longs(0)), "no length"],
  ["sends what is no reply", "E", endsWith(packet("z")), "cannot be read"],
  [
    "changes in the middle",
    "L",
    answers("L", packet("h", "X\0y\0")),
    "add-header in answer to header",
  ],
  ["discards a session", "M", answers("C", packet("d")), "discard in answer to connect"],
  ["skips what cannot be skipped", "N", answers("N", packet("s")), "skip in answer"],
  [
    "answers twice",
    "T",
    answers("R", concat([packet("c"), packet("a")])),
    "more replies than commands",
  ],
  [
    "wants endless changes",
    "E",
    endsWith(...new Array(2001).fill(packet("h", "X\0y\0")), packet("c")),
    "endless changes",
  ],
  [
    "wants an endless body",
    "E",
    endsWith(...new Array(20).fill(packet("b", new Uint8Array(100_000))), packet("c")),
    "endless changes",
  ],
  [
    "wants fields without end",
    "E",
    endsWith(...new Array(20).fill(packet("h", `X\0${"y".repeat(100_000)}\0`)), packet("c")),
    "endless changes",
  ],
  [
    "adds a field that would be two",
    "E",
    endsWith(packet("h", "X\r\nBcc: eve@example.org\0y\0"), packet("c")),
    "cannot be read",
  ],
  [
    "adds a recipient that is none",
    "E",
    endsWith(packet("+", "<a b>\0"), packet("c")),
    "cannot be read",
  ],
];

function answers(at: string, ...answer: Uint8Array[]): Script {
  return { answer: (kind) => kind === at ? answer : undefined };
}

function endsWith(...answer: Uint8Array[]): Script {
  return answers("E", ...answer);
}

for (const [name, kind, script, words] of ILL) {
  Deno.test(`attack: a filter that ${name} is answered for, and told of`, async () => {
    await using world = await filtered(script);
    const peer = await world.station.greeted();
    const early = kind === "M";
    await peer.say("MAIL FROM:<a@client.example>", early ? 451 : 250);
    if (!early) {
      await peer.say("RCPT TO:<alice@example.test>", 250);
      await peer.say("DATA", 354);
      await peer.say(TEXT, 451, "4.7.1");
    }
    const failed = world.station.of("policy.failed");
    assertEquals(failed.map(({ stage }) => stage), [early ? "sender" : "message"]);
    assertStringIncludes(failed[0]!.error, words);
    assertEquals(await world.station.mailbox("alice"), []);
  });
}

Deno.test("milter() gives a filter time that asks for it, but not for ever", async () => {
  const progress = packet("p");
  let ended = false;
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const listener = await runtime.network.listen(ADDRESS);
  const serve = async () => {
    const connection = await listener.accept();
    const buffer = new Uint8Array(65_536);
    const say = (octets: Uint8Array) => connection!.write(octets);
    for (let length; (length = await connection!.read(buffer)) !== null;) {
      // The negotiation alone is answered as such; all others are told to wait.
      if (buffer[4] === 0x4f) await say(packet("O", longs(6, 0, 0xfffff & ~0x10000)));
      else if (length > 0) {
        while (!ended) {
          await runtime.clock.sleep(200_000);
          await say(progress);
        }
      }
    }
  };
  const served = serve().catch(() => ended = true);
  const policy = milter({ address: ADDRESS, hostname: "mx.example.test" }, runtime);
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const peer = await station.greeted();
  const begun = runtime.clock.now();
  await peer.mail({}, 451, "4.7.1");
  assertEquals(runtime.clock.now() - begun, 9 * 60_000);
  ended = true;
  await runtime.clock.advance(300_000);
  listener.close();
  await served;
});

Deno.test("milter() leaves no connection behind when a client goes in the middle", async () => {
  await using world = await filtered({ answer: (kind) => kind === "E" ? "hang" : undefined });
  const { station, filter } = world;
  const peer = await station.greeted();
  await peer.begin();
  await peer.send(`${TEXT}\r\n`);
  peer.close();
  await station.runtime.clock.advance(600_000);
  assertEquals(filter.connections, 1);
  // What the filter has not seen the end of is not taken.
  assertEquals(await station.mailbox("alice"), []);
  const other = await station.greeted();
  await other.say("MAIL FROM:<a@client.example>", 250);
  await other.say("QUIT", 221);
  await station.runtime.clock.settle();
  assertEquals(filter.heard.at(-1), "Q");
});

Deno.test("milter() gives each session a connection of its own", async () => {
  await using world = await filtered({
    answer: (kind, data) => kind === "H" && data.includes("bad") ? packet("r") : undefined,
  });
  const good = await world.station.greeted();
  const bad = await world.station.connect();
  await bad.expect(220);
  await bad.say("EHLO bad.example", 250);
  await bad.say("MAIL FROM:<a@client.example>", 550);
  await good.mail({});
  assertEquals(world.filter.connections, 2);
});

Deno.test("findClientName() believes a name that has the address, and no other", async () => {
  const { resolver, clock } = memoryRuntime();
  const find = (address: string) => findClientName(address, resolver, clock);
  resolver.set("1.2.0.192.in-addr.arpa", { ptr: ["a.example"] });
  resolver.set("a.example", { a: ["192.0.2.1"] });
  resolver.set("2.2.0.192.in-addr.arpa", { ptr: ["a.example"] });
  resolver.failures.set("ptr 4.2.0.192.in-addr.arpa", "servfail");
  assertEquals(await find("192.0.2.1"), { name: "a.example", ptr: "a.example", resolve: "OK" });
  assertEquals(await find("192.0.2.2"), {
    ...{ name: "[192.0.2.2]", ptr: "a.example", resolve: "FORGED" },
  });
  assertEquals(await find("192.0.2.3"), { name: "[192.0.2.3]", ptr: null, resolve: "FAIL" });
  assertEquals(await find("192.0.2.4"), { name: "[192.0.2.4]", ptr: null, resolve: "TEMP" });
  const without = await findClientName("192.0.2.1", undefined, clock);
  assertEquals(without.resolve, "FAIL");
  assertEquals(clock.sleepers, 0);
});

Deno.test("milter() takes a filter that splits its packets octet by octet", async () => {
  const octets = concat([packet("h", "X-Seen\0yes\0"), packet("c")]);
  const split = [...octets].map((octet) => Uint8Array.of(octet));
  await using world = await filtered(endsWith(...split));
  await (await world.station.greeted()).mail({});
  assert((await world.station.mailbox("alice"))[0]!.includes("\r\nX-Seen: yes\r\n"));
});
