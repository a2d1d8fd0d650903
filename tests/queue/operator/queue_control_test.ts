import { assert, assertEquals } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import { REMOVED } from "../../../src/queue/operator/queue_change.ts";
import type { ChangeResult } from "../../../src/queue/operator/apply_change.ts";
import { QueueControl } from "../../../src/queue/operator/queue_control.ts";
import { type QueueFilter, queueMatcher } from "../../../src/queue/operator/queue_filter.ts";
import type { MtaFact } from "../../../src/events.ts";
import type { QueueEntry } from "../../../src/queue/entry.ts";
import { LeaseLostError } from "../../../src/queue/store.ts";
import { reply } from "../../../src/smtp/reply.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { SystemError } from "../../../src/runtime/system_error.ts";
import { entry, IdleWorker, MESSAGE, NOW, PlainStore, recipient } from "../../admin/support.ts";

const NEVER = new AbortController().signal;
const HELD = { held: { since: NOW - 5000, reason: "looks like spam" } };

function newControl(...entries: readonly QueueEntry[]) {
  const store = new PlainStore(...entries);
  const worker = new IdleWorker();
  const facts: MtaFact[] = [];
  const { clock } = memoryRuntime({ now: NOW });
  const emit = (fact: MtaFact) => void facts.push(fact);
  const control = new QueueControl({ store, worker, clock, emit, patience: 3000 });
  return { control, store, worker, facts, clock };
}

function matching(filter: QueueFilter) {
  const matcher = queueMatcher(filter);
  assert(!("wrong" in matcher));
  return matcher;
}

function results(changes: readonly ChangeResult[]): string[] {
  return changes.map(({ id, result }) => `${id} ${result}`);
}

Deno.test("QueueControl.list() gives what matches, in short", async () => {
  const { control, worker } = newControl(
    entry("1", ["bob@b.test", recipient("carol@c.test", { status: "relayed", attempts: 3 })]),
    entry("2", ["dave@d.test"], HELD),
    entry("3"),
  );
  worker.active.add("3");
  const all = await Array.fromAsync(control.list(matching({}), NEVER));
  assertEquals(all.map(({ id, state }) => `${id} ${state}`), ["1 waiting", "2 held", "3 active"]);
  assertEquals(all[0], {
    id: "1",
    state: "waiting",
    received: "2025-12-31T23:58:00.000Z",
    size: MESSAGE.length + 1 - "\r\n".length, // one character of two octets; no empty line
    sender: "alice@a.test",
    recipients: ["bob@b.test"],
    recipientCount: 2,
    next: "2026-01-01T00:10:00.000Z",
    kept: false,
    attempts: 1,
    reason: "mx.b.test [192.0.2.1]:25: 451 4.7.1 Greylisted",
  });
  assertEquals([all[1]!.next, all[1]!.reason], [null, "looks like spam"]);
  const held = await Array.fromAsync(control.list(matching({ state: "held" }), NEVER));
  assertEquals(held.map(({ id }) => id), ["2"]);
});

Deno.test("QueueControl.list() reads no further than it is read", async () => {
  const many = Array.from({ length: 1000 }, (_, i) => entry(`${i}`));
  const { control, store } = newControl(...many);
  for await (const _ of control.list(matching({}), NEVER)) break;
  assertEquals(store.listed, 1);
});

Deno.test("QueueControl.list() stops when told, though nothing matches", async () => {
  const { control, store } = newControl(...Array.from({ length: 100 }, (_, i) => entry(`${i}`)));
  const stop = AbortSignal.abort(new Error("gone"));
  const listing = Array.fromAsync(control.list(matching({ to: "none.test" }), stop));
  assertEquals(await listing.catch((error) => error.message), "gone");
  assertEquals(store.listed, 1);
});

/** What a queue on a disk has of mail that is kept for ETRN. */
const KEPT_WORDS = "kept until its domain asks for it (ETRN)";

Deno.test("QueueControl.show() gives everything there is to know", async () => {
  const { control } = newControl(entry("1", [
    recipient("bob@b.test", { noticed: ["delayed"], notify: ["FAILURE", "DELAY"] }),
    recipient("c@a.test", {
      status: "delivered",
      mailbox: { domain: "a.test", user: "c" },
      history: [],
    }),
    recipient("d@d.test", {
      next: NOW + 432_000_000,
      attempts: 0,
      history: [{ time: NOW, reply: reply(450, "4.4.0", KEPT_WORDS) }],
    }),
  ], { dsnEnvelopeId: "QQ314159", smtputf8: true }));
  const details = await control.show("1");
  assertEquals(details?.recipients, [
    {
      address: "bob@b.test",
      status: "waiting",
      next: "2026-01-01T00:10:00.000Z",
      kept: false,
      attempts: 1,
      mailbox: null,
      forwardedBy: null,
      notify: ["FAILURE", "DELAY"],
      noticed: ["delayed"],
      history: [{
        time: "2025-12-31T23:59:00.000Z",
        reply: "451 4.7.1 Greylisted",
        host: "mx.b.test [192.0.2.1]:25",
        tls: null,
      }],
    },
    {
      address: "c@a.test",
      status: "delivered",
      next: null,
      kept: false,
      attempts: 1,
      mailbox: "a.test/c",
      forwardedBy: null,
      notify: null,
      noticed: [],
      history: [],
    },
    {
      address: "d@d.test",
      status: "waiting",
      next: "2026-01-06T00:00:00.000Z",
      kept: true,
      attempts: 0,
      mailbox: null,
      forwardedBy: null,
      notify: null,
      noticed: [],
      history: [{
        time: "2026-01-01T00:00:00.000Z",
        reply: `450 4.4.0 ${KEPT_WORDS}`,
        host: null,
        tls: null,
      }],
    },
  ]);
  assertEquals([details?.dsnEnvelopeId, details?.smtputf8, details?.held], [
    "QQ314159",
    true,
    null,
  ]);
  assertEquals(await control.show("2"), null);
});

Deno.test("QueueControl.change() holds, releases and removes by id", async () => {
  const { control, store, facts } = newControl(entry("1"), entry("2"));
  const change = async (ids: string[], change: Parameters<QueueControl["change"]>[1]) =>
    results(await Array.fromAsync(control.change({ ids }, change, NEVER)));

  assertEquals(await change(["1", "1", "3"], { action: "hold", reason: "why not" }), [
    "1 changed",
    "3 missing",
  ]);
  assertEquals(store.entries.get("1")?.held, { since: NOW, reason: "why not" });
  assertEquals(await change(["1", "2"], { action: "release" }), ["1 changed", "2 unchanged"]);
  assertEquals(store.entries.get("1")?.held, undefined);
  assertEquals(await change(["1"], { action: "remove", bounce: false }), ["1 changed"]);
  assertEquals(await change(["2"], { action: "remove", bounce: true }), ["2 changed"]);
  assertEquals([...store.entries.keys()], ["2"]);
  assertEquals(store.entries.get("2")?.recipients[0]?.history.at(-1)?.reply, REMOVED);
  assertEquals(facts, [
    { type: "queue.changed", message: "1", action: "held" },
    { type: "queue.changed", message: "1", action: "released" },
    { type: "queue.changed", message: "1", action: "removed" },
    { type: "queue.changed", message: "2", action: "bounced" },
  ]);
  assertEquals(store.claims.size, 0);
});

for (
  const [answer, result] of [
    ["started", "changed"],
    ["busy", "unchanged"],
    ["held", "refused"],
    ["gone", "missing"],
  ] as const
) {
  Deno.test(`QueueControl.change() has a named entry tried at once: ${answer} is ${result}`, async () => {
    const { control, worker } = newControl(entry("1"));
    worker.answer = answer;
    const retry = control.change({ ids: ["1"] }, { action: "retry" }, NEVER);
    assertEquals(results(await Array.fromAsync(retry)), [`1 ${result}`]);
    assertEquals(worker.orders, ["attempt 1"]);
  });
}

Deno.test("QueueControl.change() makes due what a filter finds, and makes way before", async () => {
  const { control, store, worker, facts } = newControl(
    entry("1", ["bob@b.test", "carol@c.test"]),
    entry("2", ["carol@c.test"]),
    entry("3", ["dave@B.test"]),
    entry("4", ["bob@b.test"], HELD),
  );
  const changing = control.change(
    { matcher: matching({ to: "b.test" }) },
    { action: "retry" },
    NEVER,
  );
  const first = await changing.next();
  assertEquals([first.value, worker.orders], [{ id: "1", result: "changed" }, ["make way b.test"]]);
  const rest = await Array.fromAsync(changing);
  assertEquals(results(rest), ["3 changed", "4 refused"]);
  const next = (id: string) => store.entries.get(id)?.recipients.map((one) => one.next - NOW);
  assertEquals([next("1"), next("2"), next("3")], [[0, 600_000], [600_000], [0]]);
  assertEquals(worker.orders, ["make way b.test"]);
  assertEquals(facts.map((fact) => "message" in fact && fact.message), ["1", "3"]);
});

Deno.test("QueueControl.change() waits for an entry that is being delivered, after the others", async () => {
  const { control, store, worker, clock } = newControl(entry("1"), entry("2"));
  store.claims.add("1");
  const changing = control.change({ ids: ["1", "2"] }, { action: "hold", reason: "" }, NEVER);
  assertEquals((await changing.next()).value, { id: "2", result: "changed" });
  const second = changing.next();
  await clock.advance(1000);
  store.claims.delete("1");
  await clock.advance(100);
  assertEquals((await second).value, { id: "1", result: "changed" });
  assertEquals(worker.orders[0], "give back 1");
  assertEquals((await changing.next()).done, true);
});

Deno.test("QueueControl.change() gives up on an entry that stays busy", async () => {
  const { control, store, clock } = newControl(entry("1"), entry("2"));
  store.claims.add("1").add("2");
  const changes = Array.fromAsync(
    control.change({ ids: ["1", "2"] }, { action: "remove", bounce: false }, NEVER),
  );
  assertEquals(results(await clock.runUntil(changes)), ["1 busy", "2 busy"]);
  // Together they were waited for as long as one.
  assert(clock.now() - NOW < 4000, `${clock.now() - NOW} ms`);
  assertEquals(store.entries.size, 2);
});

Deno.test("QueueControl.change() tells of an entry that left while it was waited for", async () => {
  const { control, store, clock } = newControl(entry("1"));
  store.claims.add("1");
  const changes = Array.fromAsync(
    control.change({ ids: ["1"] }, { action: "hold", reason: "" }, NEVER),
  );
  await clock.advance(200);
  store.entries.delete("1");
  assertEquals(results(await clock.runUntil(changes)), ["1 missing"]);
});

Deno.test("QueueControl.change() goes on when the store fails for one entry", async () => {
  const { control, store, facts } = newControl(entry("1"), entry("2"));
  store.fault = new SystemError("ENOSPC", "the disk is full");
  const hold = { action: "hold", reason: "x" } as const;
  const changes = await Array.fromAsync(control.change({ ids: ["1", "2"] }, hold, NEVER));
  assertEquals(results(changes), ["1 failed", "2 changed"]);
  assert(changes[0]?.reason?.includes("the disk is full"));
  assertEquals([store.claims.size, facts.length], [0, 1]);
});

Deno.test("QueueControl.change() takes a lost lease for a busy entry", async () => {
  const { control, store, clock } = newControl(entry("1"));
  store.fault = new LeaseLostError("1");
  const changes = Array.fromAsync(
    control.change({ ids: ["1"] }, { action: "release" }, NEVER),
  );
  // It is not held, so nothing is settled, and the fault waits for the next one.
  assertEquals(results(await changes), ["1 unchanged"]);
  const hold = { action: "hold", reason: "x" } as const;
  const held = Array.fromAsync(control.change({ ids: ["1"] }, hold, NEVER));
  assertEquals(results(await clock.runUntil(held)), ["1 busy"]);
});

Deno.test("QueueControl.change() tells of entries that a filter found only what is news", async () => {
  const { control } = newControl(entry("1"), entry("2", ["bob@b.test"], HELD), entry("3"));
  const changes = control.change({ matcher: matching({}) }, { action: "release" }, NEVER);
  assertEquals(results(await Array.fromAsync(changes)), ["2 changed"]);
});

Deno.test("QueueControl.change() changes an entry once that the list comes upon again", async () => {
  const { control, store } = newControl(entry("1"), entry("2"));
  const list = store.list.bind(store);
  store.list = async function* () {
    yield* list();
    yield* list();
  };
  const bounce = { action: "remove", bounce: true } as const;
  const changes = control.change({ matcher: matching({}) }, bounce, NEVER);
  assertEquals(results(await Array.fromAsync(changes)), ["1 changed", "2 changed"]);
});

Deno.test("QueueControl.change() can be left in the middle", async () => {
  const { control, store } = newControl(entry("1"), entry("2"), entry("3"));
  const hold = { action: "hold", reason: "x" } as const;
  const all = { matcher: matching({}) };
  for await (const { id } of control.change(all, hold, NEVER)) if (id === "2") break;
  const held = [...store.entries.values()].filter((one) => one.held !== undefined);
  assertEquals(held.map(({ id }) => id), ["1", "2"]);
});

Deno.test("QueueControl.open() gives the message", async () => {
  const { control } = newControl(entry("1"));
  const { head, openBody } = await control.open("1");
  const parts = [head, encode("\r\n"), ...await Array.fromAsync(openBody())];
  assertEquals(parts.map((part) => new TextDecoder().decode(part)).join(""), MESSAGE);
});
