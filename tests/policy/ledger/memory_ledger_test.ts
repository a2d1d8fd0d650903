import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LedgerShare, octetsOf } from "../../../src/policy/ledger/ledger_share.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";

const DAY = 86_400_000;

Deno.test("property: a share always knows what it will forget next, and what it takes", () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 8 }).map(String),
    value: fc.string({ maxLength: 3 }),
    until: fc.option(fc.integer({ min: 0, max: 20 })),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const share = new LedgerShare();
    const model = new Map<string, { value: string; until: number }>();
    for (const [order, { key, value, until }] of steps.entries()) {
      const found = share.entries.get(key);
      if (until !== null) {
        share.set(key, value, until, order);
        model.set(key, { value, until });
      } else if (found !== undefined) {
        share.delete(found);
        model.delete(key);
      }
      const notes = [...model];
      assertEquals(share.first()?.until ?? Infinity, Math.min(...notes.map(([, n]) => n.until)));
      assertEquals(share.entries.size, model.size);
      assertEquals(share.octets, notes.reduce((sum, [k, n]) => sum + octetsOf(k, n.value), 0));
    }
  }));
});

Deno.test("MemoryLedger forgets first what it would have forgotten next", () => {
  const ledger = new MemoryLedger({ now: () => 0 }, { entries: 3 });
  ledger.note("p:long", "", 9000);
  ledger.note("p:short", "", 1000);
  ledger.note("p:middle", "", 5000);
  ledger.note("p:new", "", 500);
  assertEquals(ledger.notes("").map(({ key }) => key), ["p:long", "p:middle", "p:new"]);
  assertEquals(ledger.size, 3);
});

Deno.test("MemoryLedger does not keep what is over", () => {
  let now = 0;
  const ledger = new MemoryLedger({ now: () => now });
  for (let i = 0; i < 1000; i++, now += 10) ledger.note(`p:${i}`, "", 100);
  assert(ledger.size <= 12, `${ledger.size}`);
});

Deno.test("attack: random keys cannot exhaust memory, nor push out bans and greylisting", () => {
  const ledger = new MemoryLedger({ now: () => 0 }, { entries: 3000, octets: 3_000_000 });
  for (let i = 0; i < 500; i++) {
    ledger.note(`bans:192.0.2.${i}`, "auth", 3_600_000);
    ledger.note(`greylisting:${i}`, "", 36 * DAY);
  }
  const hot = { count: 10, per: DAY };
  for (let i = 0; i < 10; i++) ledger.take("rates:hot", hot);
  // Each of them longer than those of others, and remembered for longer.
  for (let i = 0; i < 100_000; i++) ledger.note(`rates:${i} ${"x".repeat(i % 4000)}`, "", 90 * DAY);
  assert(ledger.size <= 3000 && ledger.octets <= 3_000_000, `${ledger.size}, ${ledger.octets}`);
  assertEquals(ledger.notes("bans:").length, 500);
  assertEquals(ledger.notes("greylisting:").length, 500);
});

Deno.test("attack: addresses that come once do not make room for one that is over its limit", () => {
  const ledger = new MemoryLedger({ now: () => 0 }, { entries: 1000 });
  const rate = { count: 10, per: 60_000 };
  for (let i = 0; i < 10; i++) assertEquals(ledger.take("rates:hot", rate), 0);
  for (let i = 0; i < 100_000; i++) ledger.take(`rates:${i}`, rate);
  assert(ledger.take("rates:hot", rate) > 0);
});

Deno.test("a share of many prefixes is bounded too", () => {
  const ledger = new MemoryLedger({ now: () => 0 }, { entries: 500 });
  for (let i = 0; i < 5000; i++) ledger.note(`${i}:x`, "", 1000);
  assertEquals(ledger.size, 500);
  assertEquals(ledger.recall("4999:x")?.key, "4999:x");
});

Deno.test("MemoryLedger.count() counts what is not over, under one prefix", () => {
  let now = 0;
  const ledger = new MemoryLedger({ now: () => now });
  ledger.note("banned:net 192.0.2.7/32", "", 1000);
  ledger.note("banned:net 192.0.2.8/32", "", 3000);
  ledger.note("banned:prefixes", "", 3000);
  ledger.note("bans:times 192.0.2.7", "1", 3000);
  assertEquals(ledger.count("banned:net "), 2);
  now = 1000;
  assertEquals([ledger.count("banned:net "), ledger.count("bans:"), ledger.count("x:")], [1, 1, 0]);
});
