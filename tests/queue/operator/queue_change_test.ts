import { assert, assertEquals } from "@std/assert";
import {
  changeEntry,
  type QueueChange,
  REMOVED,
} from "../../../src/queue/operator/queue_change.ts";
import { KEPT } from "../../../src/queue/outcome.ts";
import { nextAttempt, type QueueEntry } from "../../../src/queue/entry.ts";
import { entry, NOW, recipient } from "../../admin/support.ts";

const held = { held: { since: NOW - 1000, reason: "spam?" } };

function next(value: QueueEntry, change: QueueChange): QueueEntry | null {
  const changed = changeEntry(value, change, NOW);
  assert("next" in changed, JSON.stringify(changed));
  return changed.next;
}

function refusal(value: QueueEntry, change: QueueChange): string {
  const changed = changeEntry(value, change, NOW);
  assert("refused" in changed, JSON.stringify(changed));
  return changed.refused;
}

Deno.test("changeEntry() makes a message due when it is to be retried", () => {
  const before = entry("1", ["bob@b.test", recipient("c@c.test", { status: "relayed" })]);
  assertEquals(next(before, { action: "retry" }), {
    ...before,
    recipients: [{ ...before.recipients[0]!, next: NOW }, before.recipients[1]!],
  });
});

Deno.test("changeEntry() retries only the recipients it is about", () => {
  const before = entry("1", ["bob@b.test", "carol@c.test"]);
  const changed = changeEntry(
    before,
    { action: "retry" },
    NOW,
    ({ address }) => address.domain === "c.test",
  );
  assert("next" in changed && changed.next !== null);
  assertEquals(changed.next.recipients.map((one) => one.next), [NOW + 600_000, NOW]);
});

Deno.test("changeEntry() retries what waits for something other than time", () => {
  const before = entry("1", [recipient("bob@b.test", { next: Infinity })]);
  assertEquals(nextAttempt(next(before, { action: "retry" })!), NOW);
});

Deno.test("changeEntry() leaves alone what is due already", () => {
  const due = entry("1", [recipient("bob@b.test", { next: NOW - 1 })]);
  assertEquals(changeEntry(due, { action: "retry" }, NOW), { unchanged: "it is due already" });
});

Deno.test("changeEntry() holds and releases, and nothing else changes", () => {
  const before = entry("1", [recipient("bob@b.test", { next: NOW - 1 })]);
  const stopped = next(before, { action: "hold", reason: "spam?" });
  assertEquals(stopped, { ...before, held: { since: NOW, reason: "spam?" } });
  assertEquals(next(stopped!, { action: "release" }), before);
});

Deno.test("changeEntry() makes due what it releases, but not what is kept for ETRN or done", () => {
  const kept = { time: NOW - 1, reply: KEPT };
  const released = next(
    entry("1", [
      recipient("bob@b.test", { next: NOW + 600_000 }),
      recipient("carol@c.test", { next: NOW + 600_000, history: [kept] }),
      recipient("dan@d.test", { next: NOW + 600_000, status: "relayed" }),
    ], held),
    { action: "release" },
  );
  assertEquals(released?.recipients.map((one) => one.next), [NOW, NOW + 600_000, NOW + 600_000]);
});

Deno.test("changeEntry() says what is so already", () => {
  const hold: QueueChange = { action: "hold", reason: "again" };
  assert("unchanged" in changeEntry(entry("1", [], held), hold, NOW));
  assert("unchanged" in changeEntry(entry("1"), { action: "release" }, NOW));
});

Deno.test("changeEntry() does not retry what is held", () => {
  assertEquals(
    refusal(entry("1", ["bob@b.test"], held), { action: "retry" }),
    "it is held; release it first",
  );
});

Deno.test("changeEntry() removes with and without a bounce", () => {
  const before = entry("1", ["bob@b.test", recipient("c@c.test", { status: "relayed" })], held);
  assertEquals(next(before, { action: "remove", bounce: false }), null);
  const after = next(before, { action: "remove", bounce: true })!;
  const [bob, carol] = after.recipients;
  assertEquals(bob?.status, "failed");
  assertEquals(bob?.history.at(-1), { time: NOW, reply: REMOVED });
  assertEquals(carol, before.recipients[1]);
  // Due at once and held no longer, so that its notice is sent.
  assertEquals([nextAttempt(after), "held" in after], [0, false]);
});

Deno.test("changeEntry() keeps ten attempts of a bounced recipient at most", () => {
  const [attempt] = recipient("bob@b.test").history;
  const history = Array.from({ length: 10 }, () => attempt!);
  const before = entry("1", [recipient("bob@b.test", { history })]);
  const after = next(before, { action: "remove", bounce: true })!;
  assertEquals(after.recipients[0]!.history.length, 10);
});

Deno.test("changeEntry() bounces neither a notice nor what is done", () => {
  const bounce: QueueChange = { action: "remove", bounce: true };
  assert(refusal(entry("1", ["bob@b.test"], { sender: null }), bounce).includes("null sender"));
  const done = entry("1", [recipient("bob@b.test", { status: "delivered" })]);
  assert(refusal(done, bounce).includes("none of its recipients waits"));
});
