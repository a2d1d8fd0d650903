/**
 * One mail can be followed through the log by its ids, as docs/events.md says: from the connection that
 * brought it over attempts, a restart and an alias to the notice about it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { MtaEvent } from "../../src/events.ts";
import { HOUR, MINUTE, SECOND, World } from "./world.ts";

/** The events that a message's id leads to: its own, its session's, and those of notices about it. */
function follow(events: readonly MtaEvent[], id: string): MtaEvent[] {
  const messages = new Set([id]);
  for (const event of events) {
    if (event.type === "message.queued" && messages.has(event.about ?? "")) {
      messages.add(event.message);
    }
  }
  const session = id.slice(0, id.lastIndexOf("."));
  return events.filter((event) =>
    ("message" in event && messages.has(event.message ?? "")) ||
    ("session" in event && event.session === session)
  );
}

/** Without those that belong to no mail. */
function ofMails(events: readonly MtaEvent[]): MtaEvent[] {
  return events.filter(({ type }) => !/^(?:listener|queue\.opened)/.test(type));
}

Deno.test("the id that a client was told leads to all that becomes of its mail", async () => {
  await using world = new World();
  const b = await world.station("b.example", {
    directory: {
      accounts: { "alice@b.example": {} },
      aliases: { "gone@b.example": "x@c.example" },
    },
  });
  let refusal = "451 4.2.1 later";
  await world.peer("c.example", { on: (line) => line.startsWith("RCPT") ? refusal : undefined });
  const client = await world.client(b);
  await client.say("EHLO client.example", 250);
  const said = await client.mail({ sender: "alice@b.example", to: ["gone@b.example"] });
  const id = /taken as (\S+)$/.exec(said)![1]!;
  await client.say("QUIT", 221);
  await world.pass(MINUTE);
  await b.stop();
  await b.start();
  refusal = "550 5.1.1 nobody";
  await world.pass(HOUR);

  const mine = follow(b.events, id);
  assertEquals(mine, ofMails(b.events));
  const types = mine.map(({ type }) => type);
  assertEquals(types.filter((type) => !type.startsWith("session")), [
    "message.accepted",
    "delivery.deferred",
    "delivery.failed",
    "message.queued",
    "message.done",
    "delivery.done",
    "message.done",
  ]);
  assert(types.includes("session.opened") && types.includes("session.closed"));
});

Deno.test("mails of two clients at a time are told apart by their ids", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  await world.station("b.example");
  const first = await a.submit("alice@a.example", "bob@b.example");
  const second = await a.submit("bob@a.example", ["alice@b.example", "bob@b.example"]);
  await world.pass(SECOND);
  const [one, other] = [follow(a.events, first), follow(a.events, second)];
  assertEquals(one.filter((event) => other.includes(event)), []);
  assertEquals(new Set([...one, ...other]), new Set(ofMails(a.events)));
  const reached = (events: readonly MtaEvent[]) =>
    events.flatMap((event) => event.type === "delivery.done" ? [event.recipient] : []).sort();
  assertEquals(reached(one), ["bob@b.example"]);
  assertEquals(reached(other), ["alice@b.example", "bob@b.example"]);
});
