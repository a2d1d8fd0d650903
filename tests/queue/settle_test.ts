import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { QueuedRecipient, QueueEntry } from "../../src/queue/entry.ts";
import type { Outcome } from "../../src/queue/outcome.ts";
import { DEFAULT_SCHEDULE, retrySchedules } from "../../src/queue/retry.ts";
import {
  conclude,
  differOnlyInTime,
  expiryOf,
  postpone,
  settle,
  type SettleContext,
} from "../../src/queue/settle.ts";
import { reply } from "../../src/smtp/reply.ts";
import { queuedRecipient, queueEntry } from "../support/queue_entry.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const HOST = "mx.example.org [192.0.2.7]:25";
const OK = reply(250, "2.0.0", "queued");
const GREY = reply(451, "4.7.1", "greylisted");
const GONE = reply(550, "5.1.1", "who?");

function at(now: number): SettleContext {
  return { now, random: () => 0.5, scheduleFor: retrySchedules() };
}

function one(fields: Partial<QueuedRecipient> = {}, entry: Partial<QueueEntry> = {}): QueueEntry {
  return queueEntry([queuedRecipient("bob@example.org", fields)], entry);
}

function outcome(status: Outcome["status"], fields: Partial<Outcome> = {}): Outcome {
  const answer = status === "failed" ? GONE : status === "deferred" ? GREY : OK;
  return { recipient: 0, status, reply: answer, ...fields };
}

Deno.test("settle() notes who has taken a message, and by what words", () => {
  const [bob] = settle(one(), [outcome("relayed", { host: HOST, tls: "TLSv1.3" })], at(1000))
    .recipients;
  assertEquals(bob!.status, "relayed");
  assertEquals(bob!.attempts, 1);
  assertEquals(bob!.history, [{ time: 1000, host: HOST, reply: OK, tls: "TLSv1.3" }]);
  assertEquals(bob!.dsnHandedOn, undefined);
  assertEquals(settle(one(), [outcome("delivered")], at(1)).recipients[0]!.status, "delivered");
});

Deno.test("settle() keeps in mind that the next station reports itself", () => {
  const entry = settle(one(), [outcome("relayed", { dsnHandedOn: true })], at(1));
  assertEquals(entry.recipients[0]!.dsnHandedOn, true);
});

Deno.test("settle() puts a deferred recipient off, longer each time", () => {
  let entry = one();
  const waits: number[] = [];
  let now = 0;
  for (let i = 0; i < 4; i++) {
    entry = settle(entry, [outcome("deferred")], at(now));
    waits.push((entry.recipients[0]!.next - now) / MINUTE);
    now = entry.recipients[0]!.next;
  }
  assertEquals(waits, [6, 12, 24, 48]);
  assertEquals([entry.recipients[0]!.status, entry.recipients[0]!.attempts], ["waiting", 4]);
});

Deno.test("settle() makes the last attempt fall on the end of the lifetime", () => {
  const now = 5 * DAY - 1;
  const waiting = settle(one({ attempts: 30 }), [outcome("deferred")], at(now));
  assertEquals(waiting.recipients[0]!.next, 5 * DAY);
  const over = settle(waiting, [outcome("deferred")], at(5 * DAY));
  assertEquals(over.recipients[0]!.status, "failed");
});

Deno.test("settle() lets a recipient expire with 4.4.7 and the last answer's words", () => {
  const [bob] = settle(one(), [outcome("deferred", { host: HOST })], at(5 * DAY)).recipients;
  assertEquals(bob!.status, "failed");
  const [real, ours] = bob!.history;
  assertEquals(real, { time: 5 * DAY, host: HOST, reply: GREY });
  assertEquals(ours!.host, undefined);
  assertEquals(ours!.reply.enhanced, "4.4.7"); // RFC 3463 §3.5
  assertEquals(
    ours!.reply.lines.join(),
    "could not be delivered within 5 days; the last answer was: 451 4.7.1 greylisted",
  );
});

Deno.test("settle() lets mail with the null sender expire by its own lifetime", () => {
  const late = 2 * DAY;
  const notice = settle(one({}, { sender: null }), [outcome("deferred")], at(late));
  assertEquals(notice.recipients[0]!.status, "failed");
  assertEquals(settle(one(), [outcome("deferred")], at(late)).recipients[0]!.status, "waiting");
});

Deno.test("settle() lets what is held wait until its time is over, without an attempt", () => {
  const held = settle(one({ attempts: 2 }), [outcome("held", { reply: GREY })], at(HOUR));
  const [bob] = held.recipients;
  assertEquals([bob!.status, bob!.next, bob!.attempts], ["waiting", 5 * DAY, 2]);
  const over = settle(held, [outcome("held", { reply: GREY })], at(5 * DAY));
  assertEquals(over.recipients[0]!.status, "failed");
  assertEquals(over.recipients[0]!.history.at(-1)!.reply.enhanced, "4.4.7");
});

Deno.test("settle() remembers the last ten attempts, oldest first", () => {
  let entry = one();
  for (let time = 1; time <= 13; time++) entry = settle(entry, [outcome("deferred")], at(time));
  const { history, attempts } = entry.recipients[0]!;
  assertEquals(history.map(({ time }) => time), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  assertEquals(attempts, 13);
});

Deno.test("settle() keeps ten real attempts' worth of room when the last word is ours", () => {
  let entry = one();
  for (let time = 1; time <= 10; time++) entry = settle(entry, [outcome("deferred")], at(time));
  const { history } = settle(entry, [outcome("deferred")], at(5 * DAY)).recipients[0]!;
  assertEquals(history.length, 10);
  assertEquals(history.at(-2)!.reply, GREY);
  assertEquals(history.at(-1)!.reply.enhanced, "4.4.7");
});

Deno.test("settle() keeps no more of an endless answer than a screenful", () => {
  const endless = reply(451, "4.0.0", Array(200).fill("x".repeat(500)).join("\n"));
  const [bob] = settle(one(), [outcome("deferred", { reply: endless })], at(1)).recipients;
  const kept = bob!.history[0]!.reply;
  assert(kept.lines.join("").length <= 1001, `${kept.lines.join("").length}`);
  assertEquals([kept.code, kept.lines[0]], [451, "x".repeat(500)]);
});

Deno.test("settle() passes over outcomes of those that do not wait, or do not exist", () => {
  const entry = queueEntry([
    queuedRecipient("bob@example.org", { status: "delivered" }),
    "carol@example.org",
  ]);
  const outcomes = [outcome("failed"), outcome("failed", { recipient: 7 })];
  assertEquals(settle(entry, outcomes, at(1)).recipients, entry.recipients);
});

Deno.test("settle() changes nothing in the entry it is given", () => {
  const entry = one();
  const before = structuredClone(entry);
  settle(entry, [outcome("failed")], at(1));
  postpone(entry, [0], { until: 99, reply: GREY }, at(1));
  conclude(settle(entry, [outcome("failed")], at(1)), at(1));
  assertEquals(entry, before);
});

Deno.test("postpone() waits for a place without attempt, reason or end", () => {
  const entry = postpone(one({ attempts: 1 }), [0], { until: 77 }, at(6 * DAY));
  const [bob] = entry.recipients;
  assertEquals([bob!.status, bob!.next, bob!.attempts, bob!.history], ["waiting", 77, 1, []]);
  const was = one();
  assert(differOnlyInTime(was, postpone(was, [0], { until: 77 }, at(1))));
});

Deno.test("postpone() notes once why a destination that is down was not tried", () => {
  const down = { until: 10 * MINUTE, reply: GREY, host: HOST };
  const once = postpone(one(), [0], down, at(MINUTE));
  assertEquals(once.recipients[0]!.history, [{ time: MINUTE, host: HOST, reply: GREY }]);
  assertEquals(once.recipients[0]!.attempts, 0);
  assertEquals(once.recipients[0]!.next, 10 * MINUTE);
  const twice = postpone(once, [0], down, at(2 * MINUTE));
  assert(differOnlyInTime(once, twice));
});

Deno.test("postpone() waits half as long again as the message is old while its destination is down", () => {
  const down = { until: 4 * HOUR + 1, reply: GREY };
  assertEquals(postpone(one(), [0], down, at(4 * HOUR)).recipients[0]!.next, 6 * HOUR);
  const old = postpone(one(), [0], { ...down, until: 0 }, at(3 * DAY));
  assertEquals(old.recipients[0]!.next, 3 * DAY + DEFAULT_SCHEDULE.longest);
});

Deno.test("postpone() ends what is past its time while its destination is down", () => {
  const before = one({ attempts: 3, history: [{ time: 1, reply: OK }] });
  const { recipients: [bob] } = postpone(before, [0], { until: 6 * DAY, reply: GREY }, at(5 * DAY));
  assertEquals([bob!.status, bob!.attempts], ["failed", 3]);
  assertEquals(bob!.history.at(-1)!.reply.lines.join().endsWith("451 4.7.1 greylisted"), true);
});

Deno.test("conclude() keeps nothing of what is done", () => {
  const entry = settle(one(), [outcome("delivered")], at(1));
  assertEquals(conclude(entry, at(1)), { next: null, notices: [] });
});

Deno.test("conclude() tells of a hundred failures at fifty destinations in one notice", () => {
  const entry = queueEntry(Array.from({ length: 100 }, (_, i) => `u${i}@d${i % 50}.example`));
  const all = entry.recipients.map((_, recipient) => outcome("failed", { recipient }));
  const { next, notices } = conclude(settle(entry, all, at(1)), at(1));
  assertEquals(next, null);
  assertEquals(notices, [{ kind: "failed", recipients: all.map(({ recipient }) => recipient) }]);
});

Deno.test("conclude() notes what was told, so that the next round does not tell it again", () => {
  const entry = queueEntry(["bob@example.org", "carol@example.net"]);
  const outcomes = [outcome("failed"), outcome("deferred", { recipient: 1 })];
  const settled = settle(entry, outcomes, at(1));
  const first = conclude(settled, at(1));
  assertEquals(first.notices, [{ kind: "failed", recipients: [0] }]);
  assertEquals(first.next!.recipients.map(({ noticed }) => noticed), [["failed"], undefined]);
  // A crash before that was recorded: the same again.
  assertEquals(conclude(settled, at(1)), first);
  const second = settle(first.next!, [outcome("failed", { recipient: 1 })], at(2));
  assertEquals(conclude(second, at(2)), {
    next: null,
    notices: [{ kind: "failed", recipients: [1] }],
  });
});

Deno.test("conclude() brings recipients together that come due at about the same time", () => {
  const [now, nexts] = [HOUR, [2 * HOUR, 2 * HOUR + 10 * MINUTE, 2 * HOUR + 16 * MINUTE]];
  const recipients = [...nexts, 0].map((next, i) =>
    queuedRecipient(`u${i}@example.org`, { next, attempts: 1 })
  );
  const { next } = conclude(queueEntry(recipients), at(now));
  // A quarter of an hour's wait is 15 minutes; what is due already is left alone.
  assertEquals(next!.recipients.map((r) => (r.next - 2 * HOUR) / MINUTE), [10, 10, 16, -120]);
});

Deno.test("expiryOf() is counted from when the message was accepted", () => {
  const entry = one({}, { received: DAY });
  assertEquals(expiryOf(entry, entry.recipients[0]!, retrySchedules()), 6 * DAY);
});

const STATUSES = ["delivered", "relayed", "deferred", "failed", "held"] as const;

Deno.test("whatever happens, a recipient is told of once, never tried again when it is over, and ends", () => {
  fc.assert(fc.property(
    fc.array(
      fc.record({
        recipient: fc.nat(2),
        status: fc.constantFrom(...STATUSES),
        pause: fc.integer({ min: 1, max: DAY }),
        put: fc.boolean(),
      }),
      { maxLength: 40 },
    ),
    fc.boolean(),
    (steps, nullSender) => {
      const sender = nullSender ? null : { local: "a", domain: "example.com" };
      let entry: QueueEntry | null = queueEntry(["a@a.example", "b@b.example", "c@c.example"], {
        sender,
      });
      let now = 0;
      const told = new Map<string, number>();
      const round = (change: (entry: QueueEntry) => QueueEntry) => {
        const changed = change(entry!);
        changed.recipients.forEach((after, i) => {
          const before = entry!.recipients[i]!;
          if (before.status !== "waiting") assertEquals(after.status, before.status);
          assert(after.history.length <= 10);
          assert(after.status !== "waiting" || after.next <= 5 * DAY || now >= 5 * DAY);
        });
        const { next, notices } = conclude(changed, at(now));
        for (const { kind, recipients } of notices) {
          for (const index of recipients) {
            const key = `${kind} ${index}`;
            told.set(key, (told.get(key) ?? 0) + 1);
          }
        }
        assertEquals(next === null, changed.recipients.every(({ status }) => status !== "waiting"));
        entry = next;
        if (next === null) {
          changed.recipients.forEach(({ status }, i) => {
            assertEquals(told.get(`failed ${i}`) ?? 0, status === "failed" ? 1 : 0);
          });
        }
      };
      for (const { recipient, status, pause, put } of steps) {
        if (entry === null) break;
        now += pause;
        round((entry) =>
          put
            ? postpone(entry, [recipient], { until: now + 1, reply: GREY }, at(now))
            : settle(entry, [outcome(status, { recipient })], at(now))
        );
      }
      now += 5 * DAY;
      if (entry !== null) {
        round((entry) =>
          settle(entry, [0, 1, 2].map((recipient) => outcome("deferred", { recipient })), at(now))
        );
      }
      assertEquals(entry, null);
      for (const count of told.values()) assertEquals(count, 1);
    },
  ));
});
