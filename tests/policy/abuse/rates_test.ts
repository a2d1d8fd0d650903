import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseNetwork } from "../../../src/net_address.ts";
import { formatWait } from "../../../src/policy/abuse/limit.ts";
import {
  connectionRates,
  type MessageRateOptions,
  messageRates,
} from "../../../src/policy/abuse/rates.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { RemoteLedger, serveLedger } from "../../../src/policy/ledger/remote_ledger.ts";
import type { SessionView } from "../../../src/policy/policy.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation } from "../../support/memory_station.ts";
import { answerTo, envelope, stranger } from "./sessions.ts";

const MINUTE = 60_000;

Deno.test("connectionRates() answers 421 to who connects too often, and says when to come again", () => {
  const ledger = new MemoryLedger({ now: () => 0 });
  const policy = connectionRates({ client: { count: 2, per: MINUTE } }, { ledger });
  const answers = Array.from({ length: 3 }, () => answerTo(policy.connect!(stranger())));
  assertEquals(answers, [
    "ok",
    "ok",
    "421 4.7.0 too many connections from 198.51.100.7: try again in 30 s",
  ]);
  assertEquals(answerTo(policy.connect!(stranger("198.51.100.8"))), "ok");
});

Deno.test("connectionRates() counts IPv6 by /64, and networks by /24 and /48", () => {
  const ledger = new MemoryLedger({ now: () => 0 });
  const one = { count: 1, per: MINUTE };
  const clients = connectionRates({ client: one, network: null }, { ledger });
  const ask = (policy: typeof clients, ...addresses: string[]) =>
    addresses.map((address) => answerTo(policy.connect!(stranger(address))).slice(0, 3));
  assertEquals(ask(clients, "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1:1::1"), [
    ...["ok", "421", "ok"],
  ]);
  const networks = connectionRates({ client: null, network: one }, { ledger });
  assertEquals(ask(networks, "2001:db8:1::1", "2001:db8:1:1::1", "2001:db8:2::1"), [
    ...["ok", "421", "ok"],
  ]);
  assertEquals(ask(networks, "192.0.2.1", "192.0.2.200", "192.0.3.1"), ["ok", "421", "ok"]);
});

Deno.test("connectionRates() and messageRates() leave alone who is known", () => {
  const ledger = new MemoryLedger({ now: () => 0 });
  const one = { count: 1, per: MINUTE };
  const exempt = [parseNetwork("203.0.113.0/24")!];
  const connections = connectionRates({ client: one, exempt }, { ledger });
  const messages = messageRates({
    ...{ messages: { client: one }, recipients: { client: one }, exempt },
  }, { ledger });
  const known: Partial<SessionView>[] = [{ client: "203.0.113.9" }, { trusted: true }, {
    identity: "a@example.test",
  }, { role: "lmtp" }];
  for (const facts of known) {
    const session = { ...stranger(), ...facts };
    for (let i = 0; i < 5; i++) {
      assertEquals(answerTo(connections.connect!(session)), "ok");
      assertEquals(answerTo(messages.sender!(session, null)), "ok");
      const to = { local: "alice", domain: "example.test" };
      assertEquals(answerTo(messages.recipient!(session, to, envelope(null))), "ok");
    }
  }
});

Deno.test("messageRates() bounds mails and recipients, and domains only where that is wanted", () => {
  const now = 0;
  const to = { local: "alice", domain: "example.test" };
  const many = { local: "news", domain: "Big.example" };
  const made = (options: MessageRateOptions) =>
    messageRates(options, { ledger: new MemoryLedger({ now: () => now }) });
  const one = { count: 1, per: 10 * MINUTE };
  const messages = made({ messages: { client: one } });
  assertEquals([1, 2].map(() => answerTo(messages.sender!(stranger(), null))), [
    "ok",
    "451 4.7.1 too many messages from 198.51.100.7: try again in 10 min",
  ]);
  const recipients = made({ recipients: { client: one } });
  assertEquals(
    [1, 2].map(() => answerTo(recipients.recipient!(stranger(), to, envelope(many)))),
    ["ok", "450 4.7.1 too many recipients from 198.51.100.7: try again in 10 min"],
  );
  // Forged from everywhere: without a limit of its own the domain's owner is not shut out.
  const from = (i: number) => stranger(`10.${i >> 8}.${i & 255}.1`);
  const usual = made({});
  for (let i = 0; i < 10_000; i++) assertEquals(usual.sender!(from(i), many), undefined);
  const domains = made({ messages: { senderDomain: one } });
  assertEquals([1, 2].map((i) => answerTo(domains.sender!(from(i), many))), [
    "ok",
    "451 4.7.1 too many messages in the name of big.example: try again in 10 min",
  ]);
});

Deno.test("policies of strangers answer without a promise where the ledger does", () => {
  const ledger = new MemoryLedger({ now: () => 0 });
  const session = stranger();
  assert(!(connectionRates({}, { ledger }).connect!(session) instanceof Promise));
  assert(!(messageRates({}, { ledger }).sender!(session, null) instanceof Promise));
});

Deno.test("attack: a thousand addresses of one network are one limit", () => {
  let now = 0;
  const ledger = new MemoryLedger({ now: () => now });
  const policy = connectionRates({}, { ledger });
  let served = 0;
  for (let second = 0; second < 60; second++, now += 1000) {
    for (let i = 0; i < 1000; i++) {
      const bot = stranger(`2001:db8:bad:${i.toString(16)}::1`);
      if (policy.connect!(bot) === undefined) served++;
    }
    // Somebody else is served as ever.
    assertEquals(policy.connect!(stranger("198.51.100.7")), undefined);
  }
  assert(served >= 600 && served <= 1200, `${served} of 60000`);
});

Deno.test("attack: threads that serve one flood share one limit", async () => {
  const { clock } = memoryRuntime();
  const ask = serveLedger(new MemoryLedger(clock));
  const policies = [1, 2, 3, 4].map(() =>
    connectionRates({}, { ledger: new RemoteLedger({ clock, ask, onTrouble: () => {} }) })
  );
  const verdicts = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => policies[i % 4]!.connect!(stranger())),
  );
  assertEquals(verdicts.filter((verdict) => verdict === undefined).length, 120);
});

Deno.test("attack: a client that connects and connects is turned away before it can speak, and an honest one is not", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const ledger = new MemoryLedger(runtime.clock);
  const policies = [
    connectionRates({ client: { count: 5, per: MINUTE } }, { ledger }),
    messageRates({ recipients: { client: { count: 3, per: MINUTE } } }, { ledger }),
  ];
  await using station = await MemoryStation.start({ runtime, policies });
  for (let i = 0; i < 5; i++) (await station.greeted("203.0.113.66")).close();
  const refused = await station.connect("203.0.113.66");
  assertStringIncludes(await refused.expect(421, "4.7.0"), "try again in");
  assertEquals(await refused.reply(), null);
  const honest = await station.greeted("198.51.100.7");
  await honest.mail({ to: ["alice@example.test", "bob@example.test", "team@example.test"] });
  await honest.say("MAIL FROM:<a@client.example>", 250);
  await honest.say("RCPT TO:<alice@example.test>", 450, "4.7.1");
  await runtime.clock.runUntil(runtime.clock.sleep(20_000));
  await honest.say("RCPT TO:<alice@example.test>", 250);
  await honest.say("DATA", 354);
  await honest.say("Subject: later\r\n\r\nHello.\r\n.", 250);
  honest.close();
  assertEquals((await station.mailbox("alice")).length, 2);
});

Deno.test("formatWait() never says too little", () => {
  const cases: readonly [number, string][] = [
    [1, "1 s"],
    [119_001, "2 min"],
    [7_199_001, "2 h"],
    [7_200_001, "3 h"],
    [172_800_000, "2 d"],
  ];
  for (const [milliseconds, wanted] of cases) assertEquals(formatWait(milliseconds), wanted);
});
