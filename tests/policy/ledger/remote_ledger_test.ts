import { assert, assertEquals } from "@std/assert";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import {
  type LedgerPort,
  type LedgerQuestion,
  RemoteLedger,
  serveLedger,
} from "../../../src/policy/ledger/remote_ledger.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";

const RATE = { count: 10, per: 60_000 };

/** A ledger over a port that clones what goes through it, as threads do. */
function remote(ask: LedgerPort) {
  const { clock } = memoryRuntime();
  const told: string[] = [];
  const sent: (readonly LedgerQuestion[])[] = [];
  const ledger = new RemoteLedger({
    clock,
    ask: (questions) => {
      sent.push(structuredClone(questions));
      return ask(structuredClone(questions)).then((answers) => structuredClone(answers));
    },
    onTrouble: (what) => told.push(what),
  });
  return { ledger, clock, told, sent };
}

Deno.test("attack: the ledgers of two workers give one limit", async () => {
  const { clock } = memoryRuntime();
  const ask = serveLedger(new MemoryLedger(clock));
  const workers = [1, 2].map(() => new RemoteLedger({ clock, ask, onTrouble: () => {} }));
  const waits = await Promise.all(
    Array.from({ length: 40 }, (_, i) => workers[i % 2]!.take("rates:192.0.2.7", RATE)),
  );
  assertEquals(waits.filter((wait) => wait === 0).length, 10);
});

Deno.test("RemoteLedger asks as one what is asked in one turn", async () => {
  const { ledger, sent, clock } = remote(serveLedger(new MemoryLedger({ now: () => 0 })));
  ledger.note("p:a", "x", 1000);
  const answers = await Promise.all([ledger.recall("p:a"), ledger.take("p:b", RATE)]);
  assertEquals(answers, [{ key: "p:a", value: "x", until: 1000 }, 0]);
  assertEquals(sent.map((questions) => questions.map(({ ask }) => ask)), [[
    ...["note", "recall", "take"],
  ]]);
  assertEquals(clock.sleepers, 0);
});

Deno.test("RemoteLedger goes by itself where nobody answers, and holds up mail once", async () => {
  let hangs = true;
  const answer = serveLedger(new MemoryLedger({ now: () => 0 }));
  const { ledger, clock, told, sent } = remote((questions) =>
    hangs ? new Promise(() => {}) : answer(questions)
  );
  const start = clock.now();
  assertEquals(await clock.runUntil(Promise.resolve(ledger.take("p:a", RATE))), 0);
  assertEquals(clock.now() - start, 2000);
  // From here on nobody waits, and nothing is asked.
  assertEquals([ledger.take("p:c", RATE), ledger.recall("p:b"), ledger.forget("p:b")], [
    ...[0, null, false],
  ]);
  assertEquals(await Array.fromAsync(ledger.list("q:")), []);
  assertEquals(sent.length, 1);
  await clock.runUntil(clock.sleep(10_000));
  await clock.runUntil(Promise.resolve(ledger.recall("p:a")));
  assertEquals(told.length, 1);
  hangs = false;
  await clock.runUntil(clock.sleep(10_000));
  assertEquals(await ledger.take("p:a", { count: 1, per: 1000 }), 0);
  assertEquals(told, [
    "the ledger of limits does not answer: until it does each thread counts by itself",
    "the ledger of limits answers again",
  ]);
});

Deno.test("attack: who keeps the ledger too busy to answer meets limits all the same", async () => {
  const { ledger, clock } = remote(() => new Promise(() => {}));
  const first = Array.from({ length: 30 }, () => ledger.take("rates:192.0.2.7", RATE));
  await clock.runUntil(Promise.all(first));
  const more = Array.from({ length: 30 }, () => ledger.take("rates:192.0.2.7", RATE));
  const waits = [...await Promise.all(first), ...await Promise.all(more)];
  assertEquals(waits.filter((wait) => wait === 0).length, RATE.count);
  ledger.note("bans:192.0.2.7", "x", 60_000);
  assertEquals((await ledger.recall("bans:192.0.2.7"))?.value, "x");
});

Deno.test("RemoteLedger goes on where asking fails or the answer is none", async () => {
  for (
    const ask of [
      () => Promise.reject(new Error("gone")),
      () => Promise.resolve([]),
      () => Promise.resolve([1, 2, 3]),
    ]
  ) {
    const { ledger, told } = remote(ask);
    assertEquals(await ledger.take("p:a", RATE), 0);
    assertEquals(told.length, 1);
  }
});

Deno.test("RemoteLedger does not let questions pile up", async () => {
  const { ledger, clock, sent } = remote(() => new Promise(() => {}));
  const answers = Array.from({ length: 30_000 }, () => ledger.take("p:a", RATE));
  // Those that are too many are counted here.
  assertEquals(answers.slice(20_000).filter((answer) => answer === 0).length, RATE.count);
  assert(answers.slice(20_000).every((answer) => typeof answer === "number"));
  await clock.runUntil(Promise.all(answers));
  assertEquals(sent.map((questions) => questions.length), [20_000]);
});

Deno.test("list() of a RemoteLedger gives the newest of very many", async () => {
  const memory = new MemoryLedger({ now: () => 0 });
  for (let i = 0; i < 12_000; i++) memory.note(`p:${i}`, "", 1000);
  const { ledger } = remote(serveLedger(memory));
  const notes = await Array.fromAsync(ledger.list("p:"));
  assertEquals([notes.length, notes[0]?.key, notes.at(-1)?.key], [10_000, "p:2000", "p:11999"]);
});
