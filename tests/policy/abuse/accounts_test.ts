import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Address } from "../../../src/address.ts";
import type { MtaFact } from "../../../src/events.ts";
import { formatEventLine } from "../../../src/observe/log.ts";
import { type AccountLimitOptions, accountLimits } from "../../../src/policy/abuse/accounts.ts";
import { KeptLedger } from "../../../src/policy/ledger/kept_ledger.ts";
import type { Ledger } from "../../../src/policy/ledger/ledger.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { RemoteLedger, serveLedger } from "../../../src/policy/ledger/remote_ledger.ts";
import type { SessionView } from "../../../src/policy/policy.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { Buffer } from "node:buffer";
import { MemoryStation } from "../../support/memory_station.ts";
import { answerTo, envelope, stranger } from "./sessions.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const ALICE = account("alice@example.test");
const BOB = account("bob@example.test");

function account(identity: string): SessionView {
  return { ...stranger(), role: "submission", identity };
}

function limits(options: AccountLimitOptions, clock = { now: () => 0 }, ledger?: Ledger) {
  const told: MtaFact[] = [];
  const policy = accountLimits(options, {
    ...{ clock, ledger: ledger ?? new MemoryLedger(clock) },
    emit: (fact) => told.push(fact),
  });
  const mail = (session = ALICE) => answerTo(policy.sender!(session, null));
  const rcpt = (to: string, session = ALICE) =>
    answerTo(policy.recipient!(session, address(to), envelope(null)));
  return { told, policy, mail, rcpt };
}

const address = (local: string): Address => ({ local, domain: "elsewhere.example" });

Deno.test("accountLimits() bounds mails, recipients and new recipients of an account", () => {
  const one = { count: 1, per: DAY };
  const words = "try again in 24 h, or ask the postmaster";
  const messages = limits({ messages: one });
  assertEquals([messages.mail(), messages.mail(), messages.mail(BOB)], [
    "ok",
    `451 4.7.1 this account has reached its limit of mails: ${words}`,
    "ok",
  ]);
  const daily = limits({ recipientsDaily: one });
  assertEquals([daily.rcpt("a"), daily.rcpt("a")], [
    "ok",
    `450 4.7.1 this account has reached its limit of recipients, daily: ${words}`,
  ]);
  const hourly = limits({ recipientsHourly: { count: 1, per: HOUR } });
  assertEquals([hourly.rcpt("a"), hourly.rcpt("b").slice(0, 9)], ["ok", "450 4.7.1"]);
  const fresh = limits({ newRecipients: one });
  assertEquals([fresh.rcpt("a"), fresh.rcpt("b"), fresh.rcpt("A"), fresh.rcpt("a")], [
    "ok",
    `450 4.7.1 this account has reached its limit of new recipients: ${words}`,
    ...["ok", "ok"],
  ]);
});

Deno.test("accountLimits() knows a recipient for ninety days from the last mails", () => {
  let now = 0;
  const { rcpt } = limits({ newRecipients: { count: 1, per: 365 * DAY } }, { now: () => now });
  assertEquals(rcpt("a"), "ok");
  for (const day of [50, 130, 200]) {
    now = day * DAY;
    assertEquals(rcpt("a"), "ok", `day ${day}`);
  }
  now = 291 * DAY;
  assertEquals(rcpt("a").slice(0, 3), "450");
});

Deno.test("accountLimits() gives one account other limits", () => {
  const { mail } = limits({
    messages: { count: 1, per: DAY },
    accounts: { "alice@example.test": { messages: null }, "BOB@example.test": {} },
  });
  for (let i = 0; i < 100; i++) assertEquals(mail(account("Alice@example.test")), "ok");
  assertEquals([mail(BOB), mail(BOB).slice(0, 3)], ["ok", "451"]);
});

Deno.test("accountLimits() says nothing of strangers and catchers", () => {
  const { mail } = limits({ messages: { count: 1, per: DAY } });
  for (let i = 0; i < 3; i++) {
    assertEquals([mail(stranger()), mail({ ...ALICE, role: "catcher" })], ["ok", "ok"]);
  }
});

Deno.test("accountLimits() tells the operator once an hour, and ends sessions that go on", () => {
  let now = 0;
  const { mail, told } = limits({ messages: { count: 1, per: DAY } }, { now: () => now });
  const codes = Array.from({ length: 200 }, () => mail().slice(0, 3));
  assertEquals([codes[0], codes[1], codes[100], codes[101]], ["ok", "451", "451", "421"]);
  assertEquals(told, [{
    ...{ type: "account.limited", session: "1", client: "198.51.100.7" },
    ...{ identity: "alice@example.test", limit: "mails", count: 1, per: DAY },
  }]);
  now += HOUR;
  mail();
  assertEquals(told.length, 2);
  assertStringIncludes(
    formatEventLine({ time: 0, ...told[0]! })!,
    "alice@example.test  has reached its limit of mails (1 in 24 h), last from 198.51.100.7: " +
      "if that is not its owner, change its password; else give it a higher limit",
  );
});

Deno.test("attack: a stolen password sends no million mails, and others send as ever", () => {
  let now = 0;
  const { mail, rcpt, told } = limits({}, { now: () => now });
  let sent = 0;
  for (let i = 0; i < 1_000_000; i++, now += 3) { // in fifty minutes
    if (mail() === "ok" && rcpt(`victim${i}`) === "ok") sent++;
    if (i % 10_000 === 0) assertEquals([mail(BOB), rcpt("friend", BOB)], ["ok", "ok"]);
  }
  // Of new recipients 500 a day, and what comes in again in fifty minutes.
  assert(sent >= 500 && sent <= 500 + 18, `${sent}`);
  assertEquals(told.length, 1);
});

Deno.test("attack: a restart does not give a thief another day's mails", async () => {
  const machine = memoryRuntime();
  const { clock, files } = machine;
  const open = () =>
    KeptLedger.open({ clock, files, directory: "/ledger", onTrouble: (what) => assert(!what) });
  let sent = 0;
  for (let start = 0; start < 5; start++) {
    const ledger = await open();
    const { rcpt } = limits({}, clock, ledger);
    for (let i = 0; i < 2000; i++) if (rcpt(`victim${start}.${i}`) === "ok") sent++;
    await ledger.close();
  }
  assertEquals(sent, 500);
});

Deno.test("attack: sessions in several threads have one limit of an account", async () => {
  const { clock } = memoryRuntime();
  const ask = serveLedger(new MemoryLedger(clock));
  const told: MtaFact[] = [];
  const threads = [1, 2].map(() =>
    accountLimits({}, {
      ...{ clock, ledger: new RemoteLedger({ clock, ask, onTrouble: () => {} }) },
      emit: (fact) => told.push(fact),
    })
  );
  const verdicts = await Promise.all(Array.from({ length: 3000 }, (_, i) => (
    threads[i % 2]!.recipient!(ALICE, address(`victim${i}`), envelope(null))
  )));
  assertEquals(verdicts.filter((verdict) => verdict === undefined).length, 500);
  assertEquals(told.length, 1);
});

Deno.test("attack: whoever has a password of a station is stopped there", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const ledger = new MemoryLedger(runtime.clock);
  const told: MtaFact[] = [];
  const services = { ledger, clock: runtime.clock, emit: (fact: MtaFact) => told.push(fact) };
  const policies = [accountLimits({ messages: { count: 2, per: DAY } }, services)];
  await using station = await MemoryStation.start({
    ...{ runtime, policies, listener: { role: "submission" } },
  });
  const logIn = async (name: string, password: string) => {
    const peer = await station.greeted();
    await peer.startTls();
    await peer.say("EHLO client.example", 250);
    await peer.say(`AUTH PLAIN ${Buffer.from(`\0${name}\0${password}`).toString("base64")}`, 235);
    return peer;
  };
  const thief = await logIn("alice@example.test", "wonderland");
  for (let i = 0; i < 2; i++) await thief.mail({ sender: "alice@example.test" });
  await thief.say("MAIL FROM:<alice@example.test>", 451, "4.7.1");
  const other = await logIn("bob@example.test", "builder");
  await other.mail({ sender: "bob@example.test" });
  thief.close();
  other.close();
  assertEquals(told.length, 1);
});

Deno.test("attack: no number of known recipients makes an account's limits forgotten", () => {
  const { clock } = memoryRuntime();
  const ledger = new MemoryLedger(clock, { entries: 300 });
  const policy = accountLimits({ messages: { count: 3, per: DAY } }, {
    ...{ ledger, clock, emit: () => {} },
  });
  let mails = 0;
  for (let i = 0; i < 900; i++) {
    const thief = account("thief@example.test");
    if (i % 30 === 0 && answerTo(policy.sender!(thief, null)) === "ok") mails++;
    const to = { local: `r${i}`, domain: "x.example" };
    assertEquals(
      answerTo(policy.recipient!(account(`a${i % 20}@example.test`), to, envelope(null))),
      "ok",
    );
  }
  assertEquals(mails, 3);
});
