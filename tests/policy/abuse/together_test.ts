import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { MtaFact } from "../../../src/events.ts";
import { bans } from "../../../src/policy/abuse/bans.ts";
import { greylisting } from "../../../src/policy/abuse/greylisting.ts";
import { loginBackoff } from "../../../src/policy/abuse/login_backoff.ts";
import { tarpit } from "../../../src/policy/abuse/tarpit.ts";
import type { Ledger } from "../../../src/policy/ledger/ledger.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation, type SmtpPeer } from "../../support/memory_station.ts";

/** A ledger that is another thread's: all of its answers come later. */
function farLedger(near: MemoryLedger): Ledger {
  return {
    take: (...given) => Promise.resolve().then(() => near.take(...given)),
    recall: (key) => Promise.resolve().then(() => near.recall(key)),
    note: (...given) => Promise.resolve().then(() => near.note(...given)),
    forget: (key) => Promise.resolve().then(() => near.forget(key)),
    list: (prefix) => near.list(prefix),
  };
}

/** Says lines until one is answered 421; how many were not. */
async function until421(peer: SmtpPeer, line: (count: number) => string): Promise<number> {
  for (let count = 0;; count++) {
    await peer.send(`${line(count)}\r\n`);
    const said = await peer.reply();
    if (said?.startsWith("421")) return count;
    assert(said?.startsWith("5"), said ?? "closed");
  }
}

for (const where of ["near", "far"]) {
  /** All of them, with one ledger. */
  const start = async () => {
    const runtime = memoryRuntime({ address: "192.0.2.25" });
    const { clock } = runtime;
    const near = new MemoryLedger(clock);
    const ledger = where === "near" ? near : farLedger(near);
    const told: MtaFact[] = [];
    const services = { clock, ledger, emit: (fact: MtaFact) => told.push(fact) };
    const station = await MemoryStation.start({
      runtime,
      listener: {
        ...{ auth: "optional", authInClear: true, extensions: { auth: ["PLAIN"] } },
        limits: { failedLogins: 1000, errors: 1000 },
      },
      policies: [
        bans({ networkClients: 2 }, services),
        loginBackoff({}, services),
        tarpit({}, services),
        greylisting({}, services),
      ],
    });
    return { station, clock, told };
  };

  Deno.test(`attack: guesses and a harvest end in bans, whole networks too (ledger: ${where})`, async () => {
    const { station, told } = await start();
    await using _ = station;
    const guessing = await station.greeted("203.0.113.1");
    const line = `AUTH PLAIN ${btoa("\0alice@example.test\0wrong")}`;
    // Answers that wait give time for some more.
    const guesses = await until421(guessing, () => line);
    assert(guesses >= 10 && guesses < 15, `${guesses}`);
    const harvesting = await station.greeted("203.0.113.2");
    await harvesting.say("MAIL FROM:<a@client.example>", 250);
    const names = await until421(harvesting, (i) => `RCPT TO:<n${i}@example.test>`);
    assert(names >= 50 && names < 80, `${names}`);
    const said = await (await station.connect("203.0.113.77")).expect(421);
    assertStringIncludes(said, "too many banned clients in one network");
    assertEquals(told.map((fact) => fact.type === "client.banned" && fact.client), [
      "203.0.113.1",
      "203.0.113.2",
      "203.0.113.0/24",
    ]);
    assertEquals(station.of("policy.failed"), []);
  });

  Deno.test(`an honest server and an honest user are served by all (ledger: ${where})`, async () => {
    const { station, clock, told } = await start();
    await using _ = station;
    for (const code of [451, 250]) {
      const peer = await station.greeted();
      await peer.say("MAIL FROM:<a@client.example>", 250);
      await peer.say("RCPT TO:<alice@example.test>", code);
      peer.close();
      await clock.advance(300_000);
    }
    const server = await station.greeted();
    await server.mail({});
    const user = await station.greeted("203.0.113.5");
    await user.say(`AUTH PLAIN ${btoa("\0alice@example.test\0oops")}`, 535);
    await user.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
    await user.mail({ sender: "alice@example.test", to: ["bob@example.test"] });
    assertEquals((await station.mailbox("bob")).length, 1);
    assertEquals(told, []);
    assertEquals(station.of("policy.failed"), []);
  });

  Deno.test(`a phone with an old password does not get its office banned (ledger: ${where})`, async () => {
    const { station, clock, told } = await start();
    await using _ = station;
    const line = (password: string) => `AUTH PLAIN ${btoa(`\0alice@example.test\0${password}`)}`;
    const once = await station.greeted("203.0.113.5");
    await once.say(line("wonderland"), 235);
    once.close();
    for (let attempt = 0; attempt < 100; attempt++) {
      const phone = await station.greeted("203.0.113.5");
      await phone.send(`${line("old")}\r\n`);
      // Bounded it is: by the hour, and for this account alone.
      const said = await phone.reply();
      assert(said?.startsWith("535") || said?.startsWith("454"), said ?? "closed");
      phone.close();
      await clock.advance(60_000);
    }
    const other = await station.greeted("203.0.113.5");
    await other.say(`AUTH PLAIN ${btoa("\0bob@example.test\0builder")}`, 235);
    assertEquals(told, []);
  });
}
