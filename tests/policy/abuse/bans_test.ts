import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { MtaFact } from "../../../src/events.ts";
import { parseNetwork } from "../../../src/net_address.ts";
import { BanList } from "../../../src/policy/abuse/ban_list.ts";
import { type BanOptions, bans, forgiveClient } from "../../../src/policy/abuse/bans.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { reply } from "../../../src/smtp/reply.ts";
import { MemoryStation, type StationSetup } from "../../support/memory_station.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A station that bans, and what it tells. */
async function banningStation(options: BanOptions = {}, setup: StationSetup = {}) {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock } = runtime;
  const ledger = new MemoryLedger(clock);
  const told: MtaFact[] = [];
  const policy = bans(options, { ledger, clock, emit: (fact) => told.push(fact) });
  const station = await MemoryStation.start({
    ...setup,
    runtime,
    policies: [policy, ...setup.policies ?? []],
  });
  return { station, clock, told, list: new BanList(ledger, clock), ledger };
}

const LOGIN = btoa("\0alice@example.test\0wrong");
const RIGHT = btoa("\0alice@example.test\0wonderland");

const CLEAR: StationSetup = {
  listener: { auth: "optional", authInClear: true, extensions: { auth: ["PLAIN"] } },
};

Deno.test("attack: a client that asks for names is answered 421, and then not served", async () => {
  const { station, told, clock } = await banningStation({ recipients: { count: 10, per: HOUR } });
  await using _ = station;
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  for (let i = 0; i < 10; i++) await peer.say(`RCPT TO:<n${i}@example.test>`, 550, "5.1.1");
  await peer.say("RCPT TO:<n10@example.test>", 421, "4.7.0");
  assertEquals(await peer.reply(), null);

  const again = await station.connect();
  assertStringIncludes(await again.expect(421), "too many unknown recipients");
  assertEquals(await again.reply(), null);
  // Others are served, and so is it when its time is over.
  await station.greeted("198.51.100.8");
  await clock.advance(15 * MINUTE - 20_000);
  assertStringIncludes(await (await station.connect()).expect(421), "try again in 20 s");
  await clock.advance(20_000);
  await station.greeted();
  assertEquals(told, [{
    type: "client.banned",
    client: "198.51.100.7",
    reason: "too many unknown recipients",
    duration: 15 * MINUTE,
  }]);
});

Deno.test("attack: a directory harvest of 100,000 names over parallel sessions learns few", async () => {
  const { station, clock } = await banningStation();
  await using _ = station;
  let [asked, name, refused] = [0, 0, 0];
  // A day; ten sessions at once, each for as long as it is let.
  for (let round = 0; round < 96 && name < 100_000; round++) {
    const peers = await Promise.all(Array.from({ length: 10 }, () => station.connect()));
    for (const peer of peers) {
      if (!(await peer.reply())!.startsWith("220")) {
        refused++;
        continue;
      }
      await peer.say("EHLO client.example", 250);
      await peer.send("MAIL FROM:<a@client.example>\r\n");
      if (!(await peer.reply())!.startsWith("250")) continue;
      for (;;) {
        await peer.send(`RCPT TO:<n${name++}@example.test>\r\n`);
        const answer = await peer.reply();
        if (answer === null || !answer.startsWith("550")) break;
        asked++;
      }
    }
    await clock.advance(15 * MINUTE);
  }
  assert(asked >= 50 && asked <= 400, `${asked} names`);
  assert(refused > 800, `${refused} connections refused`);
});

Deno.test("bans() ends the other sessions of a client at their next command", async () => {
  const { station } = await banningStation({ recipients: { count: 1, per: HOUR } });
  await using _ = station;
  const [idle, asking, bad] = [
    await station.greeted(),
    await station.greeted(),
    await station.greeted(),
  ];
  await asking.say("MAIL FROM:<a@client.example>", 250);
  await bad.say("MAIL FROM:<a@client.example>", 250);
  await bad.say("RCPT TO:<x@example.test>", 550);
  await bad.say("RCPT TO:<y@example.test>", 421);
  await idle.say("MAIL FROM:<a@client.example>", 421, "4.7.0");
  await asking.say("RCPT TO:<alice@example.test>", 421, "4.7.0");
});

Deno.test("attack: a session that is open when its client is banned learns of no more names", async () => {
  const { station, list } = await banningStation();
  await using _ = station;
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<x@example.test>", 550);
  await list.add(parseNetwork("198.51.100.7/32")!, { reason: "", by: "operator" }, HOUR);
  await peer.say("RCPT TO:<y@example.test>", 421, "4.7.0");
  assertEquals(await peer.reply(), null);
});

Deno.test("attack: a client whose messages a filter refuses is banned, and gains no credit", async () => {
  const filter: Policy = {
    name: "filter",
    message: () => ({ action: "reject", reply: reply(554, "5.7.1", "spam") }),
  };
  const options = { refusals: { count: 3, per: HOUR } };
  const { station, told, ledger } = await banningStation(options, { policies: [filter] });
  await using _ = station;
  const peer = await station.greeted();
  for (let i = 0; i < 4; i++) await peer.mail({}, 554);
  await peer.say("MAIL FROM:<a@client.example>", 421, "4.7.0");
  assertEquals(told.map((fact) => fact.type === "client.banned" && fact.reason), [
    "refused too often",
  ]);
  assertEquals(await ledger.recall("bans:credit 198.51.100.7"), null);
});

Deno.test("bans() spares a forwarder of whose mail a filter refuses every second one", async () => {
  let count = 0;
  const filter: Policy = {
    name: "filter",
    message: () =>
      ++count % 2 === 0 ? { action: "reject", reply: reply(554, "5.7.1", "spam") } : undefined,
  };
  const options = { refusals: { count: 1, per: HOUR } };
  const { station, told } = await banningStation(options, { policies: [filter] });
  await using _ = station;
  const peer = await station.greeted();
  for (let mail = 1; mail <= 12; mail++) await peer.mail({}, mail % 2 === 0 ? 554 : 250);
  await peer.say("MAIL FROM:<a@client.example>", 250);
  assertEquals(told, []);
});

Deno.test("bans() counts parallel failures once, and tells of one ban", async () => {
  const { station, told } = await banningStation({ recipients: { count: 1, per: HOUR } });
  await using _ = station;
  const peers = [await station.greeted(), await station.greeted(), await station.greeted()];
  for (const peer of peers) await peer.say("MAIL FROM:<a@client.example>", 250);
  await peers[0]!.say("RCPT TO:<x@example.test>", 550);
  for (const peer of peers) await peer.say("RCPT TO:<y@example.test>", 421);
  assertEquals(told.length, 1);
});

Deno.test("bans() doubles the time of each repetition, up to the longest, and forgets", async () => {
  const options = { recipients: { count: 1, per: HOUR }, longest: HOUR, memory: 24 * HOUR };
  const { station, told, clock } = await banningStation(options);
  await using _ = station;
  const misbehave = async () => {
    const peer = await station.greeted();
    await peer.say("MAIL FROM:<a@client.example>", 250);
    await peer.say("RCPT TO:<x@example.test>", 550);
    await peer.say("RCPT TO:<y@example.test>", 421);
  };
  for (let i = 0; i < 4; i++) {
    await misbehave();
    await clock.advance(2 * HOUR);
  }
  await clock.advance(25 * HOUR);
  await misbehave();
  const durations = told.map((fact) => fact.type === "client.banned" && fact.duration / MINUTE);
  assertEquals(durations, [15, 30, 60, 60, 15]);
});

Deno.test("attack: who talks before the greeting again and again is not greeted any more", async () => {
  const { station, told } = await banningStation({}, { listener: { greetingDelay: 1000 } });
  await using _ = station;
  for (let i = 0; i < 6; i++) {
    const peer = await station.connect();
    await peer.send("EHLO bot.example\r\n");
    await peer.expect(503);
  }
  const { clock } = station.runtime;
  const before = clock.now();
  await (await station.connect()).expect(421);
  assertEquals(clock.now(), before, "a banned client is not waited for");
  assertEquals(told.map((fact) => fact.type === "client.banned" && fact.reason), [
    "talks out of turn",
  ]);
  await station.greeted("198.51.100.8");
});

Deno.test("attack: passwords tried from one address are few until it is banned", async () => {
  const { station, told } = await banningStation({}, CLEAR);
  await using _ = station;
  let tried = 0;
  for (let i = 0; i < 1000; i++) {
    const peer = await station.connect();
    if (!(await peer.reply())!.startsWith("220")) break;
    await peer.say("EHLO bot.example", 250);
    for (let login = 0; login < 2; login++) {
      await peer.send(`AUTH PLAIN ${LOGIN}\r\n`);
      if (!(await peer.reply())!.startsWith("535")) break;
      tried++;
    }
    peer.close();
  }
  assertEquals(tried, 10);
  assertEquals(told.length, 1);
});

Deno.test("bans() forgives a user who mistypes a password many times and then does not", async () => {
  const { station, told } = await banningStation({}, CLEAR);
  await using _ = station;
  for (let day = 0; day < 3; day++) {
    for (let i = 0; i < 5; i++) {
      const peer = await station.greeted();
      await peer.say(`AUTH PLAIN ${LOGIN}`, 535);
      await peer.say(`AUTH PLAIN ${LOGIN}`, 535);
      peer.close();
    }
    const peer = await station.greeted();
    await peer.say(`AUTH PLAIN ${RIGHT}`, 235);
    peer.close();
  }
  assertEquals(told, []);
});

Deno.test("attack: an account of one's own washes off only so many failures", async () => {
  const { station, told } = await banningStation({}, CLEAR);
  await using _ = station;
  const other = btoa("\0bob@example.test\0wrong");
  let tried = 0;
  while (told.length === 0) {
    const peer = await station.greeted();
    await peer.send(`AUTH PLAIN ${other}\r\n`);
    if (!(await peer.reply())!.startsWith("535")) break;
    tried++;
    await peer.say(`AUTH PLAIN ${RIGHT}`, 235);
    peer.close();
  }
  // Ten were forgiven, ten were not.
  assertEquals(tried, 20);
});

Deno.test("bans() lets a mailing list with a dead address in twenty alone", async () => {
  const { station, told } = await banningStation({ recipients: { count: 10, per: HOUR } });
  await using _ = station;
  for (let session = 0; session < 50; session++) {
    const peer = await station.greeted();
    await peer.say("MAIL FROM:<list@lists.example>", 250);
    await peer.say(`RCPT TO:<dead${session}@example.test>`, 550);
    await peer.say("RSET", 250);
    for (let i = 0; i < 19; i++) await peer.mail({ sender: "list@lists.example" });
    peer.close();
  }
  assertEquals(told, []);
});

Deno.test("attack: one recipient named a hundred times pays for no harvest", async () => {
  const { station, told } = await banningStation({ recipients: { count: 10, per: HOUR } });
  await using _ = station;
  const peer = await station.greeted();
  const to = Array.from({ length: 100 }, () => "alice@example.test");
  await peer.mail({ to });
  await peer.say("MAIL FROM:<a@client.example>", 250);
  for (let i = 0; i < 10; i++) await peer.say(`RCPT TO:<n${i}@example.test>`, 550);
  await peer.say("RCPT TO:<n10@example.test>", 421);
  assertEquals(told.length, 1);
});

Deno.test("bans() counts what other policies refuse for good, and not what they put off", async () => {
  const answer = {
    action: "reject" as const,
    reply: { code: 554, enhanced: "5.7.1", lines: ["no"] },
  };
  let refuses = true;
  const other: Policy = {
    name: "other",
    sender: () => refuses ? answer : { action: "defer", reply: { code: 451, lines: ["later"] } },
  };
  const { station, told } = await banningStation(
    { refusals: { count: 5, per: HOUR } },
    { policies: [other] },
  );
  await using _ = station;
  refuses = false;
  const patient = await station.greeted("198.51.100.8");
  for (let i = 0; i < 8; i++) await patient.say("MAIL FROM:<a@client.example>", 451);
  refuses = true;
  const peer = await station.greeted();
  for (let i = 0; i < 5; i++) await peer.say("MAIL FROM:<a@client.example>", 554);
  await peer.say("MAIL FROM:<a@client.example>", 421);
  assertEquals(told.map((fact) => fact.type === "client.banned" && fact.client), ["198.51.100.7"]);
});

Deno.test("bans() never touches those who are trusted or exempt", async () => {
  const exempt = [parseNetwork("203.0.113.0/24")!];
  const { station, told } = await banningStation(
    { recipients: { count: 1, per: HOUR }, exempt },
    { relayFrom: ["198.51.100.0/24"] },
  );
  await using _ = station;
  for (const address of ["203.0.113.5", "198.51.100.7"]) {
    const peer = await station.greeted(address);
    await peer.say("MAIL FROM:<a@client.example>", 250);
    for (let i = 0; i < 8; i++) await peer.say(`RCPT TO:<n${i}@example.test>`, 550);
    peer.close();
  }
  assertEquals(told, []);
});

Deno.test("bans() bans the whole network where many of its clients are banned", async () => {
  const { station, told } = await banningStation({
    recipients: { count: 1, per: HOUR },
    networkClients: 3,
  });
  await using _ = station;
  for (const last of [1, 2, 3]) {
    const peer = await station.greeted(`203.0.113.${last}`);
    await peer.say("MAIL FROM:<a@client.example>", 250);
    await peer.say("RCPT TO:<x@example.test>", 550);
    await peer.say("RCPT TO:<y@example.test>", 421);
  }
  await (await station.connect("203.0.113.200")).expect(421);
  await station.greeted("203.0.114.1");
  assertEquals(told.map((fact) => fact.type === "client.banned" && fact.client), [
    "203.0.113.1",
    "203.0.113.2",
    "203.0.113.3",
    "203.0.113.0/24",
  ]);
});

Deno.test("bans() tells nobody what the operator wrote", async () => {
  const { station, list } = await banningStation();
  await using _ = station;
  await list.add(parseNetwork("198.51.100.0/24")!, { reason: "SECRET", by: "operator" }, HOUR);
  const said = await (await station.connect()).expect(421);
  assert(!said.includes("SECRET"), said);
});

Deno.test("BanList finds a client by its own network and by wider ones of any length", async () => {
  const clock = { now: () => 0 };
  const list = new BanList(new MemoryLedger(clock), clock);
  const ban = { reason: "a b", by: "policy" } as const;
  for (const text of ["192.0.2.7", "198.51.96.0/19", "2001:db8:1:2::/64", "2001:db9::/32"]) {
    await list.add(parseNetwork(text)!, ban, 1000);
  }
  const found = async (client: string) => (await list.find(client))?.network ?? null;
  assertEquals(await found("192.0.2.7"), "192.0.2.7");
  assertEquals(await found("::ffff:192.0.2.7"), "192.0.2.7");
  assertEquals(await found("192.0.2.8"), null);
  assertEquals(await found("198.51.127.255"), "198.51.96.0/19");
  assertEquals(await found("198.51.128.0"), null);
  assertEquals(await found("2001:db8:1:2::ffff"), "2001:db8:1:2::/64");
  assertEquals(await found("2001:db9:ffff::1"), "2001:db9::/32");
  assertEquals(await found("unix"), null);
  assertEquals((await Array.fromAsync(list.list())).length, 4);
  assertEquals(await list.remove(parseNetwork("198.51.96.0/19")!), true);
  assertEquals(await found("198.51.127.255"), null);
});

Deno.test("attack: a flood of clients in the ledger pushes out no ban", async () => {
  const clock = { now: () => 0 };
  const ledger = new MemoryLedger(clock, { entries: 1000 });
  const list = new BanList(ledger, clock);
  await list.add(parseNetwork("192.0.2.7")!, { reason: "r", by: "policy" }, MINUTE);
  for (let i = 0; i < 5000; i++) ledger.take(`bans:logins ${i}`, { count: 5, per: HOUR });
  assert(ledger.size <= 1000);
  assertEquals((await list.find("192.0.2.7"))?.network, "192.0.2.7");
});

Deno.test("forgiveClient() lets a client begin anew", async () => {
  const { station, list, ledger, told } = await banningStation({
    recipients: { count: 1, per: HOUR },
  });
  await using _ = station;
  for (let i = 0; i < 2; i++) {
    const peer = await station.greeted();
    await peer.say("MAIL FROM:<a@client.example>", 250);
    await peer.say("RCPT TO:<x@example.test>", 550);
    await peer.say("RCPT TO:<y@example.test>", 421);
    await list.remove(parseNetwork("198.51.100.7")!);
    await forgiveClient(ledger, "198.51.100.7");
  }
  const durations = told.map((fact) => fact.type === "client.banned" && fact.duration);
  assertEquals(durations, [15 * MINUTE, 15 * MINUTE]);
});
