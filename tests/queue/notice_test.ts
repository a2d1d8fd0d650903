import { assertEquals } from "@std/assert";
import type { NoticeKind, QueuedRecipient, RecipientStatus } from "../../src/queue/entry.ts";
import { isUntold, noteNotices, noticesOwed } from "../../src/queue/notice.ts";
import { retrySchedules } from "../../src/queue/retry.ts";
import type { DsnNotify } from "../../src/smtp/parameters.ts";
import { reply } from "../../src/smtp/reply.ts";
import { queuedRecipient, queueEntry } from "../support/queue_entry.ts";

const HOUR = 3_600_000;
const usual = retrySchedules();
const tried = { history: [{ time: 1, reply: reply(451, "4.7.1", "greylisted") }] };

function owedTo(
  fields: Partial<QueuedRecipient>,
  now = 5 * HOUR,
  sender: "alice" | null = "alice",
): readonly NoticeKind[] {
  const entry = queueEntry([queuedRecipient("bob@example.org", { ...tried, ...fields })], {
    sender: sender && { local: sender, domain: "example.com" },
  });
  return noticesOwed(entry, now, usual).map(({ kind }) => kind);
}

/** NOTIFY (RFC 3461 §4.1; `-`: absent), the status, what is owed five hours after the message came. */
const TABLE: readonly (readonly [string, RecipientStatus, readonly NoticeKind[]])[] = [
  ["-", "failed", ["failed"]],
  ["-", "waiting", ["delayed"]],
  ["-", "delivered", []],
  ["-", "relayed", []],
  ["NEVER", "failed", []],
  ["NEVER", "waiting", []],
  ["NEVER", "delivered", []],
  ["NEVER", "relayed", []],
  ["SUCCESS", "failed", []],
  ["SUCCESS", "waiting", []],
  ["SUCCESS", "delivered", ["delivered"]],
  ["SUCCESS", "relayed", ["relayed"]],
  ["FAILURE", "failed", ["failed"]],
  ["FAILURE", "waiting", []],
  ["FAILURE", "delivered", []],
  ["DELAY", "failed", []],
  ["DELAY", "waiting", ["delayed"]],
  ["SUCCESS,FAILURE,DELAY", "failed", ["failed"]],
  ["SUCCESS,FAILURE,DELAY", "waiting", ["delayed"]],
  ["SUCCESS,FAILURE,DELAY", "relayed", ["relayed"]],
];

for (const [words, status, owed] of TABLE) {
  Deno.test(`noticesOwed() for NOTIFY ${words} when ${status}: ${owed.join() || "nothing"}`, () => {
    const notify = words === "-" ? {} : { notify: words.split(",") as DsnNotify[] };
    assertEquals(owedTo({ status, ...notify }), owed);
  });
}

Deno.test("noticesOwed() tells who may be forged of a delay only where NOTIFY asks for it", () => {
  const recipient = queuedRecipient("bob@example.org", tried);
  const asked = queuedRecipient("carol@example.org", { ...tried, notify: ["DELAY"] });
  const owedFrom = (identity?: string) => {
    const origin = { kind: "session", client: "192.0.2.1", ...(identity && { identity }) } as const;
    const entry = queueEntry([recipient, asked], { origin });
    return noticesOwed(entry, 5 * HOUR, usual).flatMap(({ recipients }) => recipients);
  };
  assertEquals(owedFrom(), [1]);
  assertEquals(owedFrom("alice@example.com"), [0, 1]);
});

Deno.test("noticesOwed() leaves success to the next station when that reports itself", () => {
  assertEquals(owedTo({ status: "relayed", notify: ["SUCCESS"], dsnHandedOn: true }), []);
});

Deno.test("noticesOwed() tells of a delay after four hours, once, and only of what was tried", () => {
  assertEquals(owedTo({}, 4 * HOUR - 1), []);
  assertEquals(owedTo({}, 4 * HOUR), ["delayed"]);
  assertEquals(owedTo({ noticed: ["delayed"] }), []);
  assertEquals(owedTo({ history: [] }), []);
});

Deno.test("noticesOwed() tells nothing twice, but a failure after a delay", () => {
  assertEquals(owedTo({ status: "failed", noticed: ["delayed"] }), ["failed"]);
  assertEquals(owedTo({ status: "failed", noticed: ["delayed", "failed"] }), []);
});

Deno.test("noticesOwed() for the null sender: failures only, whatever NOTIFY says", () => {
  const never = { notify: ["NEVER"] as const };
  assertEquals(owedTo({ status: "failed", ...never }, HOUR, null), ["failed"]);
  assertEquals(owedTo({ status: "failed", noticed: ["failed"] }, HOUR, null), []);
  assertEquals(owedTo({ status: "waiting" }, 9 * HOUR, null), []);
  assertEquals(owedTo({ status: "delivered", notify: ["SUCCESS"] }, HOUR, null), []);
});

Deno.test("noticesOwed() makes one notice of a kind, failures first", () => {
  const status = (status: RecipientStatus, i: number) =>
    queuedRecipient(`u${i}@example.org`, { ...tried, status, notify: ["SUCCESS", "FAILURE"] });
  const entry = queueEntry(
    (["relayed", "failed", "delivered", "failed", "relayed", "waiting"] as const).map(status),
  );
  assertEquals(noticesOwed(entry, HOUR, usual), [
    { kind: "failed", recipients: [1, 3] },
    { kind: "delivered", recipients: [2] },
    { kind: "relayed", recipients: [0, 4] },
  ]);
});

Deno.test("isUntold() is true for what is over and was not told, until it is noted", () => {
  const failed = queuedRecipient("a@example.org", { ...tried, status: "failed" });
  const entry = queueEntry([failed, queuedRecipient("b@example.org", { status: "delivered" })]);
  assertEquals(isUntold(entry), true);
  assertEquals(isUntold(noteNotices(entry, noticesOwed(entry, HOUR, usual))), false);
  assertEquals(isUntold(queueEntry(["c@example.org"])), false);
});
