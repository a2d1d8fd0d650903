/**
 * Lists in DNS against clients and domains, the lists being good, broken, dead and bought by somebody else.
 *
 * @module
 */

import { assert, assertEquals, assertLess, assertMatch, assertThrows } from "@std/assert";
import type { MtaFact } from "../../../src/events.ts";
import { BROKEN_REST, SILENT_REST } from "../../../src/policy/dns/dns_list.ts";
import { dnsLists, type DnsListsOptions } from "../../../src/policy/dns/dns_lists.ts";
import { parseNetwork } from "../../../src/net_address.ts";
import type { SessionView } from "../../../src/policy/policy.ts";
import { greylisting } from "../../../src/policy/abuse/greylisting.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { whenKnown } from "../../../src/soon.ts";
import { MemoryStation } from "../../support/memory_station.ts";

const LISTED = "198.51.100.66";
const OTHER = "198.51.100.7";

/** A machine whose DNS has a list `bl.example` with one entry, and the list of the welcome `wl.example`. */
function world() {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { resolver } = runtime;
  for (const zone of ["bl.example", "second.example", "wl.example"]) {
    resolver.set(`2.0.0.127.${zone}`, { a: ["127.0.0.2"] });
  }
  for (const zone of ["rhs.example", "helo.example"]) {
    resolver.set(`test.${zone}`, { a: ["127.0.0.2"] });
  }
  resolver.set("66.100.51.198.bl.example", { a: ["127.0.0.2"], txt: ["sent spam yesterday"] });
  return runtime;
}

function policyOf(runtime: ReturnType<typeof world>, options: DnsListsOptions) {
  const facts: MtaFact[] = [];
  const emit = (fact: MtaFact) => void facts.push(fact);
  return { policy: dnsLists(options, { ...runtime, emit }), facts };
}

function sessionFrom(client: string, more: Partial<SessionView> = {}): SessionView {
  const known = { hello: null, tls: null, identity: null, trusted: false };
  return { id: client, role: "mx", client, ...known, ...more };
}

async function scoreOf(
  runtime: ReturnType<typeof world>,
  options: DnsListsOptions,
  client = LISTED,
): Promise<number> {
  const { policy } = policyOf(runtime, options);
  const session = sessionFrom(client);
  const score = await runtime.clock.runUntil(Promise.resolve(policy.score(session)));
  policy.close?.(session);
  return score;
}

Deno.test("attack: a listed client gets nobody but the postmaster; others do not notice", async () => {
  const runtime = world();
  const { policy } = policyOf(runtime, { lists: [{ zone: "bl.example" }] });
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const listed = await station.greeted(LISTED);
  await listed.say("MAIL FROM:<a@client.example>", 250);
  assertEquals(
    await listed.say("RCPT TO:<alice@example.test>", 554, "5.7.1"),
    `554 5.7.1 ${LISTED} is listed by bl.example: sent spam yesterday`,
  );
  await listed.say("RCPT TO:<PostMaster>", 250);
  const honest = await station.greeted(OTHER);
  await honest.mail({});
  assertEquals((await station.mailbox("alice")).length, 1);
  const refusals = station.of("command.refused").map(({ policy, address }) => [policy, address]);
  assertEquals(refusals, [["dns-lists", "alice@example.test"]]);
});

Deno.test("dnsLists() asks all lists at once, when a client connects, and no list twice", async () => {
  const runtime = world();
  const lists = [{ zone: "bl.example" }, { zone: "second.example" }];
  const { policy } = policyOf(runtime, { lists });
  const session = sessionFrom(LISTED);
  policy.connect?.(session);
  const asked = () => runtime.resolver.questions.get("a 66.100.51.198.second.example");
  assertEquals(asked(), 1);
  await policy.score(session);
  const again = policy.score(session);
  assertEquals([again, asked()], [1, 1]); // known: no promise
});

Deno.test("dnsLists() adds weights up, and the welcome outweigh the listed", async () => {
  const runtime = world();
  runtime.resolver.set("66.100.51.198.second.example", { a: ["127.0.0.5"] });
  runtime.resolver.set("66.100.51.198.wl.example", { a: ["127.0.0.2"] });
  const bad = [{ zone: "bl.example", weight: 2 }, { zone: "second.example", weight: 3 }];
  assertEquals(await scoreOf(runtime, { lists: bad }), 5);
  const all = [...bad, { zone: "wl.example", weight: -10 }];
  assertEquals(await scoreOf(runtime, { lists: all }), -5);
  assertEquals(await scoreOf(runtime, { lists: all }, OTHER), 0);
});

Deno.test("dnsLists() puts off between its two scores, and refuses from the higher", async () => {
  const runtime = world();
  const { resolver } = runtime;
  resolver.set("7.100.51.198.second.example", { a: ["127.0.0.2"] });
  const lists = [{ zone: "bl.example", weight: 5 }, { zone: "second.example", weight: 3 }];
  const { policy } = policyOf(runtime, { lists, reject: 5, defer: 2, explain: false });
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  for (const [client, code, enhanced] of [[LISTED, 554, "5.7.1"], [OTHER, 451, "4.7.1"]] as const) {
    const peer = await station.greeted(client);
    await peer.say("MAIL FROM:<a@client.example>", 250);
    await peer.say("RCPT TO:<alice@example.test>", code, enhanced);
  }
  assertEquals(resolver.questions.get("txt 66.100.51.198.bl.example"), undefined);
});

Deno.test("dnsLists() weighs by the answer; a list counts once, by the strongest that fits", async () => {
  const runtime = world();
  const answers = { "127.0.0.2": 1, "127.0.0.4-7": 4, "127.0.1.x": 2 };
  const lists = [{ zone: "bl.example", answers }];
  const cases: [string[], number][] = [
    [["127.0.0.2"], 1],
    [["127.0.0.6"], 4],
    [["127.0.0.2", "127.0.0.4", "127.0.1.200"], 4],
    [["127.0.0.9"], 0],
  ];
  for (const [records, score] of cases) {
    runtime.resolver.set("66.100.51.198.bl.example", { a: records });
    assertEquals(await scoreOf(runtime, { lists }), score, records.join());
  }
});

Deno.test("dnsLists() asks about IPv6 by nibbles", async () => {
  const runtime = world();
  // RFC 5782 §2.4 has this address and this name.
  const name = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.example";
  const address = "2001:db8:1:2:3:4:567:89ab";
  runtime.resolver.set(name, { a: ["127.0.0.2"] });
  assertEquals(await scoreOf(runtime, { lists: [{ zone: "bl.example" }] }, address), 1);
});

Deno.test("dnsLists() asks lists of domains about the sender, and lists of names about EHLO", async () => {
  const runtime = world();
  runtime.resolver.set("spam.example.rhs.example", { a: ["127.0.0.2"] });
  runtime.resolver.set("bot.example.helo.example", { a: ["127.0.0.2"] });
  const { policy } = policyOf(runtime, {
    lists: [
      { zone: "rhs.example", kind: "sender-domain", name: "RHS" },
      { zone: "helo.example", kind: "hello" },
    ],
  });
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const peer = await station.connect();
  await peer.expect(220);
  await peer.say("EHLO client.example", 250);
  await peer.say("MAIL FROM:<a@spam.example>", 250);
  assertMatch(
    await peer.say("RCPT TO:<alice@example.test>", 554, "5.7.1"),
    /spam\.example is listed by RHS$/,
  );
  await peer.say("RSET", 250);
  await peer.mail({}); // another sender: not what was held against the one before
  await peer.say("EHLO bot.example", 250);
  await peer.say("MAIL FROM:<>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 554, "5.7.1");
});

Deno.test("dnsLists() is not for those who logged in, may relay, or are exempt", () => {
  const runtime = world();
  const exempt = [parseNetwork("198.51.100.64/26")!];
  const { policy } = policyOf(runtime, { lists: [{ zone: "bl.example" }], exempt });
  const session = sessionFrom(LISTED);
  policy.connect?.(session);
  assertEquals(policy.score(session), 0);
  const usual = policyOf(runtime, { lists: [{ zone: "bl.example" }] }).policy;
  for (const more of [{ identity: "alice" }, { trusted: true }, { role: "lmtp" }]) {
    usual.connect?.(sessionFrom(LISTED, more));
    assertEquals(usual.score(sessionFrom(LISTED, more)), 0);
  }
  assertEquals(runtime.resolver.questions.size, 0);
});

Deno.test("attack: a list that lists everybody stops nobody, and is tried again later", async () => {
  const runtime = world();
  const { resolver, clock } = runtime;
  resolver.set("1.0.0.127.bl.example", { a: ["127.0.0.2"] });
  const { policy, facts } = policyOf(runtime, { lists: [{ zone: "bl.example" }] });
  const score = (id: string) => policy.score(sessionFrom(LISTED, { id }));
  assertEquals(await score("1"), 0);
  assertEquals(facts.map((fact) => fact.type), ["policy.failed"]);
  assertMatch(JSON.stringify(facts[0]), /bl\.example is not asked for 60 minutes: .*127\.0\.0\.1/);
  const asked = resolver.questions.get("a 66.100.51.198.bl.example");
  assertEquals(await score("2"), 0);
  assertEquals(resolver.questions.get("a 66.100.51.198.bl.example"), asked);
  resolver.set("1.0.0.127.bl.example", {});
  await clock.advance(BROKEN_REST);
  assertEquals(await score("3"), 1);
  assertEquals(facts.length, 1);
});

Deno.test("dnsLists() believes no list that is dead, refuses us, or belongs to somebody else", async () => {
  const cases: [name: string, answer: string | null, why: RegExp][] = [
    ["2.0.0.127.bl.example", null, /127\.0\.0\.2, so it is dead/],
    ["66.100.51.198.bl.example", "127.255.255.254", /does not serve .* \(127\.255\.255\.254\)/],
    ["66.100.51.198.bl.example", "203.0.113.80", /203\.0\.113\.80, which is not in 127/],
  ];
  for (const [name, answer, why] of cases) {
    const runtime = world();
    runtime.resolver.set(name, answer === null ? {} : { a: [answer] });
    const { policy, facts } = policyOf(runtime, { lists: [{ zone: "bl.example" }] });
    assertEquals(await policy.score(sessionFrom(LISTED)), 0, name);
    assertMatch(JSON.stringify(facts), why);
  }
});

Deno.test("dnsLists() holds the tests of RFC 5782 against lists of domains too, unless told not to", async () => {
  const runtime = world();
  runtime.resolver.set("test.rhs.example", {});
  runtime.resolver.set("spam.example.rhs.example", { a: ["127.0.0.2"] });
  for (const test of [true, false]) {
    const list = { zone: "rhs.example", kind: "sender-domain", test } as const;
    const { policy } = policyOf(runtime, { lists: [list] });
    const session = sessionFrom(OTHER);
    policy.sender?.(session, { local: "a", domain: "spam.example" });
    assertEquals(await policy.score(session), test ? 0 : 1);
  }
});

/** A resolver that answers for the zones given, and never for others. */
function halfDead(runtime: ReturnType<typeof world>, dead: string) {
  let waiting = 0;
  const never = (signal?: AbortSignal) =>
    new Promise<{ status: "failed"; reason: string }>((resolve) => {
      waiting++;
      signal?.addEventListener("abort", () => resolve({ status: "failed", reason: "late" }));
    });
  const a = (name: string, signal?: AbortSignal) =>
    name.endsWith(dead) ? never(signal) : runtime.resolver.a(name, signal);
  const txt = (name: string) => runtime.resolver.txt(name);
  return { resolver: { a, txt }, asked: () => waiting };
}

Deno.test("attack: a list that never answers holds nobody up for long, and then not at all", async () => {
  const runtime = world();
  const { clock } = runtime;
  const { resolver, asked } = halfDead(runtime, "second.example");
  const facts: MtaFact[] = [];
  const lists = [{ zone: "bl.example" }, { zone: "second.example", test: false }];
  const emit = (fact: MtaFact) => void facts.push(fact);
  const policy = dnsLists({ lists, timeout: 3000 }, { resolver, clock, emit });
  const score = (id: string) =>
    clock.runUntil(Promise.resolve(policy.score(sessionFrom(LISTED, { id }))));
  for (let i = 0; i < 5; i++) {
    const start = clock.now();
    assertEquals(await score(`${i}`), 1); // what the other says counts
    assertEquals(clock.now() - start, 3000);
  }
  assertMatch(
    JSON.stringify(facts),
    /second\.example is not asked for 5 minutes: it does not answer/,
  );
  const start = clock.now();
  assertEquals(await score("rested"), 1);
  assertEquals([clock.now() - start, asked()], [0, 5]);
  await clock.advance(SILENT_REST);
  await score("again");
  assertEquals(asked(), 6);
  assertEquals(clock.sleepers, 0);
});

Deno.test("attack: who connects and leaves at once does not have a list switched off", async () => {
  const runtime = world();
  const { clock } = runtime;
  const { resolver, asked } = halfDead(runtime, "bl.example");
  const facts: MtaFact[] = [];
  const emit = (fact: MtaFact) => void facts.push(fact);
  const lists = [{ zone: "bl.example", test: false }];
  const policy = dnsLists({ lists }, { resolver, clock, emit });
  for (let i = 0; i < 100; i++) {
    const session = sessionFrom(LISTED, { id: `${i}` });
    policy.connect?.(session);
    policy.close?.(session);
  }
  await clock.settle();
  assertEquals([facts, asked(), clock.sleepers], [[], 100, 0]);
});

Deno.test("attack: the words of a list cannot break out of a reply", async () => {
  for (const text of ["bad\r\n250 fine", "x\u0000", "\u202egood"]) {
    const runtime = world();
    runtime.resolver.set("66.100.51.198.bl.example", { a: ["127.0.0.2"], txt: [text] });
    const { policy } = policyOf(runtime, { lists: [{ zone: "bl.example" }] });
    const session = sessionFrom(LISTED);
    const envelope = { sender: null, recipients: [] } as never;
    const verdict = await policy.recipient?.(session, { local: "a", domain: "b.c" }, envelope);
    assert(verdict?.action === "reject");
    assertEquals(verdict.reply.lines, [`${LISTED} is listed by bl.example`]);
  }
  const runtime = world();
  runtime.resolver.set("66.100.51.198.bl.example", { a: ["127.0.0.2"], txt: ["x".repeat(5000)] });
  const { policy } = policyOf(runtime, { lists: [{ zone: "bl.example" }] });
  const envelope = { sender: null, recipients: [] } as never;
  const verdict = await policy.recipient?.(
    sessionFrom(LISTED),
    { local: "a", domain: "b" },
    envelope,
  );
  assert(verdict?.action === "reject");
  assertLess(verdict.reply.lines[0]!.length, 300);
});

Deno.test("dnsLists() refuses a pattern that is none", () => {
  for (const answer of ["127.0.0", "127.0.0.7-4", "127.0.0.256", "10.0.0.1", "127.0.0.y"]) {
    const lists = [{ zone: "bl.example", answers: { [answer]: 1 } }];
    assertThrows(() => policyOf(world(), { lists }), TypeError);
  }
});

Deno.test("greylisting() lets those pass who are welcome by a list, and has others wait", async () => {
  const runtime = world();
  runtime.resolver.set("66.100.51.198.wl.example", { a: ["127.0.0.2"] });
  const { policy } = policyOf(runtime, { lists: [{ zone: "wl.example", weight: -1 }] });
  const isWelcome = (session: SessionView) =>
    whenKnown(policy.score(session), (score) => score < 0);
  const { clock } = runtime;
  const greylist = greylisting({}, { clock, ledger: new MemoryLedger(clock), isWelcome });
  await using station = await MemoryStation.start({ runtime, policies: [policy, greylist] });
  await (await station.greeted(LISTED)).mail({});
  const other = await station.greeted(OTHER);
  await other.say("MAIL FROM:<a@client.example>", 250);
  await other.say("RCPT TO:<alice@example.test>", 451, "4.7.1");
});

Deno.test("attack: a client that greets and sends again and again has few names looked up, and the last is judged", async () => {
  const runtime = world();
  const { resolver } = runtime;
  resolver.set("bad.example.helo.example", { a: ["127.0.0.2"] });
  let asked = 0;
  const counting = {
    txt: resolver.txt.bind(resolver),
    a: (name: string, signal?: AbortSignal) => (asked++, resolver.a(name, signal)),
  };
  const lists = [
    { zone: "helo.example", kind: "hello", test: false },
    { zone: "rhs.example", kind: "sender-domain", test: false },
  ] as const;
  const services = { resolver: counting, clock: runtime.clock, emit: () => {} };
  const policy = dnsLists({ lists }, services);
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const peer = await station.greeted();
  for (let i = 0; i < 100; i++) {
    await peer.say(`EHLO c${i}.example`, 250);
    await peer.say(`MAIL FROM:<a@d${i}.example>`, 250);
  }
  assertLess(asked, 10);
  await peer.say("EHLO bad.example", 250);
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 554, "5.7.1");
});
