/**
 * The ways between whole stations: backup MX, smarthost, LMTP, a program, a domain that is held for ETRN, and
 * the operator's hand in the queue.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { decode } from "../../src/bytes.ts";
import type { ListenerOptions } from "../../src/mta_options.ts";
import type { QueueChange } from "../../src/queue/operator/queue_change.ts";
import type { QueueSelection } from "../../src/queue/operator/queue_control.ts";
import { queueMatcher } from "../../src/queue/operator/queue_filter.ts";
import type { RouteOptions, SmarthostOptions } from "../../src/routing/route_table.ts";
import type { ProgramCommand } from "../../src/runtime/programs.ts";
import { mxCertificate, testAuthority } from "../support/certificates.ts";
import { fates, readReport } from "./report.ts";
import { DAY, HOUR, MINUTE, SECOND, type Station, type StationOptions, World } from "./world.ts";

const BACKUP: RouteOptions = { domains: ["b.example"], via: { kind: "mx" }, accept: true };
const TO_C = { directory: { accounts: { "bob@c.example": {} } } };

Deno.test("a backup MX takes mail while the first is down, and gives it back (RFC 5321 §5.1)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const backup = await world.station("backup.example", { routes: [BACKUP] });
  const b = await world.station("b.example");
  world.resolver.set("b.example", {
    mx: ["10 mx.b.example", "20 mx.backup.example", "30 mx.a.example"],
  });
  await b.stop();
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(HOUR);
  assertEquals([(await a.queued()).length, (await backup.queued()).length], [0, 1]);
  await b.start();
  await world.pass(HOUR);
  assertEquals((await b.mailbox("bob")).length, 1);
  assertEquals([await a.queued(), await backup.queued()], [[], []]);
  // It has not handed it to itself, nor to a host of a higher number.
  const received = (await b.mailbox("bob"))[0]!.match(/^Received: /gm)!.length;
  assertEquals(received, 3);
});

Deno.test("a backup MX refuses what it is not for, and takes nothing for its own name", async () => {
  await using world = new World();
  const backup = await world.station("backup.example", { routes: [BACKUP] });
  const peer = await world.client(backup);
  await peer.say("EHLO client.example", 250);
  await peer.say("MAIL FROM:<x@client.example>", 250);
  await peer.say("RCPT TO:<bob@b.example>", 250);
  await peer.say("RCPT TO:<bob@c.example>", 550, "5.7.1");
  await peer.say("RCPT TO:<nobody@mx.backup.example>", 550, "5.1.1");
});

Deno.test("a domain whose first mail host is ourselves and that is not ours is no loop (5.4.6)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const backup = await world.station("backup.example", { routes: [BACKUP] });
  // DNS calls it the first, but nobody told it that the domain is its own.
  world.resolver.set("b.example", { mx: ["10 mx.backup.example", "20 mx.a.example"] });
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  const [report, ...more] = (await a.mailbox("alice")).map(readReport);
  assertEquals(more, []);
  assertEquals(fates(report!), ["bob@b.example failed 5.4.6"]);
  assertEquals(report!.message["reporting-mta"], "dns; mx.backup.example");
  assertEquals(await backup.queued(), []);
});

Deno.test("a backup MX that DNS has under another name waits for the first, however long that is down", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  // It listens on 0.0.0.0, and calls itself mx.backup.example.
  const backup = await world.station("backup.example", { routes: [BACKUP] });
  world.resolver.set("b.example", { mx: ["10 mx.b.example", "20 second.example"] });
  world.resolver.set("second.example", { a: [backup.address] });
  await b.stop();
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(3 * HOUR);
  assertEquals([(await a.queued()).length, (await backup.queued()).length], [0, 1]);
  assertEquals(await a.mailbox("alice"), []);
  await b.start();
  await world.pass(3 * HOUR);
  assertEquals((await b.mailbox("bob")).length, 1);
  // No lap over the station itself.
  assertEquals((await b.mailbox("bob"))[0]!.match(/^Received: /gm)!.length, 3);
  assertEquals(backup.of("message.accepted").length, 1);
});

Deno.test("a station behind NAT knows its public address when it is told (addresses)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const backup = await world.station("backup.example", {
    routes: [BACKUP],
    addresses: ["198.51.100.77"],
  });
  world.host("b.example", "public.example", "198.51.100.77");
  await backup.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  const [report] = (await a.mailbox("alice")).map(readReport);
  assertEquals(fates(report!), ["bob@b.example failed 5.4.6"]);
  // RFC 5321 §4.5.1: postmaster is at home at the address too.
  const peer = await world.client(backup);
  await peer.say("EHLO client.example", 250);
  await peer.say("MAIL FROM:<x@client.example>", 250);
  await peer.say("RCPT TO:<postmaster@[198.51.100.77]>", 250);
  await peer.say("RCPT TO:<postmaster@[198.51.100.78]>", 550, "5.7.1");
});

Deno.test("a smarthost that turns out to be ourselves keeps mail back, and bounces none of it", async () => {
  await using world = new World();
  const a = await world.station("a.example", {
    routes: [{ domains: ["*"], via: { kind: "smarthost", host: "smart.example" } }],
  });
  world.resolver.set("smart.example", { a: [a.address] });
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(HOUR);
  assertEquals(await a.mailbox("alice"), []);
  const [waiting] = await a.queued();
  assertMatch(waiting!.reason!, /is this server/);
});

/** A provider that takes mail of its users by submission. */
const PROVIDER: StationOptions = {
  hostname: "mx.example.test",
  directory: {
    accounts: {
      "alice@example.test": { password: "wonderland", sendAs: ["a.example", "mx.a.example"] },
    },
  },
  certificates: [mxCertificate],
  more: [{
    role: "submission",
    address: { transport: "tcp", hostname: "0.0.0.0", port: 587 },
    extensions: { auth: ["PLAIN"] },
  }, {
    role: "submissions",
    address: { transport: "tcp", hostname: "0.0.0.0", port: 465 },
    extensions: { auth: ["LOGIN"] },
  }],
};

function smarthost(password: string, more: Partial<SmarthostOptions> = {}): RouteOptions[] {
  const credentials = { user: "alice@example.test", password };
  const authorities = [testAuthority];
  const via = { kind: "smarthost", host: "mx.example.test", credentials, authorities, ...more };
  return [{ domains: ["*"], via: via as SmarthostOptions }];
}

for (const implicitTls of [false, true]) {
  Deno.test(`all mail goes by a smarthost with a login${implicitTls ? ", TLS from the first octet" : ""}`, async () => {
    await using world = new World();
    const provider = await world.station("example.test", PROVIDER);
    const a = await world.station("a.example", {
      routes: smarthost("wonderland", { implicitTls }),
    });
    const b = await world.station("b.example");
    const c = await world.station("c.example", TO_C);
    await a.submit("alice@a.example", ["bob@b.example", "bob@c.example", "bob@a.example"]);
    await world.pass(SECOND);
    for (const station of [a, b, c]) assertEquals((await station.mailbox("bob")).length, 1);
    const [accepted] = provider.of("message.accepted");
    assertEquals(accepted?.identity, "alice@example.test");
    assertEquals(provider.of("message.accepted").length, 1);
    await a.submit("alice@a.example", "nobody@c.example");
    await world.pass(SECOND);
    const [report] = (await a.mailbox("alice")).map(readReport);
    assertEquals(fates(report!), ["nobody@c.example failed 5.1.1"]);
  });
}

Deno.test("a notice of ours goes by the smarthost to a sender elsewhere", async () => {
  await using world = new World();
  await world.station("example.test", PROVIDER);
  const a = await world.station("a.example", {
    routes: [
      ...smarthost("wonderland"),
      { domains: ["refuses.example"], via: { kind: "mx" } },
    ],
  });
  await world.peer("refuses.example", {
    on: (line) => line.startsWith("RCPT") ? "550 5.1.1 who?" : undefined,
  });
  const b = await world.station("b.example");
  await a.submit("bob@b.example", "x@refuses.example");
  await world.pass(SECOND);
  const [report] = (await b.mailbox("bob")).map(readReport);
  assertEquals(fates(report!), ["x@refuses.example failed 5.1.1"]);
});

Deno.test("a wrong password puts mail off, and when it is put right the mail goes", async () => {
  await using world = new World();
  const provider = await world.station("example.test", PROVIDER);
  const a = await world.station("a.example", { routes: smarthost("looking-glass") });
  const b = await world.station("b.example");
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(3 * HOUR);
  assertEquals((await a.queued()).length, 1);
  assertMatch((await a.queued())[0]!.reason!, / 535 5\.7\.8 /);
  assertEquals(await a.mailbox("alice"), []);
  // An account that is locked for too many tries helps nobody.
  assert(provider.of("auth.failed").length <= 12, `${provider.of("auth.failed").length}`);
  await world.clock.runUntil(a.stop());
  Object.assign(a.options, { routes: smarthost("wonderland") });
  await a.start();
  await world.pass(4 * HOUR);
  assertEquals((await b.mailbox("bob")).length, 1);
});

for (
  const [what, options] of Object.entries({
    "of another authority": { authorities: [] },
    "for another name": { host: "smtp.other.test" },
  })
) {
  Deno.test(`a password is never offered to a smarthost whose certificate is ${what}`, async () => {
    await using world = new World();
    const provider = await world.peer("example.test", {
      extensions: ["AUTH PLAIN LOGIN"],
      tls: world.hub.network.tlsServer({ certificates: [mxCertificate] }),
    });
    world.resolver.set("smtp.other.test", { a: ["192.0.2.1"] });
    const a = await world.station("a.example", {
      routes: smarthost("wonderland", { port: 25, ...options }),
    });
    await a.submit("alice@a.example", "bob@b.example");
    await world.pass(3 * HOUR);
    assertEquals((await a.queued()).length, 1);
    assertMatch((await a.queued())[0]!.reason!, /4\.7\.5/);
    assert(provider.said("STARTTLS").length > 2);
    assertEquals([provider.said("AUTH"), provider.said("MAIL")], [[], []]);
  });
}

const LMTP: ListenerOptions = {
  role: "lmtp",
  address: { transport: "tcp", hostname: "0.0.0.0", port: 24 },
};

Deno.test("mail goes to an LMTP listener of ours, each recipient by itself (RFC 2033 §4.2)", async () => {
  await using world = new World();
  const store = await world.station("b.example", { more: [LMTP] });
  const address = { transport: "tcp", hostname: store.address, port: 24 } as const;
  const a = await world.station("a.example", {
    routes: [{ domains: ["b.example"], via: { kind: "lmtp", address } }],
  });
  // One mailbox cannot be written to for now.
  store.runtime.files.fail({ operation: "open", path: /\/bob\/tmp\//, code: "EIO" });
  const to = ["alice@b.example", "bob@b.example", "nobody@b.example"];
  await a.submit(
    "alice@a.example",
    to.map((address) => ({ address, notify: ["SUCCESS", "FAILURE"] })),
  );
  await world.pass(SECOND);
  assertEquals((await store.mailbox("alice")).length, 1);
  assertEquals((await store.mailbox("bob")).length, 0);
  assertEquals((await a.queued())[0]!.recipients, ["bob@b.example"]);
  assertEquals(await store.queued(), []);
  await world.pass(HOUR);
  assertEquals((await store.mailbox("alice")).length, 1);
  assertEquals((await store.mailbox("bob")).length, 1);
  assertEquals((await a.mailbox("alice")).map(readReport).flatMap(fates).sort(), [
    "alice@b.example delivered 2.0.0",
    "bob@b.example delivered 2.0.0",
    "nobody@b.example failed 5.1.1",
  ]);
});

Deno.test("mail goes into a program, whose exit code says what became of it (sysexits)", async () => {
  await using world = new World();
  const routes: RouteOptions[] = [{
    domains: ["lists.example"],
    via: { kind: "pipe", program: "/usr/bin/list", arguments: ["-f", "{sender}", "{recipient}"] },
  }];
  const a = await world.station("a.example", { routes });
  const runs: { args: readonly string[]; text: string }[] = [];
  const start = world.clock.now();
  a.runtime.programs.installed.set(
    "/usr/bin/list",
    async ({ arguments: args, input }: ProgramCommand) => {
      const parts = (await Array.fromAsync(input)).map((part) => decode(part.slice()));
      runs.push({ args, text: parts.join("") });
      const to = args[2]!;
      if (to.startsWith("gone")) return { code: 67, output: "no such list\n" };
      if (to.startsWith("busy") && world.clock.now() - start < MINUTE) {
        return {
          code: 75,
          output: "",
        };
      }
      return { code: 0, output: "" };
    },
  );
  await a.submit("alice@a.example", [
    "all@lists.example",
    "gone@lists.example",
    "busy@lists.example",
  ]);
  await world.pass(SECOND);
  assertEquals(runs.length, 3);
  assertEquals(runs[0]!.args, ["-f", "alice@a.example", "all@lists.example"]);
  assertMatch(runs[0]!.text, /^Return-Path: <alice@a\.example>\n/);
  assertMatch(runs[0]!.text, /\n\nHello\.\n$/);
  const [report] = (await a.mailbox("alice")).map(readReport);
  assertEquals(fates(report!), ["gone@lists.example failed 5.1.1"]);
  assertMatch(report!.text, /no such list/);
  assertEquals((await a.queued())[0]!.recipients, ["busy@lists.example"]);
  await world.pass(HOUR);
  assertEquals(runs.length, 4);
  assertEquals(await a.queued(), []);
});

const HOLD: RouteOptions = { domains: ["b.example"], via: { kind: "hold" }, accept: true };

/** Asks a station for the mail of a domain, and gives its answer. */
async function etrn(world: World, station: Station, domain: string): Promise<string> {
  const peer = await world.client(station);
  await peer.say("EHLO mx.b.example", 250);
  await peer.send(`ETRN ${domain}\r\n`);
  const answer = await peer.reply();
  await peer.say("QUIT", 221);
  return answer!;
}

Deno.test("mail for a domain that is held waits for ETRN, and goes then (RFC 1985)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const holder = await world.station("holder.example", { routes: [HOLD] });
  const b = await world.station("b.example");
  world.resolver.set("b.example", { mx: ["10 mx.b.example", "20 mx.holder.example"] });
  await b.stop();
  for (let i = 0; i < 5; i++) await a.submit("alice@a.example", "bob@b.example");
  await world.pass(MINUTE);
  assertEquals([(await a.queued()).length, (await holder.queued()).length], [0, 5]);
  await b.start();
  await world.pass(DAY);
  assertEquals(await b.mailbox("bob"), []);
  assertMatch(await etrn(world, holder, "elsewhere.example"), /^459 /);
  assertMatch(await etrn(world, holder, "#queue"), /^(459|501) /);
  assertMatch(await etrn(world, holder, "b.example"), /^25[0-3] /);
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 5);
  // RFC 1985 §5.3: nothing waits any more.
  assertMatch(await etrn(world, holder, "b.example"), /^25[0-3] /);
  assertEquals(await holder.queued(), []);
});

Deno.test("mail that is held survives a restart, and comes back when nobody asks for it in time", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const holder = await world.station("holder.example", { routes: [HOLD] });
  const b = await world.station("b.example");
  world.resolver.set("b.example", { mx: ["10 mx.b.example", "20 mx.holder.example"] });
  await b.stop();
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(DAY);
  holder.crash("lost");
  await holder.start();
  await b.start();
  await a.submit("alice@a.example", "alice@b.example"); // goes straight to b
  await world.pass(DAY);
  assertEquals([(await b.mailbox("bob")).length, (await b.mailbox("alice")).length], [0, 1]);
  assertEquals((await holder.queued()).length, 1);
  await world.pass(3 * DAY + HOUR);
  assertEquals(await holder.queued(), []);
  const fate = (await a.mailbox("alice")).map(readReport).flatMap(fates);
  assertEquals(fate.at(-1), "bob@b.example failed 4.4.7");
  assertEquals(fate.filter((one) => one.includes("failed")).length, 1);
});

/** What the operator did to each message. */
async function change(
  world: World,
  station: Station,
  selection: QueueSelection,
  change: QueueChange,
): Promise<string[]> {
  const { signal } = new AbortController();
  const changes = Array.fromAsync(station.mta.queue!.change(selection, change, signal));
  return (await world.clock.runUntil(changes)).map(({ result }) => result);
}

Deno.test("an operator retries, holds, releases, removes and returns what waits", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await b.stop();
  const one = await a.submit("alice@a.example", "bob@b.example");
  const two = await a.submit("alice@a.example", "bob@b.example");
  const three = await a.submit("alice@a.example", "bob@b.example");
  const four = await a.submit("alice@a.example", "alice@b.example");
  await world.pass(2 * HOUR);
  const act = (id: string, order: QueueChange) => change(world, a, { ids: [id] }, order);
  assertEquals(await act(one, { action: "hold", reason: "looks odd" }), ["changed"]);
  await b.start();
  // Without delay, though its host was down a moment ago.
  assertEquals(await act(two, { action: "retry" }), ["changed"]);
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 1);
  assertEquals(await act(three, { action: "remove", bounce: true }), ["changed"]);
  await world.pass(SECOND);
  const [report, ...more] = (await a.mailbox("alice")).map(readReport);
  assertEquals(more, []);
  assertEquals(fates(report!), ["bob@b.example failed 5.7.0"]);
  assertEquals(await act(four, { action: "remove", bounce: false }), ["changed"]);
  await world.pass(DAY);
  assertEquals((await b.mailbox("bob")).length, 1);
  assertEquals((await a.queued()).map(({ id, state }) => [id, state]), [[one, "held"]]);
  assertEquals(await act(one, { action: "retry" }), ["refused"]);
  assertEquals(await act(one, { action: "release" }), ["changed"]);
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 2);
  assertEquals(await b.mailbox("alice"), []);
  assertEquals(await a.queued(), []);
});

Deno.test("an operator's word for a domain sends what waits for it, also what is held for ETRN", async () => {
  await using world = new World();
  const a = await world.station("a.example", { routes: [{ ...HOLD, accept: false }] });
  const b = await world.station("b.example");
  const c = await world.station("c.example", TO_C);
  await c.stop();
  await a.submit("alice@a.example", ["bob@b.example", "bob@c.example"]);
  await world.pass(HOUR);
  await c.start();
  const matcher = queueMatcher({ to: "b.example" });
  if ("wrong" in matcher) throw new Error("unreachable");
  assertEquals(await change(world, a, { matcher }, { action: "retry" }), ["changed"]);
  await world.pass(SECOND);
  assertEquals([(await b.mailbox("bob")).length, (await c.mailbox("bob")).length], [1, 0]);
  await world.pass(4 * HOUR);
  assertEquals((await c.mailbox("bob")).length, 1);
});

Deno.test("what is held by an operator stays held over a restart", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await b.stop();
  const id = await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  await change(world, a, { ids: [id] }, { action: "hold", reason: "later" });
  a.crash("lost");
  await a.start();
  await b.start();
  await world.pass(DAY);
  assertEquals((await a.queued()).map(({ state }) => state), ["held"]);
  await change(world, a, { ids: [id] }, { action: "release" });
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 1);
});

Deno.test("mail that waited for a domain which has become ours meanwhile is delivered here", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  world.host("moved.example", "mx.moved.example", "192.0.2.99"); // nobody is there
  const users = ["bob", "nobody", "both", "away"].map((user) => `${user}@moved.example`);
  await a.submit("alice@a.example", users);
  await world.pass(MINUTE);
  assertEquals(a.of("delivery.deferred").length, 4);
  // The domain comes here, with its MX.
  world.host("moved.example", "mx.a.example", a.address);
  Object.assign(a.options, {
    directory: {
      accounts: { "alice@a.example": {}, "bob@moved.example": {}, "eve@moved.example": {} },
      aliases: {
        "both@moved.example": ["alice@a.example", "eve@moved.example"],
        "away@moved.example": "x@far.example",
      },
    },
  });
  await world.clock.runUntil(a.stop());
  await a.start();
  await world.pass(HOUR);
  const { files } = a.runtime;
  const copies = async (user: string) =>
    (await Array.fromAsync(files.list(`/home/mail/moved.example/${user}/new`))).length;
  assertEquals([await copies("bob"), await copies("eve")], [1, 1]);
  // Nobody bounces for what is no fault of the mail: only the one who is not there either.
  assertEquals(a.of("delivery.failed").map(({ recipient, reply }) => [recipient, reply]), [
    ["nobody@moved.example", "550 5.1.1 no such user here"],
  ]);
  // What leads on from here by now waits; its operator is told why.
  assertEquals((await a.queued()).flatMap(({ recipients }) => recipients).length, 1);
  assertMatch(a.of("delivery.deferred").at(-1)!.reply, /^451 4\.3\.5 /);
  const mails = await a.mailbox("alice");
  assertEquals(mails.filter((mail) => !mail.includes("multipart/report")).length, 1);
});
