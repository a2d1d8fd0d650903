import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { decode, encode } from "../../../src/bytes.ts";
import { KeptLedger } from "../../../src/policy/ledger/kept_ledger.ts";
import type { LedgerBounds } from "../../../src/policy/ledger/memory_ledger.ts";
import {
  formatLedgerLine,
  LEDGER_HEAD,
  parseLedgerLine,
} from "../../../src/policy/ledger/ledger_text.ts";
import { MAX_NOTE } from "../../../src/policy/ledger/ledger.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";

const FILE = "/data/policies/ledger/ledger.jsonl";
const HOUR = 3_600_000;

async function open(machine: MemoryRuntime, bounds: Partial<LedgerBounds> = {}) {
  const told: string[] = [];
  const ledger = await KeptLedger.open({
    ...{ clock: machine.clock, files: machine.files, bounds },
    directory: "/data/policies/ledger",
    onTrouble: (what) => told.push(what),
  });
  return { ledger, told };
}

async function written(machine: MemoryRuntime, lines: string) {
  for (const folder of ["/data", "/data/policies", "/data/policies/ledger"]) {
    await machine.files.makeDirectory(folder, 0o700);
  }
  const file = await machine.files.open(FILE, { write: true, create: true });
  await file.write(encode(lines));
  file.close();
}

const textOf = async ({ files }: MemoryRuntime) => decode(await files.readFile(FILE));
const pass = ({ clock }: MemoryRuntime, time: number) => clock.runUntil(clock.sleep(time));

Deno.test("KeptLedger remembers over a restart", async () => {
  const machine = memoryRuntime();
  const { ledger, told } = await open(machine);
  const rate = { count: 2, per: HOUR };
  assertEquals([ledger.take("rates:a", rate), ledger.take("rates:a", rate)], [0, 0]);
  ledger.note("bans:a", "auth", HOUR);
  ledger.note("bans:b", "auth", HOUR);
  ledger.forget("bans:b");
  await ledger.close();
  assertEquals(machine.clock.sleepers, 0);

  const { ledger: next } = await open(machine);
  assertEquals(next.take("rates:a", rate), HOUR / 2);
  assertEquals(next.recall("bans:a")?.value, "auth");
  assertEquals(next.recall("bans:b"), null);
  await next.close();
  assertEquals(told, []);
});

Deno.test("KeptLedger is a file that a person can read", async () => {
  const machine = memoryRuntime({ now: Date.parse("2026-01-01T00:00:00Z") });
  const { ledger } = await open(machine);
  ledger.note("bans:192.0.2.7", "auth", HOUR);
  await ledger.close();
  assertEquals(
    await textOf(machine),
    '{"yizhan":"ledger","version":1}\n' +
      '{"key":"bans:192.0.2.7","value":"auth","until":"2026-01-01T01:00:00.000Z"}\n',
  );
});

Deno.test("KeptLedger writes by itself, and after a crash what was written is there", async () => {
  const machine = memoryRuntime();
  const { ledger } = await open(machine);
  ledger.note("bans:a", "", HOUR);
  await pass(machine, 6000);
  ledger.note("bans:b", "", HOUR);
  ledger.note("bans:a", "again", HOUR);
  await pass(machine, 6000);
  assertEquals((await textOf(machine)).split("\n").length, 5);
  const { ledger: next } = await open(machine.reboot());
  // The first time the file was written anew and made safe; what came after may be torn.
  assert(next.recall("bans:a") !== null);
});

Deno.test("KeptLedger does not write what is soon forgotten", async () => {
  const machine = memoryRuntime();
  const { ledger } = await open(machine);
  for (let i = 0; i < 100; i++) ledger.take(`rates:${i}`, { count: 60, per: 60_000 });
  await ledger.close();
  assertEquals(await machine.files.stat(FILE), null);
});

Deno.test("KeptLedger writes that what was kept for long is over", async () => {
  const machine = memoryRuntime();
  const first = await open(machine);
  first.ledger.note("bans:a", "", HOUR);
  first.ledger.note("bans:b", "", HOUR);
  await first.ledger.close();
  const second = await open(machine);
  second.ledger.note("bans:a", "", 1000);
  second.ledger.forget("bans:b");
  await second.ledger.close();
  await pass(machine, 1000);
  const { ledger } = await open(machine);
  assertEquals([ledger.recall("bans:a"), ledger.recall("bans:b")], [null, null]);
});

Deno.test("KeptLedger leaves out damaged lines, and says so", async () => {
  const machine = memoryRuntime();
  const good = (key: string) =>
    formatLedgerLine(key, { key, value: "", until: machine.clock.now() + HOUR });
  await written(
    machine,
    LEDGER_HEAD + good("bans:a") + "{nonsense\n" + "x".repeat(100_000) + "\n\n" + good("bans:b") +
      '{"key":"bans:c","unt',
  );
  const { ledger, told } = await open(machine);
  assertEquals(told, [`${FILE}: 3 lines could not be read and will be left out`]);
  assert(ledger.recall("bans:a") !== null && ledger.recall("bans:b") !== null);
  ledger.note("bans:d", "", HOUR);
  await ledger.close();
  assertEquals((await textOf(machine)).split("\n").slice(1, -1).length, 3);
});

Deno.test("KeptLedger writes nothing behind half a line that a crash left", async () => {
  const machine = memoryRuntime();
  await written(machine, `${LEDGER_HEAD}{"key":"bans:c","unt`);
  const { ledger, told } = await open(machine);
  ledger.note("bans:a", "", HOUR);
  await ledger.close();
  assertEquals(told, []);
  assert((await open(machine)).ledger.recall("bans:a") !== null);
});

Deno.test("KeptLedger sets aside what it does not know", async () => {
  const machine = memoryRuntime();
  await written(machine, '{"yizhan":"ledger","version":2}\n');
  const { ledger, told } = await open(machine);
  assertStringIncludes(told.join(), `it is now ${FILE}.unread, and not read`);
  ledger.note("bans:a", "", HOUR);
  await ledger.close();
  assertEquals(
    decode(await machine.files.readFile(`${FILE}.unread`)),
    '{"yizhan":"ledger","version":2}\n',
  );
});

Deno.test("KeptLedger goes on in memory where the disk fails, says so once, and tries again", async () => {
  const machine = memoryRuntime();
  const { ledger, told } = await open(machine);
  let broken = true;
  machine.files.onCall = ({ operation }) => {
    if (broken && operation === "write") throw new Error("No space left on device");
  };
  ledger.note("bans:a", "", 9 * HOUR);
  await pass(machine, 600_000);
  assertEquals(told.length, 1);
  assertStringIncludes(told[0]!, "stays in memory only: No space left on device");
  assert(ledger.recall("bans:a") !== null);
  ledger.note("bans:b", "", 9 * HOUR);
  broken = false;
  await pass(machine, 70_000);
  assertStringIncludes(told[1]!, "can be written again");
  const { ledger: next } = await open(machine);
  assert(next.recall("bans:a") !== null && next.recall("bans:b") !== null);
  await ledger.close();
});

Deno.test("KeptLedger opens also where its file cannot be read", async () => {
  const machine = memoryRuntime();
  await written(machine, LEDGER_HEAD);
  machine.files.fail({ operation: "open", code: "EACCES" });
  const { ledger, told } = await open(machine);
  assertStringIncludes(told.join(), "cannot be read");
  assertEquals(ledger.take("p:a", { count: 1, per: 1000 }), 0);
  await ledger.close();
});

Deno.test("KeptLedger writes its file anew before it has grown without bound", async () => {
  const machine = memoryRuntime();
  const { ledger } = await open(machine);
  let largest = 0;
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 100; i++) ledger.note(`bans:${i}`, `${round} ${"x".repeat(1000)}`, HOUR);
    await pass(machine, 6000);
    largest = Math.max(largest, (await machine.files.stat(FILE))!.size);
  }
  // A hundred notes of a kilobyte are 110 KB; all forty rounds would be 4.3 MB.
  assert(largest < 1_600_000, `${largest}`);
  await ledger.close();
  const { ledger: next } = await open(machine);
  assert(next.recall("bans:99")?.value.startsWith("39 "));
});

Deno.test("attack: a flood of keys is bounded on disk as in memory", async () => {
  const machine = memoryRuntime();
  const { ledger } = await open(machine, { entries: 1000 });
  for (let i = 0; i < 100_000; i++) {
    ledger.note(`p:${i}`, "x".repeat(40), HOUR);
    if (i % 10_000 === 0) await pass(machine, 6000);
  }
  await ledger.close();
  const { size } = (await machine.files.stat(FILE))!;
  assert(size < 2 * 1000 * 120 + 1_100_000, `${size}`);
  const { ledger: next } = await open(machine, { entries: 1000 });
  assertEquals((await Array.fromAsync(next.list(""))).length, 1000);
});

Deno.test("property: a note is read back from its line", () => {
  const text = fc.string({ unit: "binary", maxLength: 20 });
  fc.assert(fc.property(text, text, fc.integer({ min: 0, max: 9e12 }), (key, value, until) => {
    const line = formatLedgerLine(key, { key, value, until });
    assertEquals(line.indexOf("\n"), line.length - 1);
    assertEquals(parseLedgerLine(line.trimEnd()), { key, value, until });
    assertEquals(parseLedgerLine(formatLedgerLine(key, null)), { key, value: "", until: null });
  }));
});

Deno.test("property: no text makes parseLedgerLine() throw", () => {
  const piece = fc.oneof(fc.string(), fc.json(), fc.constantFrom('{"key":', '"until":null}', "[]"));
  fc.assert(fc.property(fc.array(piece), (pieces) => {
    const line = parseLedgerLine(pieces.join(""));
    assert(line === null || line.key.length + line.value.length <= MAX_NOTE);
  }));
});
