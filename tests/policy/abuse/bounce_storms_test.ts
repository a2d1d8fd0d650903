import { assert, assertEquals } from "@std/assert";
import { bounceStorms } from "../../../src/policy/abuse/bounce_storms.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { answerTo, envelope, stranger } from "./sessions.ts";

const HOUR = 3_600_000;
const ALICE = { local: "alice", domain: "example.test" };
const BOB = { local: "bob", domain: "example.test" };

Deno.test("bounceStorms() bounds notices to an address and from a client", () => {
  const ledger = new MemoryLedger({ now: () => 0 });
  const one = { count: 1, per: HOUR };
  const to = bounceStorms({ recipient: one }, { ledger });
  const ask = (policy: typeof to, client: string, address = ALICE) =>
    answerTo(policy.recipient!(stranger(client), address, envelope(null)));
  assertEquals([ask(to, "192.0.2.1"), ask(to, "192.0.2.2"), ask(to, "192.0.2.1", BOB)], [
    "ok",
    "450 4.7.1 too many notices (mails from <>) to this address: try again in 60 min",
    "ok",
  ]);
  const from = bounceStorms({ client: one }, { ledger: new MemoryLedger({ now: () => 0 }) });
  assertEquals([ask(from, "192.0.2.1"), ask(from, "192.0.2.1", BOB), ask(from, "192.0.2.2")], [
    "ok",
    "450 4.7.1 too many notices (mails from <>) from 192.0.2.1: try again in 60 min",
    "ok",
  ]);
});

Deno.test("bounceStorms() says nothing of mail that has a sender, nor of who is known", () => {
  const policy = bounceStorms({ client: { count: 1, per: HOUR } }, {
    ledger: new MemoryLedger({ now: () => 0 }),
  });
  for (let i = 0; i < 3; i++) {
    assertEquals(answerTo(policy.recipient!(stranger(), ALICE, envelope(BOB))), "ok");
    const known = { ...stranger(), trusted: true };
    assertEquals(answerTo(policy.recipient!(known, ALICE, envelope(null))), "ok");
  }
});

Deno.test("attack: notices from everywhere for a forged sender are a hundred an hour", () => {
  let now = 0;
  const policy = bounceStorms({}, { ledger: new MemoryLedger({ now: () => now }) });
  let taken = 0;
  for (let i = 0; i < 60_000; i++, now += 60) { // an hour
    const client = `203.${i % 113}.${i % 251}.${i % 241}`;
    if (policy.recipient!(stranger(client), ALICE, envelope(null)) === undefined) taken++;
  }
  assert(taken >= 100 && taken <= 200, `${taken}`);
  assertEquals(policy.recipient!(stranger(), BOB, envelope(null)), undefined);
  assertEquals(policy.recipient!(stranger(), ALICE, envelope(BOB)), undefined);
});
