/**
 * What intake gives to the queue, and what it does not: a whole station in memory, its queue paused so that
 * everything stays where it was put.
 *
 * @module
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import { SubmitError } from "../../src/intake/submit.ts";
import type { QueueEntry } from "../../src/queue/entry.ts";
import { DeliveryError, type LocalDelivery } from "../../src/queue/local_delivery.ts";
import { MemoryStore } from "../../src/queue/memory_store.ts";
import { formatAddress } from "../../src/address.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import { SystemError } from "../../src/runtime/system_error.ts";
import { reply } from "../../src/smtp/reply.ts";
import { MemoryStation, type SmtpPeer, type StationSetup } from "../support/memory_station.ts";

const DIRECTORY = mapDirectory({
  accounts: {
    "alice@example.test": { password: "wonderland" },
    "bob@example.test": { password: "builder" },
  },
  aliases: {
    "away@example.test": "alice@elsewhere.example",
    "mixed@example.test": ["bob@example.test", "bob@elsewhere.example"],
    "both@example.test": ["bob@example.test", "bob@elsewhere.example"],
  },
});

interface Queueing {
  readonly station: MemoryStation;
  readonly store: MemoryStore;
  readonly peer: SmtpPeer;
  /** What lies in the queue. */
  entries(): Promise<QueueEntry[]>;
}

async function begin(setup: StationSetup = {}, client?: string): Promise<Queueing> {
  const runtime: MemoryRuntime = setup.runtime ?? memoryRuntime({ address: "192.0.2.25" });
  const store = new MemoryStore({ clock: runtime.clock });
  const station = await MemoryStation.start({
    directory: DIRECTORY,
    relayFrom: ["198.51.100.0/24"],
    queue: { store, paused: true },
    ...setup,
    runtime,
  });
  const peer = await station.connect(client);
  await peer.expect(220);
  await peer.say(setup.listener?.role === "lmtp" ? "LHLO client" : "EHLO client.example", 250);
  return { station, store, peer, entries: () => Array.fromAsync(store.list()) };
}

/** Recipients as `address`, `address in mailbox` or `address via alias`. */
function recipientsOf(entry: QueueEntry | undefined): string[] {
  return (entry?.recipients ?? []).map(({ address, mailbox, forwardedBy }) => {
    const place = mailbox && ` in ${mailbox.domain}/${mailbox.user}`;
    const via = forwardedBy && ` via ${formatAddress(forwardedBy)}`;
    return `${formatAddress(address)}${place ?? ""}${via ?? ""}`;
  });
}

Deno.test("intake queues what is for elsewhere as one message, whole", async () => {
  const { station, store, peer, entries } = await begin();
  await using _ = station;
  await peer.mail({ to: ["x@a.example", "alice@example.test", "y@b.example"] });
  const [entry, ...more] = await entries();
  assertEquals(more, []);
  assertEquals(recipientsOf(entry), [
    "x@a.example",
    "alice@example.test in example.test/alice",
    "y@b.example",
  ]);
  const { status, next, attempts } = entry!.recipients[0]!;
  assertEquals({ status, next, attempts }, {
    status: "waiting",
    next: station.runtime.clock.now(),
    attempts: 0,
  });
  const source = await store.open(entry!.id);
  const body = (await Array.fromAsync(source.openBody())).map((part) =>
    new TextDecoder().decode(part)
  );
  assertEquals(body.join(""), "Hello.\r\n");
  assertEquals([source.head.length, source.bodySize], [entry!.headSize, entry!.bodySize]);
  assertMatch(new TextDecoder().decode(source.head), /^Received: from .*Subject: hi\r\n$/s);
  assertEquals(await station.mailbox("alice"), []); // with the others, by the queue
  assertEquals(entry!.origin, {
    kind: "session",
    session: entry!.id.replace(/\.1$/, ""),
    client: "198.51.100.7",
  });
});

Deno.test("intake delivers at once what is only for mailboxes here", async () => {
  const { station, peer, entries } = await begin();
  await using _ = station;
  await peer.mail({ to: ["alice@example.test", "bob@example.test"] });
  assertEquals(await entries(), []);
  assertEquals((await station.mailbox("alice")).length, 1);
});

Deno.test("intake sends an alias on in the name of its address, each destination once", async () => {
  const { station, peer, entries } = await begin({}, "203.0.113.9"); // a stranger
  await using _ = station;
  const to = ["mixed@example.test", "both@example.test", "away@example.test"];
  await peer.mail({ to });
  assertEquals(recipientsOf((await entries())[0]), [
    "bob@example.test in example.test/bob via mixed@example.test",
    "bob@elsewhere.example via mixed@example.test",
    "alice@elsewhere.example via away@example.test",
  ]);
});

Deno.test("a failure is told of when one of two recipients that lead to one place is to be told of", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const directory = mapDirectory({
    accounts: { "alice@example.test": {} },
    aliases: { "lost@example.test": "no@null.example" },
  });
  runtime.resolver.set("null.example", { mx: ["0 ."] }); // RFC 7505: takes no mail
  const store = new MemoryStore({ clock: runtime.clock });
  const relayFrom = ["198.51.100.0/24"];
  await using station = await MemoryStation.start({
    ...{ runtime, directory, relayFrom },
    queue: { store },
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<alice@example.test>", 250);
  await peer.say("RCPT TO:<no@null.example> NOTIFY=NEVER", 250);
  await peer.say("RCPT TO:<lost@example.test>", 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: a\r\n\r\n.", 250);
  await runtime.clock.settle();
  const [notice] = await station.mailbox("alice");
  assertMatch(notice!, /\r\nFinal-Recipient: rfc822; lost@example\.test\r\nAction: failed\r\n/);
});

Deno.test("intake refuses strangers what is neither ours nor accepted for another", async () => {
  const routes = [{ domains: ["backup.example"], via: { kind: "mx" }, accept: true }] as const;
  const { station, peer, entries } = await begin({ routes }, "203.0.113.9");
  await using _ = station;
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<x@a.example>", 550, "5.7.1");
  await peer.say("RCPT TO:<x@backup.example>", 250);
  await peer.say("RCPT TO:<x@sub.backup.example>", 550, "5.7.1");
  for (const local of ["x%a.example", '"x@a.example"', "a.example!x"]) {
    await peer.say(`RCPT TO:<${local}@backup.example>`, 550, "5.7.1");
  }
  await peer.say("DATA", 354);
  await peer.say("Subject: a\r\n\r\n.", 250);
  assertEquals(recipientsOf((await entries())[0]), ["x@backup.example"]);
});

Deno.test("intake queues local mail whose sender wants to hear of its delivery", async () => {
  const { station, peer, entries } = await begin();
  await using _ = station;
  await peer.say("MAIL FROM:<a@client.example> RET=HDRS ENVID=QQ314159", 250);
  await peer.say(
    "RCPT TO:<alice@example.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Al@x.example",
    250,
  );
  await peer.say("DATA", 354);
  await peer.say("Subject: a\r\n\r\n.", 250);
  const [entry] = await entries();
  assertEquals([entry?.dsnReturn, entry?.dsnEnvelopeId], ["HDRS", "QQ314159"]);
  assertEquals(entry?.recipients[0]?.notify, ["SUCCESS", "FAILURE"]);
  assertEquals(entry?.recipients[0]?.originalRecipient, {
    type: "rfc822",
    address: "Al@x.example",
  });
});

Deno.test("who is behind an alias here is not told to its sender, and the sender stays who he is", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const directory = mapDirectory({
    accounts: { "alice@example.test": {}, "bob@example.test": {} },
    aliases: { "team@lists.test": ["bob@example.test"] },
  });
  const store = new MemoryStore({ clock: runtime.clock });
  await using station = await MemoryStation.start({ runtime, directory, queue: { store } });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<alice@example.test>", 250);
  await peer.say("RCPT TO:<team@lists.test> NOTIFY=SUCCESS", 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: a\r\n\r\n.", 250);
  await runtime.clock.settle();
  assertMatch((await station.mailbox("bob"))[0]!, /^Return-Path: <alice@example\.test>\r\n/);
  const [notice] = await station.mailbox("alice");
  assertMatch(notice!, /\r\nFinal-Recipient: rfc822; team@lists\.test\r\nAction: delivered\r\n/);
  assertEquals(/bob|Remote-MTA/.test(notice!), false, notice);
});

const failing = (code: number, enhanced: string): LocalDelivery => ({
  checkRoom: () => Promise.resolve(null),
  prepare: (_source, { mailbox }) =>
    mailbox.user === "alice"
      ? Promise.reject(new DeliveryError(reply(code, enhanced, "no"), "no"))
      : Promise.resolve({ publish: () => Promise.resolve(), discard: () => Promise.resolve() }),
});

for (const [code, enhanced] of [[451, "4.3.0"], [550, "5.2.1"]] as const) {
  Deno.test(`intake queues a message that some mailboxes answer ${code}`, async () => {
    const { station, peer, entries } = await begin({
      delivery: failing(code, enhanced),
      temporary: "/tmp",
    });
    await using _ = station;
    await peer.mail({ to: ["alice@example.test", "bob@example.test"] });
    assertEquals(recipientsOf((await entries())[0]), [
      "alice@example.test in example.test/alice",
      "bob@example.test in example.test/bob",
    ]);
    assertEquals(station.of("delivery.done"), []);
  });
}

Deno.test("intake answers 5xx when no mailbox will ever take it", async () => {
  const { station, peer, entries } = await begin({
    delivery: failing(550, "5.2.1"),
    temporary: "/tmp",
  });
  await using _ = station;
  await peer.mail({ to: ["alice@example.test"] }, 550, "5.2.1");
  assertEquals(await entries(), []);
});

for (const [error, code, enhanced] of [["ENOSPC", 452, "4.3.1"], ["EIO", 451, "4.3.0"]] as const) {
  Deno.test(`intake answers ${code} when the queue says ${error}`, async () => {
    const { station, store, peer, entries } = await begin();
    await using _ = station;
    store.add = () => Promise.reject(new SystemError(error, "no"));
    await peer.mail({ to: ["x@a.example"] }, code, enhanced);
    assertEquals(await entries(), []);
    assertEquals(station.of("message.accepted"), []);
  });
}

Deno.test("an LMTP client is answered for each recipient; only what goes on is queued", async () => {
  const { station, peer, entries } = await begin({ listener: { role: "lmtp" } });
  await using _ = station;
  await peer.say("MAIL FROM:<a@client.example>", 250);
  for (const to of ["alice", "away"]) await peer.say(`RCPT TO:<${to}@example.test>`, 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: a\r\n\r\n.", 250);
  await peer.expect(250);
  assertEquals((await station.mailbox("alice")).length, 1);
  assertEquals((await entries()).map(recipientsOf), [[
    "alice@elsewhere.example via away@example.test",
  ]]);
});

Deno.test("a station with a queue offers DSN and BINARYMIME, and ETRN where mail is held", async () => {
  const routes = [{ domains: ["held.example"], via: { kind: "hold" } }] as const;
  const { station, peer } = await begin({ routes });
  await using _ = station;
  const offer = await peer.say("EHLO client.example", 250);
  for (const word of ["DSN", "BINARYMIME", "ETRN"]) {
    assertMatch(offer, new RegExp(`[- ]${word}\\b`));
  }
  await peer.say("ETRN held.example", 250);
  await peer.say("ETRN @held.example", 250);
  await peer.say("ETRN other.example", 459);
  await peer.say("ETRN #queue", 501);
});

Deno.test("submit() takes a message for anybody, completes it and says who was refused", async () => {
  const { station, entries } = await begin();
  await using _ = station;
  const submitting = station.mta.submit(
    { sender: "alice@example.test", recipients: ["x@a.example", "nobody@example.test"] },
    "Subject: hi\nBcc: secret@a.example\n\nHello.\n",
  );
  const { id, refused } = await station.runtime.clock.runUntil(submitting);
  assertEquals(refused.map(({ recipient, reply: { code } }) => [recipient, code]), [
    ["nobody@example.test", 550],
  ]);
  const [entry] = await entries();
  assertEquals([entry?.id, entry?.origin.kind], [id, "submit"]);
  assertEquals(recipientsOf(entry), ["x@a.example"]);
});

for (
  const [what, message, smtputf8] of [
    ["text", "Subject: ü\n\nx\n", true],
    ["octets", new TextEncoder().encode("Subject: ü\r\n\r\nx\r\n"), true],
    ["a body alone", new TextEncoder().encode("Subject: u\r\n\r\nü\r\n"), false],
    ["a body of text alone", "Subject: u\n\nü\n", false],
  ] as const
) {
  Deno.test(`submit() ${smtputf8 ? "asks" : "does not ask"} for SMTPUTF8 for ${what} in UTF-8`, async () => {
    const { station, entries } = await begin();
    await using _ = station;
    const submitting = station.mta.submit({ sender: null, recipients: ["x@a.example"] }, message);
    await station.runtime.clock.runUntil(submitting);
    assertEquals((await entries())[0]?.smtputf8, smtputf8);
  });
}

Deno.test("submit() says why it took nothing", async () => {
  const { station } = await begin();
  await using _ = station;
  const { mta, runtime } = station;
  const submit = (to: string[], message = "Subject: a\n\n") =>
    runtime.clock.runUntil(mta.submit({ sender: null, recipients: to }, message));
  await assertRejects(() => submit(["nobody@example.test"]), SubmitError, "550 5.1.1");
  await assertRejects(() => submit(["no address"]), TypeError, "not a mail address");
  await assertRejects(() => submit([]), TypeError, "at least one");
  for (const notify of [[], ["NEVER", "DELAY"]] as const) {
    const recipients = [{ address: "x@a.example", notify }];
    const submitting = () => mta.submit({ sender: null, recipients }, "");
    await assertRejects(submitting, TypeError, "NEVER");
  }
  const received = "Received: from a by b; Mon, 1 Jan 2026 00:00:00 +0000\n".repeat(101);
  await assertRejects(() => submit(["x@a.example"], `${received}\n`), SubmitError, "5.4.6");
});

Deno.test("submit() with a body that throws takes nothing and lets the error through", async () => {
  const { station, entries } = await begin();
  await using _ = station;
  // deno-lint-ignore require-yield
  async function* broken(): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    throw new RangeError("gone");
  }
  const submitting = station.mta.submit({ sender: null, recipients: ["x@a.example"] }, broken());
  await assertRejects(() => station.runtime.clock.runUntil(submitting), RangeError, "gone");
  assertEquals(await entries(), []);
});
