/**
 * Recipients of the queue that lead to one place: one stays, and no wish of their sender is lost.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { EnvelopeRecipient } from "../../src/queue/entry.ts";
import { toQueued, withoutTwins } from "../../src/routing/expand.ts";
import type { DsnNotify } from "../../src/smtp/parameters.ts";

const AWAY = { local: "no", domain: "elsewhere.example" };
const BOB = { local: "bob", domain: "example.test" };

type Wish = readonly DsnNotify[] | undefined;

/** What is queued for recipients, by their local parts, all of which lead to one address elsewhere. */
function queuedFor(...asked: readonly (readonly [local: string, notify: Wish])[]) {
  return withoutTwins(asked.flatMap(([local, notify]) => {
    const recipient: EnvelopeRecipient = {
      address: { local, domain: "example.test" },
      ...(notify && { notify }),
    };
    return toQueued(recipient, { mailboxes: [], remote: [AWAY], forwarded: true }, 0);
  })).map(({ forwardedBy, notify }) => [forwardedBy?.local, notify]);
}

Deno.test("withoutTwins() keeps one of each place, in the order they came", () => {
  const to = (local: string) => ({ address: { local, domain: "a.example" } });
  const beyond = (local: string) => ({
    ...{ mailboxes: [], forwarded: false },
    remote: [to(local).address],
  });
  const mailbox = { domain: "example.test", user: "bob" };
  const here = { mailboxes: [{ mailbox, address: BOB }], remote: [], forwarded: true };
  const queued = withoutTwins([
    ...toQueued(to("x"), beyond("x"), 0),
    ...toQueued({ address: BOB }, here, 0),
    ...toQueued(to("y"), beyond("y"), 0),
    ...toQueued(to("x"), beyond("x"), 0),
    ...toQueued({ address: { ...BOB, local: "robert" } }, here, 0),
  ]);
  assertEquals(queued.map(({ address }) => address.local), ["x", "bob", "y"]);
});

Deno.test("withoutTwins() keeps the one that is to be told of when the other asks for NEVER", () => {
  for (const wish of [undefined, ["FAILURE"], ["SUCCESS", "DELAY"]] as const) {
    assertEquals(queuedFor(["quiet", ["NEVER"]], ["loud", wish]), [["loud", wish]]);
    assertEquals(queuedFor(["loud", wish], ["quiet", ["NEVER"]]), [["loud", wish]]);
  }
  assertEquals(queuedFor(["one", ["NEVER"]], ["two", ["NEVER"]]), [["one", ["NEVER"]]]);
});

Deno.test("withoutTwins() tells of a failure when any of them is to be told of it", () => {
  assertEquals(queuedFor(["one", ["SUCCESS"]], ["two", undefined]), [
    ["one", ["SUCCESS", "FAILURE"]],
  ]);
  assertEquals(queuedFor(["one", undefined], ["two", ["DELAY"]]), [["one", ["FAILURE", "DELAY"]]]);
  assertEquals(queuedFor(["one", undefined], ["two", undefined]), [["one", undefined]]);
});

Deno.test("withoutTwins() loses no wish and makes none up, however many lead to one place", () => {
  const wish = fc.constantFrom<Wish>(
    undefined,
    ["NEVER"],
    ["SUCCESS"],
    ["FAILURE"],
    ["DELAY"],
    ["SUCCESS", "FAILURE"],
    ["FAILURE", "DELAY"],
  );
  /** RFC 3461 §4.1: who says nothing hears of a failure. */
  const said = (wish: Wish) => (wish ?? ["FAILURE"]).filter((word) => word !== "NEVER");
  fc.assert(fc.property(fc.array(wish, { minLength: 1, maxLength: 5 }), (wishes) => {
    const queued = queuedFor(...wishes.map((one, index) => [`u${index}`, one] as const));
    assertEquals(queued.length, 1);
    const told = said(queued[0]![1] as Wish);
    assertEquals(told.toSorted(), [...new Set(wishes.flatMap(said))].sort());
  }));
});
