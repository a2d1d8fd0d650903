import { assert, assertEquals, assertThrows } from "@std/assert";
import { summarize } from "../../src/queue/operator/queue_view.ts";
import type { Route } from "../../src/routing/route.ts";
import { reply } from "../../src/smtp/reply.ts";
import {
  type Answer,
  LATER,
  mxRoute,
  NEVER,
  OK,
  QueueBench,
  REFUSED,
  throughWire,
} from "../support/queue_bench.ts";
import { newMessage, queuedRecipient } from "../support/queue_entry.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A promise to be settled from outside, for answers that a test gives when it wants. */
function laterAnswer() {
  return Promise.withResolvers<Answer>();
}

Deno.test("run() delivers what is queued, tells of it, and forgets it", async () => {
  const bench = new QueueBench();
  await bench.add("m1", "bob@example.org");
  await bench.clock.settle();
  assertEquals(bench.attempts, [{ time: 0, message: "m1", recipients: ["bob@example.org"] }]);
  assertEquals(await bench.entries(), new Map());
  assertEquals(bench.events, [
    {
      time: 0,
      type: "delivery.done",
      message: "m1",
      recipient: "bob@example.org",
      destination: "smtp:mx.test [192.0.2.1]:25",
      reply: "250 2.0.0 ok",
      duration: 0,
      took: 0,
    },
    { time: 0, type: "message.done", message: "m1", delivered: 1, failed: 0, duration: 0 },
  ]);
  await bench.stop();
});

Deno.test("run() takes new mail at once while it waits for old", async () => {
  const bench = new QueueBench({ answers: (name) => name.startsWith("bob") ? LATER : OK });
  await bench.add("m1", "bob@example.org");
  await bench.clock.advance(100);
  assertEquals(bench.eventsOf("delivery.deferred").length, 1);
  await bench.add("m2", "carol@example.org");
  await bench.clock.settle();
  assertEquals(bench.attempts.at(-1), {
    time: 100,
    message: "m2",
    recipients: ["carol@example.org"],
  });
  await bench.stop();
});

Deno.test("run() makes one job of those that go to one destination from one sender", async () => {
  const bench = new QueueBench({
    senderFor: ({ sender }, { address }) => address.local === "fred" ? null : sender,
  });
  await bench.add("m1", "a@x.example", "b@y.example", "c@x.example", "fred@x.example");
  await bench.clock.settle();
  assertEquals(bench.attempts.map(({ recipients }) => recipients.join()), [
    "a@x.example,c@x.example",
    "b@y.example",
    "fred@x.example",
  ]);
  await bench.stop();
});

Deno.test("run() lets what the router refuses fail or wait, by its reply", async () => {
  const bench = new QueueBench({
    route: ({ recipients }, index) => ({
      reply: recipients[index]!.address.local === "bad" ? NEVER : LATER,
    }),
  });
  await bench.add("m1", "bad@x.example", "slow@x.example");
  await bench.clock.settle();
  assertEquals(bench.attempts, []);
  assertEquals(bench.eventsOf("delivery.failed")[0]?.reply, "550 5.1.1 no such user");
  assertEquals(bench.eventsOf("delivery.deferred")[0]?.reply, "451 4.7.1 later");
  assertEquals(bench.told.map(({ notice }) => notice), [{ kind: "failed", recipients: [0] }]);
  const entry = (await bench.entries()).get("m1")!;
  assertEquals(entry.recipients.map(({ status }) => status), ["failed", "waiting"]);
  await bench.stop();
});

const FAULTS: readonly (readonly [string, (bench: QueueBench) => object])[] = [
  ["router", () => ({
    route: () => {
      throw new Error("bug");
    },
  })],
  ["rewriting of senders", () => ({
    senderFor: () => {
      throw new Error("bug");
    },
  })],
  ["transport", () => ({
    transports: { mx: { deliver: () => Promise.reject(new Error("bug")) } },
  })],
];

for (const [name, setup] of FAULTS) {
  Deno.test(`a ${name} that throws puts mail off with 451 4.3.0 and an event`, async () => {
    const bench = new QueueBench(setup(null!));
    await bench.add("m1", "bob@x.example");
    await bench.clock.settle();
    const [bob] = (await bench.entries()).get("m1")!.recipients;
    assertEquals([bob!.status, bob!.history[0]!.reply.code], ["waiting", 451]);
    assertEquals(bob!.history[0]!.reply.enhanced, "4.3.0");
    assertEquals(bench.eventsOf("internal.error")[0]?.error, "Error: bug");
    await bench.stop();
  });
}

Deno.test("a way that has no transport puts mail off", async () => {
  const bench = new QueueBench({ transports: {} });
  await bench.add("m1", "bob@x.example");
  await bench.clock.settle();
  assertEquals(bench.eventsOf("delivery.deferred").length, 1);
  assertEquals(bench.eventsOf("internal.error").length, 1);
  await bench.stop();
});

Deno.test("what a part gave is recorded while other parts are under way", async () => {
  const slow = laterAnswer();
  const bench = new QueueBench({
    answers: (name) => name === "a@slow.example" ? slow.promise : OK,
  });
  await bench.add("m1", "a@slow.example", "b@fast.example");
  await bench.clock.settle();
  const statuses = async () =>
    (await bench.entries()).get("m1")?.recipients.map(({ status }) => status);
  assertEquals(await statuses(), ["waiting", "relayed"]);
  slow.resolve(OK);
  await bench.clock.settle();
  assertEquals(await statuses(), undefined);
  await bench.stop();
});

Deno.test("only one record of a message is written at a time", async () => {
  let [writing, most, writes] = [0, 0, 0];
  const isWrite = (method: string) => method === "update" || method === "settle";
  const bench: QueueBench = new QueueBench({
    answers: async (name) => {
      await bench.clock.sleep(Number(name.slice(1, name.indexOf("@"))));
      return OK;
    },
    wire: (inner) =>
      throughWire(inner, {
        before: async (method) => {
          if (!isWrite(method)) return;
          writes++;
          most = Math.max(most, ++writing);
          await bench.clock.sleep(5);
        },
        after: (method) => {
          if (isWrite(method)) writing--;
        },
      }),
  });
  await bench.add("m1", ...Array.from({ length: 20 }, (_, i) => `u${i + 1}@d${i}.example`));
  await bench.clock.advance(MINUTE);
  assertEquals([most, await bench.entries()], [1, new Map()]);
  assert(writes > 2 && writes < 8, `what comes while one is written goes with the next: ${writes}`);
  await bench.stop();
});

Deno.test("a round tells of all its failures once, at its end", async () => {
  const slow = laterAnswer();
  const bench = new QueueBench({
    answers: (name) =>
      name === "a@slow.example" ? slow.promise : name.startsWith("alice") ? OK : NEVER,
  });
  const recipients = Array.from({ length: 50 }, (_, i) => `u@d${i}.example`);
  await bench.add("m1", "a@slow.example", ...recipients);
  await bench.clock.advance(MINUTE);
  assertEquals(bench.told, []);
  slow.resolve(NEVER);
  await bench.clock.advance(1);
  assertEquals(bench.told.map(({ notice }) => [notice.kind, notice.recipients.length]), [
    ["failed", 51],
  ]);
  assertEquals(bench.eventsOf("message.queued")[0], {
    time: MINUTE,
    type: "message.queued",
    message: `m1-failed-${recipients.map((_, i) => i).join("-")}`.slice(0, 100),
    sender: "<>",
    recipients: ["alice@example.com"],
    size: 23,
    about: "m1",
    notice: "failed",
  });
  assertEquals(bench.eventsOf("message.done")[0], {
    time: MINUTE,
    type: "message.done",
    message: "m1",
    delivered: 0,
    failed: 51,
    duration: MINUTE,
  });
  await bench.stop();
});

Deno.test("notices that cannot be made are made later, and what became of the mail is kept", async () => {
  let broken = true;
  const bench: QueueBench = new QueueBench({
    answers: (name) => name.startsWith("alice") ? OK : NEVER,
    notices: (entry, notices) =>
      broken
        ? Promise.reject(new Error("no template"))
        : Promise.resolve(bench.notices(entry, notices)),
  });
  await bench.add("m1", "bob@x.example");
  await bench.clock.advance(MINUTE);
  assertEquals((await bench.entries()).get("m1")!.recipients[0]!.status, "failed");
  assertEquals(bench.eventsOf("internal.error").length, 1);
  broken = false;
  await bench.clock.advance(5 * MINUTE);
  assertEquals(bench.attempts.map(({ message }) => message), ["m1", "m1-failed-0"]);
  assertEquals(bench.told.length, 1);
  assertEquals(await bench.entries(), new Map());
  await bench.stop();
});

Deno.test("what was over before a crash but not told is told first, before anything else is tried", async () => {
  const bench = new QueueBench();
  const failed = queuedRecipient("bob@x.example", {
    status: "failed",
    attempts: 1,
    history: [{ time: 1, reply: NEVER }],
  });
  await bench.store.add(newMessage([failed, queuedRecipient("carol@y.example")]));
  await bench.clock.settle();
  assertEquals(bench.told.map(({ notice }) => notice), [{ kind: "failed", recipients: [0] }]);
  assertEquals(bench.events[0]!.type, "message.queued");
  assertEquals(bench.attempts.map(({ message }) => message).sort(), ["m1", "m1-failed-0"]);
  assertEquals(await bench.entries(), new Map());
  await bench.stop();
});

Deno.test("while a settlement cannot be written nothing new starts; then all goes on", async () => {
  let [full, claimed] = [true, 0];
  const bench = new QueueBench({
    wire: (inner) =>
      throughWire(inner, {
        before: (method) => {
          if (method === "claim") claimed++;
          if (method === "settle" && full) throw new Error("ENOSPC");
        },
      }),
  });
  await bench.add("m1", "bob@x.example");
  await bench.clock.advance(10);
  await bench.add("m2", "carol@y.example");
  const claims = claimed;
  await bench.clock.advance(20 * MINUTE); // four leases long
  assertEquals(claimed, claims);
  assertEquals(bench.attempts.map(({ message }) => message), ["m1"]);
  assertEquals(bench.runner.state.troubled, true);
  const troubles = bench.eventsOf("queue.trouble");
  assertEquals([troubles[0]!.where, troubles[0]!.message], ["settlement", "m1"]);
  assert(troubles.length > 30 && troubles.length < 60, "every second at first, then every thirty");
  full = false;
  await bench.clock.advance(31_000);
  assertEquals(bench.attempts.map(({ message }) => message), ["m1", "m2"]);
  assertEquals(bench.runner.state.troubled, false);
  assertEquals(await bench.entries(), new Map());
  await bench.stop();
});

Deno.test("while a settlement cannot be written jobs that wait for their turn go on waiting", async () => {
  let full = false;
  const first = laterAnswer();
  const bench = new QueueBench({
    limits: { concurrency: 1 },
    answers: (name) => name.startsWith("bob") ? first.promise : OK,
    wire: (inner) =>
      throughWire(inner, {
        before: (method) => {
          if (method === "settle" && full) throw new Error("ENOSPC");
        },
      }),
  });
  await bench.add("m1", "bob@x.example");
  await bench.clock.settle();
  for (let i = 2; i < 5; i++) await bench.add(`m${i}`, "carol@y.example");
  await bench.clock.settle();
  assertEquals(bench.runner.state.waiting, 3);
  full = true;
  first.resolve(OK);
  await bench.clock.advance(MINUTE);
  // One had begun before the trouble was seen.
  assert(bench.attempts.length <= 2, `${bench.attempts.length}`);
  full = false;
  await bench.clock.advance(MINUTE);
  assertEquals([bench.attempts.length, await bench.entries()], [4, new Map()]);
  await bench.stop();
});

Deno.test("a queue that cannot be read is an event, and is asked again", async () => {
  let broken = true;
  const bench = new QueueBench({
    wire: (inner) =>
      throughWire(inner, {
        before: (method) => {
          if (method === "claim" && broken) throw new Error("EIO");
        },
      }),
  });
  await bench.add("m1", "bob@x.example");
  await bench.clock.advance(4000);
  assertEquals(bench.eventsOf("queue.trouble").map(({ where }) => where), ["claim"]);
  broken = false;
  await bench.clock.advance(2000);
  assertEquals(bench.attempts.length, 1);
  await bench.stop();
});

Deno.test("a lease is renewed while a job takes its time", async () => {
  const slow = laterAnswer();
  const bench = new QueueBench({ answers: () => slow.promise, lease: 3 * MINUTE });
  await bench.add("m1", "bob@x.example");
  await bench.clock.advance(HOUR);
  assertEquals(await bench.store.claimById("m1", bench.clock.now()), null);
  slow.resolve(OK);
  await bench.clock.settle();
  assertEquals(bench.attempts.length, 1);
  assertEquals(await bench.entries(), new Map());
  await bench.stop();
});

Deno.test("a lease that is lost breaks the job off, and nothing of it is recorded", async () => {
  const never = laterAnswer();
  let lost = false;
  let signal: AbortSignal | undefined;
  const bench: QueueBench = new QueueBench({
    answers: () => never.promise,
    wire: (inner) =>
      new Proxy(throughWire(inner, {}), {
        get: (target, name) => name === "renew" && lost ? () => false : Reflect.get(target, name),
      }),
    transports: {
      mx: {
        deliver: (job, given) => {
          signal = given;
          return bench.transport(() => never.promise).deliver(job, given);
        },
      },
    },
  });
  await bench.add("m1", "bob@x.example");
  await bench.clock.settle();
  lost = true;
  await bench.clock.advance(2 * MINUTE);
  assertEquals(signal!.aborted, true);
  assertEquals(bench.eventsOf("queue.trouble").map(({ where }) => where), ["lease"]);
  assertEquals((await bench.entries()).get("m1")!.recipients[0]!.attempts, 0);
  assertEquals(bench.runner.state.messages, 0);
  await bench.stop();
});

Deno.test("stop() lets what is under way end, and starts nothing", async () => {
  const slow = laterAnswer();
  const bench = new QueueBench({
    answers: () => slow.promise,
    limits: { concurrency: 1 },
  });
  await bench.add("m1", "bob@x.example");
  await bench.clock.settle();
  await bench.add("m2", "carol@y.example");
  await bench.clock.settle();
  assertEquals(bench.runner.state, {
    messages: 2,
    waiting: 1,
    running: 1,
    troubled: false,
    paused: false,
  });
  const stopped = bench.runner.stop({ grace: MINUTE });
  await bench.clock.settle();
  slow.resolve(OK);
  await bench.clock.runUntil(Promise.all([stopped, bench.running]), 0);
  assertEquals([...(await bench.entries()).keys()], ["m2"]);
  assertEquals(bench.attempts.length, 1);
  assert(await bench.store.claimById("m2", 0) !== null, "its claim was given back");
  assertEquals(bench.clock.sleepers, 0);
});

Deno.test("stop() breaks off what takes longer than its grace; that is tried again soon", async () => {
  const bench = new QueueBench({ answers: () => laterAnswer().promise });
  await bench.add("m1", "bob@x.example");
  await bench.clock.settle();
  await bench.stop({ grace: 5000 });
  assertEquals(bench.clock.now(), 5000);
  const [bob] = (await bench.entries()).get("m1")!.recipients;
  assertEquals([bob!.status, bob!.next], ["waiting", 5000 + MINUTE]);
});

Deno.test("stop() waits no longer than a few seconds for a transport that does not hear", async () => {
  const bench = new QueueBench({
    transports: { mx: { deliver: () => new Promise(() => {}) } },
  });
  await bench.add("m1", "bob@x.example");
  await bench.clock.settle();
  await bench.stop({ grace: 1000 });
  assertEquals(bench.clock.now(), 6000);
  assertEquals((await bench.entries()).get("m1")!.recipients[0]!.status, "waiting");
});

Deno.test("run() ends when its signal is aborted", async () => {
  const bench = new QueueBench();
  await bench.stop();
  const ending = new AbortController();
  const running = new QueueBench({ clock: bench.clock }).runner.run(ending.signal);
  ending.abort();
  await bench.clock.runUntil(running);
});

Deno.test("a destination that is down is left alone, and others are not", async () => {
  const bench = new QueueBench({
    answers: (name) => name.endsWith("down.example") ? null : OK,
  });
  for (let i = 0; i < 30; i++) await bench.add(`m${i}`, `u${i}@down.example`);
  await bench.add("other", "bob@up.example");
  await bench.clock.advance(1000);
  const tried = bench.attempts.filter(({ message }) => message !== "other").length;
  assert(tried >= 5 && tried < 10, `${tried}`);
  assertEquals([...bench.runner.down()].map(({ destination, reply }) => [destination, reply]), [
    ["mx:down.example:25", REFUSED],
  ]);
  const entries = await bench.entries();
  assertEquals([entries.size, entries.has("other")], [30, false]);
  for (const { recipients: [recipient] } of entries.values()) {
    assertEquals(recipient!.history.map(({ reply }) => reply), [REFUSED]);
    assert(recipient!.next >= MINUTE);
  }
  assertEquals(
    [...entries.values()].filter(({ recipients: [r] }) => r!.attempts === 0).length,
    30 - tried,
  );
  await bench.stop();
});

Deno.test("what is due for one destination never fills the window, nor is taken up again and again", async () => {
  let [most, claims] = [0, 0];
  const bench: QueueBench = new QueueBench({
    limits: { window: 100, concurrency: 20 },
    wire: (inner) =>
      throughWire(inner, {
        after: (method, answer) => {
          if (method === "claim") claims += (answer as unknown[]).length;
        },
      }),
    answers: async (name) => {
      most = Math.max(most, bench.runner.state.messages);
      await bench.clock.sleep(name.endsWith("busy.example") ? 100 : 1);
      return OK;
    },
  });
  const messages = Array.from(
    { length: 1000 },
    (_, i) => newMessage([`u${i}@busy.example`], { id: `m${i}` }),
  );
  await bench.store.add(...messages);
  await bench.clock.advance(1000);
  // It comes last, and is past all others within a second.
  await bench.add("other", "bob@quick.example");
  await bench.clock.advance(1000);
  assert(bench.attempts.some(({ message }) => message === "other"));
  await bench.clock.advance(5 * MINUTE);
  assertEquals(await bench.entries(), new Map());
  assertEquals(bench.attempts.length, 1001);
  assert(most <= 100, `${most}`);
  assert(claims < 3 * 1001, `each is taken up some times, not again and again: ${claims}`);
  await bench.stop();
});

const holdRoute = (domain: string): Route => ({ kind: "hold", domain, then: mxRoute(domain) });

Deno.test("mail held for ETRN waits; attemptDomain() lets it go, and what comes in meanwhile", async () => {
  const bench = new QueueBench({
    route: ({ recipients }, index) => holdRoute(recipients[index]!.address.domain),
  });
  await bench.add("m1", "bob@x.example");
  await bench.add("m2", "bob@sub.x.example");
  await bench.add("m3", "bob@y.example");
  await bench.clock.advance(DAY);
  assertEquals(bench.attempts, []);
  const kept = (await bench.entries()).get("m1")!;
  assertEquals(kept.recipients[0]!.next, 5 * DAY);
  assert(summarize(kept, "waiting").kept);
  const [once, twice] = [
    bench.runner.orders.attemptDomain("x.example"),
    bench.runner.orders.attemptDomain("x.example"),
  ];
  assertEquals([await once, await twice], [1, 1]);
  await bench.clock.advance(MINUTE);
  assertEquals(bench.attempts.map(({ message }) => message), ["m1"]);
  assertEquals(await bench.runner.orders.attemptDomain("@x.example"), 1);
  await bench.add("m4", "carol@x.example");
  await bench.clock.advance(MINUTE);
  assertEquals(bench.attempts.map(({ message }) => message), ["m1", "m2", "m4"]);
  await bench.clock.advance(HOUR);
  await bench.add("m5", "carol@x.example");
  await bench.clock.advance(MINUTE);
  assertEquals(bench.attempts.length, 3);
  await bench.clock.advance(5 * DAY);
  assertEquals(bench.eventsOf("delivery.failed").map(({ message }) => message), ["m3", "m5"]);
  await bench.stop();
});

Deno.test("attemptNow() tries one message, whatever its time and though its domain is held", async () => {
  const slow = laterAnswer();
  const bench = new QueueBench({
    route: ({ recipients }, index) => holdRoute(recipients[index]!.address.domain),
    answers: () => slow.promise,
  });
  await bench.add("m1", "bob@x.example");
  await bench.store.add(newMessage(["carol@x.example"], {
    id: "m2",
    held: { since: 0, reason: "looks odd" },
  }));
  await bench.clock.advance(MINUTE);
  assertEquals(await bench.runner.orders.attemptNow("m1"), "started");
  await bench.clock.settle();
  assertEquals(await bench.runner.orders.attemptNow("m1"), "busy");
  assertEquals(await bench.runner.orders.attemptNow("m2"), "held");
  assertEquals(await bench.runner.orders.attemptNow("m3"), "gone");
  slow.resolve(OK);
  await bench.clock.settle();
  assertEquals(bench.attempts.map(({ message }) => message), ["m1"]);
  assertEquals([...(await bench.entries()).keys()], ["m2"]);
  assertEquals(bench.eventsOf("queue.changed").map(({ message, action }) => [message, action]), [
    ["m1", "retried"],
  ]);
  await bench.stop();
});

Deno.test("retryNow() makes all due that is selected, and forgets that their destination was down", async () => {
  let down = true;
  const bench = new QueueBench({ answers: () => down ? null : OK });
  for (let i = 0; i < 20; i++) await bench.add(`m${i}`, `u${i}@x.example`, `v${i}@y.example`);
  await bench.clock.advance(MINUTE / 2);
  const before = bench.attempts.length;
  down = false;
  const isX = ({ address }: { address: { domain: string } }) => address.domain === "x.example";
  assertEquals(await bench.runner.orders.retryNow(isX), 20);
  await bench.clock.advance(1000);
  const since = bench.attempts.slice(before).flatMap(({ recipients }) => recipients);
  assertEquals(since.length, 20);
  assert(since.every((name) => name.endsWith("@x.example")));
  await bench.stop();
});

Deno.test("retryNow() lets what is held for ETRN go, and leaves alone what an operator holds", async () => {
  const bench = new QueueBench({
    route: ({ recipients }, index) => holdRoute(recipients[index]!.address.domain),
  });
  await bench.add("m1", "bob@x.example");
  await bench.store.add(newMessage(["carol@x.example"], {
    id: "m2",
    held: { since: 0, reason: "looks odd" },
  }));
  await bench.clock.advance(MINUTE);
  assertEquals(await bench.runner.orders.retryNow(), 1);
  await bench.clock.advance(1000);
  assertEquals(bench.attempts.map(({ message }) => message), ["m1"]);
  await bench.stop();
});

Deno.test("retryNow() tells of a message that cannot be changed, and goes on with the others", async () => {
  let settled = 0;
  const bench = new QueueBench({
    answers: () => LATER,
    wire: (inner) =>
      throughWire(inner, {
        before: (method) => {
          if (method === "settle" && ++settled === 3) throw new Error("ENOSPC");
        },
      }),
  });
  await bench.add("m1", "bob@x.example");
  await bench.add("m2", "bob@y.example");
  await bench.clock.advance(MINUTE);
  assertEquals(await bench.runner.orders.retryNow(), 1);
  assertEquals(bench.eventsOf("queue.trouble").map(({ where, message }) => [where, message]), [
    ["retry", "m1"],
  ]);
  assert(await bench.store.claimById("m1", bench.clock.now()) !== null, "its claim was kept");
  await bench.stop();
});

Deno.test("forget() has the next job for a destination go at once", async () => {
  let down = true;
  const bench = new QueueBench({ answers: () => down ? null : OK });
  for (let i = 0; i < 5; i++) await bench.add(`m${i}`, `u${i}@x.example`);
  await bench.clock.advance(1000);
  down = false;
  bench.runner.forget("mx:x.example:25");
  await bench.add("new", "bob@x.example");
  await bench.clock.settle();
  assertEquals(bench.eventsOf("message.done").map(({ message }) => message), ["new"]);
  await bench.stop();
});

Deno.test("mail that outlived its time while nobody worked has its last attempt", async () => {
  const bench = new QueueBench({ limits: { window: 20 } });
  await bench.stop();
  await bench.clock.advance(6 * DAY);
  const late = new QueueBench({
    clock: bench.clock,
    store: bench.store,
    limits: { window: 20 },
    answers: async () => {
      await bench.clock.sleep(1000);
      return OK;
    },
  });
  const messages = Array.from(
    { length: 100 },
    (_, i) => newMessage([`u${i}@x.example`], { id: `m${i}`, received: 0 }),
  );
  await late.store.add(...messages);
  await late.clock.advance(HOUR);
  assertEquals(late.eventsOf("delivery.failed"), []);
  assertEquals(late.attempts.length, 100);
  await late.stop();
});

Deno.test("a transport's answer is for its own recipients, whatever it says", async () => {
  const bench = new QueueBench({
    transports: {
      mx: {
        deliver: ({ recipients: [first] }) =>
          Promise.resolve([
            { recipient: first!, status: "relayed" as const, reply: reply(250, "2.0.0", "ok") },
            { recipient: 99, status: "failed" as const, reply: NEVER },
          ]),
      },
    },
  });
  await bench.add("m1", "a@x.example", "b@x.example");
  await bench.clock.settle();
  const { recipients } = (await bench.entries()).get("m1")!;
  assertEquals(recipients.map(({ status }) => status), ["relayed", "waiting"]);
  await bench.stop();
});

Deno.test("giveBack() frees a message whose jobs wait for their turn, and keeps it in mind", async () => {
  const slow = laterAnswer();
  const bench = new QueueBench({ answers: () => slow.promise, limits: { startWidth: 1 } });
  for (const id of ["m1", "m2", "m3"]) await bench.add(id, "bob@x.example");
  await bench.clock.settle();
  assertEquals(await bench.store.claimById("m2", bench.clock.now()), null);
  bench.runner.giveBack("m1"); // under way
  bench.runner.giveBack("m2");
  bench.runner.giveBack("m2");
  bench.runner.giveBack("m9"); // not there
  await bench.clock.settle();
  assertEquals(["m1", "m2", "m3"].map((id) => bench.runner.isActive(id)), [true, false, true]);
  const claim = await bench.store.claimById("m2", bench.clock.now());
  bench.store.release(claim!, bench.clock.now() + MINUTE);
  slow.resolve(OK);
  await bench.clock.settle();
  assertEquals(bench.attempts.map(({ message }) => message), ["m1", "m3"]);
  await bench.clock.advance(MINUTE);
  assertEquals(bench.attempts.map(({ message }) => message), ["m1", "m3", "m2"]);
  assertEquals(await bench.entries(), new Map());
  await bench.stop();
});

Deno.test("giveBack() brings a message round again that nobody took", async () => {
  const slow = laterAnswer();
  const bench = new QueueBench({ answers: () => slow.promise, limits: { startWidth: 1 } });
  for (const id of ["m1", "m2"]) await bench.add(id, "bob@x.example");
  await bench.clock.settle();
  bench.runner.giveBack("m2");
  slow.resolve(OK);
  await bench.clock.advance(10_000);
  assertEquals(bench.attempts.map(({ message, time }) => [message, time]), [["m1", 0], [
    "m2",
    5000,
  ]]);
  await bench.stop();
});

for (const limits of [{ window: 0 }, { concurrency: NaN }, { batch: -1 }, { slack: -1 }]) {
  Deno.test(`a runner refuses limits that cannot be: ${Object.entries(limits)}`, () => {
    const error = assertThrows(() => new QueueBench({ limits }), RangeError);
    assert(error.message.includes(Object.keys(limits)[0]!), error.message);
  });
}

Deno.test("a store with a bug ends neither the process nor the renewal of other leases", async () => {
  const slow = laterAnswer();
  let renewals = 0;
  const bench = new QueueBench({
    lease: 3000,
    limits: { startWidth: 1 },
    answers: (name) => name.startsWith("slow") ? slow.promise : null,
    wire: (inner) => {
      const renew = inner.renew.bind(inner);
      inner.renew = (claim, now) => {
        if (++renewals === 1) throw new Error("bug");
        return renew(claim, now);
      };
      inner.release = () => {
        throw new Error("bug");
      };
      return inner;
    },
  });
  await bench.add("m1", "slow@y.example");
  await bench.clock.advance(1500);
  for (const id of ["m2", "m3"]) await bench.add(id, "bob@x.example");
  // The second finds its destination down, more than once: nothing changes, the claim is given back.
  await bench.clock.advance(20 * MINUTE);
  const places = new Set(bench.eventsOf("queue.trouble").map(({ where }) => where));
  assertEquals(places, new Set(["lease", "settlement"]));
  assertEquals(bench.runner.state.messages, 1);
  slow.resolve(OK);
  await bench.clock.settle();
  assertEquals(bench.attempts.filter(({ message }) => message === "m1").length, 1);
  assertEquals((await bench.entries()).has("m1"), false);
  await bench.stop();
});
