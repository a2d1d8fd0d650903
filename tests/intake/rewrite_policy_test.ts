/**
 * What policies make of whole messages, on a station in memory.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import { applyChanges } from "../../src/intake/head_edits.ts";
import { parseFields } from "../../src/message/header.ts";
import type { Change, HeadChange, Policy, Refusal } from "../../src/policy/policy.ts";
import { queueMatcher } from "../../src/queue/operator/queue_filter.ts";
import { reply } from "../../src/smtp/reply.ts";
import { MemoryStation } from "../support/memory_station.ts";

const BOB = { local: "bob", domain: "example.test" };
const ALICE = { local: "alice", domain: "example.test" };

const changing = (...changes: Change[]): Policy => ({
  name: "editor",
  message: () => ({ action: "annotate", changes }),
});

async function sent(changes: Change[], text = "Subject: hi\r\nX-A: 1\r\nX-A: 2\r\n\r\nHello.\r\n") {
  const station = await MemoryStation.start({ policies: [changing(...changes)] });
  const peer = await station.greeted();
  await peer.mail({ text });
  return station;
}

Deno.test("a policy replaces one field of several, and takes one out", async () => {
  await using station = await sent([
    { change: "replace-field", name: "X-A", occurrence: 2, value: "two" },
    { change: "replace-field", name: "X-A", occurrence: 1, value: null },
    { change: "replace-field", name: "X-None", occurrence: 1, value: "nothing" },
  ]);
  const [mail] = await station.mailbox("alice");
  // The occurrences are those at the time of the change.
  assertMatch(mail!, /^X-A: two\r\n/m);
  assertEquals(mail!.match(/^X-A:/gm)?.length, 1);
  assertEquals(mail!.includes("X-None"), false);
});

Deno.test("a policy inserts a field where it wants", async () => {
  await using station = await sent([
    { change: "insert-field", index: 1, name: "X-Second", value: "here" },
    { change: "insert-field", index: 99, name: "X-Last", value: "there" },
  ]);
  const [mail] = await station.mailbox("alice");
  const names = mail!.split("\r\n\r\n")[0]!.match(/^[\w-]+(?=:)/gm)!;
  const received = names.indexOf("Received");
  assertEquals(names[received + 1], "X-Second");
  assertEquals(names.at(-1), "X-Last");
});

Deno.test("a policy gives a message another body", async () => {
  await using station = await sent([
    { change: "replace-body", body: encode("Something else.\r\n") },
  ]);
  const [mail] = await station.mailbox("alice");
  assertStringIncludes(mail!, "\r\n\r\nSomething else.\r\n");
  assertEquals(mail!.includes("Hello."), false);
});

Deno.test("attack: a body that a policy gives has no bare newline in it, however large", async () => {
  const bodies: [string, string][] = [
    ["a\n.\nMAIL FROM:<x@y.example>\n", "a\r\n.\r\nMAIL FROM:<x@y.example>\r\n"],
    ["a\rb\r", "a\r\nb\r\n"],
    ["a\n".repeat(20_000), "a\r\n".repeat(20_000)],
  ];
  for (const [given, wanted] of bodies) {
    let seen = "";
    const look: Policy = {
      name: "next",
      async message({ openBody }) {
        for await (const chunk of openBody()) seen += decode(chunk);
      },
    };
    const writer = changing({ change: "replace-body", body: encode(given) });
    await using station = await MemoryStation.start({ policies: [writer, look] });
    const peer = await station.greeted();
    await peer.mail({});
    assertEquals(seen, wanted);
    assert((await station.mailbox("alice"))[0]!.endsWith(`\r\n\r\n${wanted}`));
  }
});

Deno.test("a policy adds a recipient and takes another away", async () => {
  await using station = await sent([
    { change: "add-recipient", recipient: BOB },
    { change: "add-recipient", recipient: { local: "nobody", domain: "example.test" } },
    { change: "remove-recipient", recipient: ALICE },
  ]);
  assertEquals((await station.mailbox("bob")).length, 1);
  assertEquals((await station.mailbox("alice")).length, 0);
  assertEquals(station.of("message.discarded").map(({ recipients }) => recipients), [[
    "alice@example.test",
  ]]);
  assertEquals(station.of("internal.error").length, 1);
});

Deno.test("a message that a policy wants to go to more mailboxes than one may is put off", async () => {
  const to = (count: number) => {
    const changes = Array.from({ length: count }, (_, at): Change => ({
      change: "add-recipient",
      recipient: { local: `u${at}`, domain: "example.test" },
    }));
    const directory = mapDirectory({
      accounts: { "alice@example.test": { password: "wonderland" } },
      catchAll: { "example.test": "alice@example.test" },
    });
    return MemoryStation.start({ directory, policies: [changing(...changes)] });
  };
  await using most = await to(9_999);
  await (await most.greeted()).mail({});
  assertEquals((await most.mailbox("alice")).length, 1);
  await using beyond = await to(10_000);
  await (await beyond.greeted()).mail({}, 451, "4.3.0");
  assertEquals(await beyond.mailbox("alice"), []);
});

Deno.test("a policy gives a message another sender", async () => {
  await using station = await sent([
    { change: "replace-sender", sender: { local: "x", domain: "other.example" } },
  ]);
  assertStringIncludes((await station.mailbox("alice"))[0]!, "Return-Path: <x@other.example>");
});

Deno.test("a message in quarantine waits in the queue until an operator lets it go", async () => {
  await using station = await MemoryStation.start({
    policies: [changing({ change: "quarantine", reason: "looks odd" })],
    queue: { directory: "/queue" },
  });
  const peer = await station.greeted();
  await peer.mail({});
  await station.runtime.clock.advance(3_600_000);
  assertEquals(await station.mailbox("alice"), []);
  const matcher = queueMatcher({});
  if ("wrong" in matcher) throw new Error(matcher.wrong);
  const { signal } = new AbortController();
  const queue = station.mta.queue!;
  const held = await Array.fromAsync(queue.list(matcher, signal));
  assertEquals(held.map(({ state, reason }) => [state, reason]), [["held", "looks odd"]]);
  await Array.fromAsync(queue.change({ ids: [held[0]!.id] }, { action: "release" }, signal));
  await station.runtime.clock.advance(60_000);
  assertEquals((await station.mailbox("alice")).length, 1);
});

Deno.test("a station without a queue puts off what a policy wants held", async () => {
  const policies = [changing({ change: "quarantine", reason: "looks odd" })];
  await using station = await MemoryStation.start({ policies });
  const peer = await station.greeted();
  await peer.mail({}, 451, "4.7.1");
  assertEquals(await station.mailbox("alice"), []);
});

Deno.test("policies hear of each refusal before the client does, and may take their time", async () => {
  const heard: [string, Refusal["stage"], number][] = [];
  const listener: Policy = {
    name: "listener",
    refused: async (session, refusal) => {
      heard.push([session.client, refusal.stage, refusal.reply.code]);
      await station.runtime.clock.sleep(5000);
    },
    sender: (_, sender) =>
      sender?.local === "spam"
        ? { action: "reject", reply: reply(550, "5.7.1", "not you") }
        : undefined,
    message: () => ({ action: "reject", reply: reply(554, "5.7.1", "not that") }),
  };
  await using station = await MemoryStation.start({ policies: [listener] });
  const { clock } = station.runtime;
  const peer = await station.greeted();
  const begun = clock.now();
  await peer.say("MAIL FROM:<spam@client.example>", 550, "5.7.1");
  assertEquals(clock.now() - begun >= 5000, true);
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<nobody@example.test>", 550, "5.1.1");
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: x\r\n\r\nx\r\n.", 554, "5.7.1");
  assertEquals(heard, [
    ["198.51.100.7", "sender", 550],
    ["198.51.100.7", "recipient", 550],
    ["198.51.100.7", "message", 554],
  ]);
});

Deno.test("attack: a head of 2,000 fields that a filter takes out one by one costs no time to speak of", () => {
  const fields = parseFields(encode("X-Spam: 1\r\n".repeat(2000) + "Subject: hi\r\n"));
  const one: HeadChange = { change: "replace-field", name: "x-spam", occurrence: 1, value: null };
  let looks = 0;
  const counted = fields.map(({ name, raw }) => ({
    raw,
    get name() {
      looks++;
      return name;
    },
  }));
  const left = applyChanges(counted, new Array<HeadChange>(2000).fill(one));
  assertEquals(left.map(({ name }) => name), ["Subject"]);
  // Looking at all fields for each of them would be four millions.
  assert(looks < 20_000, `${looks} looks`);
});
