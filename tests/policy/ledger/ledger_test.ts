import { assert, assertEquals } from "@std/assert";
import { KeptLedger } from "../../../src/policy/ledger/kept_ledger.ts";
import type { Ledger } from "../../../src/policy/ledger/ledger.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { RemoteLedger, serveLedger } from "../../../src/policy/ledger/remote_ledger.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";

/** Whatever remembers, by how it is made. */
const MAKERS: Readonly<Record<string, (machine: MemoryRuntime) => Ledger | Promise<Ledger>>> = {
  MemoryLedger: ({ clock }) => new MemoryLedger(clock),
  KeptLedger: ({ clock, files }) => (
    KeptLedger.open({ clock, files, directory: "/ledger", onTrouble: fail })
  ),
  RemoteLedger: ({ clock }) => (
    new RemoteLedger({ clock, ask: serveLedger(new MemoryLedger(clock)), onTrouble: fail })
  ),
};

function fail(what: string): never {
  throw new Error(what);
}

/** The test of a contract, of each of them. */
function testEach(name: string, test: (ledger: Ledger, machine: MemoryRuntime) => Promise<void>) {
  for (const [kind, make] of Object.entries(MAKERS)) {
    Deno.test(`${kind} ${name}`, async () => {
      const machine = memoryRuntime();
      await test(await make(machine), machine);
    });
  }
}

const keysOf = async (ledger: Ledger, prefix: string) =>
  (await Array.fromAsync(ledger.list(prefix))).map(({ key }) => key);

testEach("take() gives what a bucket holds, and more as time goes by", async (ledger, machine) => {
  const rate = { count: 3, per: 60_000 };
  for (const wanted of [0, 0, 0, 20_000, 20_000]) {
    assertEquals(await ledger.take("p:a", rate), wanted);
  }
  assertEquals(await ledger.take("p:b", rate), 0, "another bucket is another's");
  await machine.clock.runUntil(machine.clock.sleep(19_999));
  assertEquals(await ledger.take("p:a", rate), 1);
  await machine.clock.runUntil(machine.clock.sleep(1));
  assertEquals(await ledger.take("p:a", rate), 0);
  await machine.clock.runUntil(machine.clock.sleep(60_000));
  assertEquals(await ledger.take("p:a", rate, 3), 0);
  assertEquals(await ledger.take("p:a", rate, 2), 40_000);
  assert(await ledger.take("p:c", rate, 4) > 0, "more than there can be");
});

testEach("note() is recalled until it is over", async (ledger, machine) => {
  const now = machine.clock.now();
  assertEquals(await ledger.recall("p:a"), null);
  await ledger.note("p:a", "one", 1000);
  await ledger.note("p:a", "two", 2000);
  assertEquals(await ledger.recall("p:a"), { key: "p:a", value: "two", until: now + 2000 });
  await machine.clock.runUntil(machine.clock.sleep(1999));
  assertEquals((await ledger.recall("p:a"))?.value, "two");
  await machine.clock.runUntil(machine.clock.sleep(1));
  assertEquals(await ledger.recall("p:a"), null);
  assertEquals(await ledger.forget("p:a"), false);
  await ledger.note("p:b", "", 0);
  assertEquals(await ledger.recall("p:b"), null);
});

testEach("forget() says whether there was something", async (ledger) => {
  await ledger.note("p:a", "", 1000);
  assertEquals([await ledger.forget("p:a"), await ledger.forget("p:a")], [true, false]);
  assertEquals(await ledger.recall("p:a"), null);
});

testEach("list() has what begins so, the newest last", async (ledger, machine) => {
  for (const key of ["p:b", "q:x", "p:a", "p:over", "p:b"]) await ledger.note(key, "", 9000);
  await ledger.note("p:over", "", 1000);
  await machine.clock.runUntil(machine.clock.sleep(1000));
  assertEquals(await keysOf(ledger, "p:"), ["p:a", "p:b"]);
  assertEquals(await keysOf(ledger, "p:b"), ["p:b"]);
  assertEquals(await keysOf(ledger, ""), ["q:x", "p:a", "p:b"]);
  assertEquals(await keysOf(ledger, "none:"), []);
});

testEach("keeps what any key and value say, and nothing too long", async (ledger) => {
  for (const text of ["", "\n", '"', "\u0000", "驿站", "__proto__", "p:p:p", " "]) {
    await ledger.note(`p:${text}`, text, 1000);
    assertEquals((await ledger.recall(`p:${text}`))?.value, text);
  }
  await ledger.note("p:long", "x".repeat(5000), 1000);
  assertEquals(await ledger.recall("p:long"), null);
});

testEach("answers within reason after the clock was set back", async (ledger, machine) => {
  const rate = { count: 1, per: 60_000 };
  const { clock } = machine;
  // A bucket from a time that has not come: no client is shut out for as long as the clock was wrong.
  await ledger.note("p:a", "", 365 * 86_400_000);
  assertEquals(await ledger.take("p:a", rate), 60_000);
  await clock.runUntil(clock.sleep(1));
});
