import { assert, assertEquals } from "@std/assert";
import type { QueueChange } from "../../src/queue/operator/queue_change.ts";
import { QueueControl, type QueueSelection } from "../../src/queue/operator/queue_control.ts";
import { queueMatcher } from "../../src/queue/operator/queue_filter.ts";
import { Runner } from "../../src/delivery/runner.ts";
import type { DeliveryJob } from "../../src/delivery/transport.ts";
import type { MtaFact } from "../../src/events.ts";
import type { QueueEntry } from "../../src/queue/entry.ts";
import { MemoryStore } from "../../src/queue/memory_store.ts";
import type { Outcome } from "../../src/queue/outcome.ts";
import { retrySchedules } from "../../src/queue/retry.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { RouteTable } from "../../src/routing/route_table.ts";
import { reply } from "../../src/smtp/reply.ts";
import { entry, message, NOW, recipient } from "./support.ts";

const NEVER = new AbortController().signal;
const ALL = queueMatcher({});

/** A queue with its runner, beside the control: the real ones, with a way out that the test answers for. */
async function start(...entries: readonly QueueEntry[]) {
  const { clock, random } = memoryRuntime({ now: NOW });
  const store = new MemoryStore({ clock });
  await store.add(...entries.map(message));
  const facts: MtaFact[] = [];
  const notices: string[] = [];
  const jobs: DeliveryJob[] = [];
  const answers: ((outcome: Outcome["status"]) => void)[] = [];
  const routes = new RouteTable();
  const runner = new Runner({
    store,
    clock,
    random,
    route: (value, index) => routes.find(value.recipients[index]!.address.domain),
    senderFor: ({ sender }) => sender,
    transports: {
      mx: {
        async deliver(job) {
          jobs.push(job);
          const status = await new Promise<Outcome["status"]>((resolve) => answers.push(resolve));
          const said = status === "relayed"
            ? reply(250, "2.0.0", "ok")
            : reply(451, "4.7.1", "later");
          return job.recipients.map((index) => ({ recipient: index, status, reply: said }));
        },
      },
    },
    notices: (value, owed) => {
      for (const { kind, recipients } of owed) {
        const last = value.recipients[recipients[0]!]!.history.at(-1)!.reply;
        notices.push(`${value.id} ${kind} ${last.enhanced}`);
      }
      return Promise.resolve([]);
    },
    scheduleFor: retrySchedules(),
    emit: (fact) => void facts.push(fact),
  });
  const running = runner.run();
  const control = new QueueControl({
    store,
    worker: {
      isActive: () => false,
      attemptNow: (id) => runner.orders.attemptNow(id),
      makeWay: (value, index) => runner.orders.makeWay(value, index),
    },
    clock,
    emit: (fact) => void facts.push(fact),
    patience: 2000,
  });
  const change = async (selection: QueueSelection, wanted: QueueChange) => {
    const changes = Array.fromAsync(control.change(selection, wanted, NEVER));
    return (await clock.runUntil(changes)).map(({ id, result }) => `${id} ${result}`);
  };
  const stop = async () => {
    await clock.runUntil(runner.stop({ grace: 0 }));
    await clock.runUntil(running);
  };
  return { clock, store, facts, notices, jobs, answers, control, change, stop };
}

assert(!("wrong" in ALL));

Deno.test("QueueControl beside a runner: a bounce makes the runner tell the sender", async () => {
  const { change, clock, store, notices, jobs, stop } = await start(entry("m1"), entry("m2"));
  assertEquals(await change({ ids: ["m1"] }, { action: "remove", bounce: true }), ["m1 changed"]);
  await clock.advance(2000);
  assertEquals(notices, ["m1 failed 5.7.0"]);
  assertEquals(await store.get("m1"), null);
  assertEquals([jobs.length, (await store.get("m2"))?.id], [0, "m2"]);
  await stop();
});

Deno.test("QueueControl beside a runner: what is held is not attempted until it is released", async () => {
  const due = recipient("bob@b.test", { next: NOW + 1000 });
  const { change, clock, store, jobs, answers, stop } = await start(entry("m1", [due]));
  assertEquals(await change({ ids: ["m1"] }, { action: "hold", reason: "why not" }), [
    "m1 changed",
  ]);
  await clock.advance(3_600_000);
  assertEquals(jobs.length, 0);
  assertEquals(await change({ ids: ["m1"] }, { action: "retry" }), ["m1 refused"]);
  assertEquals(await change({ matcher: ALL }, { action: "release" }), ["m1 changed"]);
  await clock.advance(2000);
  assertEquals(jobs.length, 1);
  answers[0]!("relayed");
  await clock.advance(2000);
  assertEquals(await store.get("m1"), null);
  await stop();
});

Deno.test("QueueControl beside a runner: retry brings an attempt at once, by id and by filter", async () => {
  const { change, clock, jobs, answers, facts, stop } = await start(entry("m1"), entry("m2"));
  assertEquals(await change({ ids: ["m1"] }, { action: "retry" }), ["m1 changed"]);
  await clock.advance(100);
  assertEquals(jobs.map(({ entry }) => entry.id), ["m1"]);
  assertEquals(await change({ ids: ["m1"] }, { action: "retry" }), ["m1 unchanged"]);
  assertEquals(await change({ matcher: ALL }, { action: "retry" }), ["m2 changed"]);
  await clock.advance(100);
  assertEquals(jobs.map(({ entry }) => entry.id), ["m1", "m2"]);
  for (const answer of answers) answer("relayed");
  await clock.advance(100);
  const retried = facts.filter((fact) => fact.type === "queue.changed");
  assertEquals(retried.map((fact) => "message" in fact && fact.message), ["m1", "m2"]);
  await stop();
});

Deno.test("QueueControl beside a runner: a message on its way cannot be removed until the attempt is over", async () => {
  const due = recipient("bob@b.test", { next: NOW });
  const { change, clock, store, jobs, answers, stop } = await start(entry("m1", [due]));
  await clock.advance(100);
  assertEquals(jobs.length, 1);
  assertEquals(await change({ ids: ["m1"] }, { action: "remove", bounce: false }), ["m1 busy"]);
  const removing = change({ ids: ["m1"] }, { action: "remove", bounce: false });
  answers[0]!("deferred");
  assertEquals(await removing, ["m1 changed"]);
  assertEquals(await store.get("m1"), null);
  await stop();
});
