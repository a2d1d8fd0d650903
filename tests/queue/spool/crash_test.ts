/**
 * The spool on a machine that stops at any step, and on a disk that fails at any step.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { MtaEvent } from "../../../src/events.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { FileOperation } from "../../../src/runtime/memory_files.ts";
import type { Unsynced } from "../../../src/runtime/memory_disk.ts";
import { Book, checkBook, journey, open, workOff } from "./journey.ts";

const KINDS: readonly Unsynced[] = ["kept", "lost", "torn"];

/** What a run without faults does, step by step. */
async function listSteps(): Promise<FileOperation[]> {
  const runtime = memoryRuntime();
  const steps: FileOperation[] = [];
  runtime.files.onCall = ({ operation }) => steps.push(operation);
  await journey(runtime, { book: new Book(), onFailure: "give up" });
  return steps;
}

/** Runs until the machine stops at a step; gives it after its next start. */
async function runInto(seed: number, step: number, kind: Unsynced, book: Book) {
  const runtime = memoryRuntime({ seed });
  let after: MemoryRuntime | null = null;
  runtime.files.onCall = () => {
    if (runtime.files.calls === step) after ??= runtime.reboot(kind);
  };
  await journey(runtime, { book, onFailure: "give up" }).catch(() => {});
  runtime.files.onCall = () => {};
  return after ?? runtime.reboot(kind);
}

/** What changes what a machine finds that stops: between two of these it finds the same, and less was promised. */
const TELLING: Readonly<Record<Unsynced, readonly FileOperation[]>> = {
  kept: ["open", "write", "rename", "remove", "makeDirectory"],
  lost: ["sync", "syncDirectory"],
  torn: ["open", "write", "rename", "remove", "makeDirectory", "sync", "syncDirectory"],
};

for (const kind of KINDS) {
  Deno.test(`all that was promised is there when a machine stops at any step, and what was not synced is ${kind}`, async () => {
    const operations = await listSteps();
    assert(operations.length > 200, `only ${operations.length} steps`);
    for (let step = 1; step <= operations.length + 1; step++) {
      const operation = operations[step - 1];
      if (operation !== undefined && !TELLING[kind].includes(operation)) continue;
      const where = `${kind}, step ${step}`;
      const book = new Book();
      const runtime = await runInto(step, step, kind, book);
      const events: MtaEvent[] = [];
      const store = await open(runtime, events);
      await checkBook(store, book, where);
      // A torn tail is no damage.
      assertEquals(events.filter(({ type }) => type !== "queue.opened"), [], where);
      await workOff(runtime, store);
    }
  });
}

Deno.test("all that was promised is there when a machine stops again while it recovers", async () => {
  const { length: steps } = await listSteps();
  for (let step = 5; step <= steps; step += 3) {
    const book = new Book();
    let runtime = await runInto(step, step, "torn", book);
    for (let crash = 1; crash < 40; crash += 1 + crash % 5) {
      const machine: MemoryRuntime = runtime;
      let after: MemoryRuntime | null = null;
      machine.files.onCall = () => {
        if (machine.files.calls === crash) after ??= machine.reboot("torn");
      };
      await open(machine).catch(() => {});
      machine.files.onCall = () => {};
      runtime = after ?? machine.reboot("torn");
    }
    const store = await open(runtime);
    await checkBook(store, book, `step ${step}`);
    await workOff(runtime, store);
  }
});

/** What changes something. (A file that a disk cannot read any more is set aside, which is no refusal.) */
const CHANGES: readonly (readonly [code: string, operations: readonly FileOperation[]])[] = [
  ["EIO", ["write", "sync", "rename", "remove", "makeDirectory", "syncDirectory"]],
  ["ENOSPC", ["write", "makeDirectory"]],
];

for (const [code, operations] of CHANGES) {
  Deno.test(`what was refused is not there, and all else is, when any one call fails with ${code}`, async () => {
    for (const [index, operation] of (await listSteps()).entries()) {
      if (!operations.includes(operation)) continue;
      const step = index + 1;
      const runtime = memoryRuntime({ seed: step });
      const { files } = runtime;
      let call = "";
      files.onCall = ({ operation, path }) => {
        if (files.calls !== step) return;
        call = `${operation} ${path}`;
        files.fail({ operation, code });
      };
      const book = new Book();
      await journey(runtime, { book, onFailure: "try again" });
      const after = runtime.reboot(KINDS[step % 3]);
      const store = await open(after);
      await checkBook(store, book, `step ${step}, ${call}`);
      await workOff(after, store);
    }
  });
}
