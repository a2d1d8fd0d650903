import { assert, assertEquals } from "@std/assert";
import {
  type QueueFilter,
  queueMatcher,
  type QueueState,
} from "../../../src/queue/operator/queue_filter.ts";
import type { QueueEntry } from "../../../src/queue/entry.ts";
import { entry, recipient } from "../../admin/support.ts";

function matches(filter: QueueFilter, value: QueueEntry, state: QueueState = "waiting"): boolean {
  const matcher = queueMatcher(filter);
  assert(!("wrong" in matcher));
  return matcher.matches(value, state);
}

const CASES: readonly (readonly [QueueFilter, QueueEntry, boolean])[] = [
  [{}, entry("1"), true],
  [{ to: "b.test" }, entry("1"), true],
  [{ to: "B.TEST" }, entry("1"), true],
  [{ to: "Bob@B.Test" }, entry("1"), true],
  [{ to: "test" }, entry("1"), false],
  [{ to: "carol@b.test" }, entry("1"), false],
  [{ to: "carol@b.test" }, entry("1", ["bob@b.test", "carol@b.test"]), true],
  [{ to: "bücher.example" }, entry("1", ["a@xn--bcher-kva.example"]), true],
  [{ to: "[192.0.2.1]" }, entry("1", ["a@[192.0.2.1]"]), true],
  [{ from: "a.test" }, entry("1"), true],
  [{ from: "b.test" }, entry("1"), false],
  [{ from: "<>" }, entry("1"), false],
  [{ from: "<>" }, entry("1", ["bob@b.test"], { sender: null }), true],
  [{ from: "a.test" }, entry("1", ["bob@b.test"], { sender: null }), false],
  [{ from: "a.test", to: "c.test" }, entry("1"), false],
  // Who has the mail already is not waited for.
  [
    { to: "c.test" },
    entry("1", ["bob@b.test", recipient("c@c.test", { status: "relayed" })]),
    false,
  ],
  // All are done: only notices are left, which concern all of them.
  [{ to: "c.test" }, entry("1", [recipient("c@c.test", { status: "failed" })]), true],
];

for (const [filter, value, expected] of CASES) {
  const to = value.recipients.map(({ address, status }) => `${address.domain} ${status}`).join();
  Deno.test(`queueMatcher(${JSON.stringify(filter)}) gives ${expected} for ${to}`, () => {
    assertEquals(matches(filter, value), expected);
  });
}

Deno.test("queueMatcher() tells states apart", () => {
  assertEquals(matches({ state: "held" }, entry("1"), "held"), true);
  assertEquals(matches({ state: "held" }, entry("1"), "waiting"), false);
});

Deno.test("queueMatcher() says which part is no address", () => {
  assertEquals(queueMatcher({ to: "a b" }), { wrong: "to" });
  assertEquals(queueMatcher({ from: "@b.test" }), { wrong: "from" });
  assertEquals(queueMatcher({ to: "" }), { wrong: "to" });
  assertEquals(queueMatcher({ to: "<>" }), { wrong: "to" });
});
