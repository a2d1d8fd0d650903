/**
 * The machine stops before each call to the disk in turn, while messages are put, moved and removed, and may stop
 * once more while it starts again. Whatever was promised is there then, nothing is there by halves, and nothing is
 * left over.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { nextAttempt, type QueueEntry } from "../../../src/queue/entry.ts";
import type { MessageFiles } from "../../../src/queue/spool/message_files.ts";
import type { Unsynced } from "../../../src/runtime/memory_disk.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { SystemError } from "../../../src/runtime/system_error.ts";
import {
  allFiles,
  bodyOf,
  HELD,
  HOUR,
  listAll,
  message,
  MINUTE,
  NOW,
  openFiles,
  readBody,
  takeDue,
  waiting,
} from "./message_files_support.ts";

/** A piece of work, and what there is after it: `null` for a message that is gone. */
interface Step {
  readonly run: (spool: MessageFiles) => Promise<unknown>;
  readonly after: Readonly<Record<string, QueueEntry | null>>;
}

function put(...entries: readonly QueueEntry[]): Step {
  const messages = entries.map((entry) => ({ ...message(entry.id, NOW), entry }));
  return {
    run: (spool) => spool.put(...messages),
    after: Object.fromEntries(entries.map((entry) => [entry.id, entry])),
  };
}

function replace(entry: QueueEntry): Step {
  return { run: (spool) => spool.replace(entry), after: { [entry.id]: entry } };
}

function remove(...ids: readonly string[]): Step {
  return {
    run: (spool) => Promise.all(ids.map((id) => spool.remove(id))),
    after: Object.fromEntries(ids.map((id) => [id, null])),
  };
}

const together = (...steps: readonly Step[]): Step => ({
  run: (spool) => Promise.all(steps.map((step) => step.run(spool))),
  after: Object.assign({}, ...steps.map((step) => step.after)),
});

const SCRIPT: readonly Step[] = [
  put(waiting("a", NOW - HOUR)),
  put(waiting("b", NOW), waiting("c", NOW + HOUR), waiting("d", NOW, HELD)),
  replace(waiting("a", NOW + HOUR)),
  replace(waiting("a", NOW + HOUR + MINUTE)), // the same folder
  replace(waiting("a", NOW - 2 * HOUR)), // sooner
  replace(waiting("b", NOW, HELD)),
  replace(waiting("d", NOW - HOUR)),
  // Looking at what is due removes empty folders.
  { run: (spool) => takeDue(spool, NOW), after: {} },
  remove("c"),
  put(waiting("c", NOW + 3 * HOUR)), // the same id again
  together(replace(waiting("a", NOW + 5 * HOUR)), remove("b", "d"), put(waiting("e", NOW))),
  { run: (spool) => spool.close(), after: {} },
  remove("a", "e"),
];

/** What may be there: for each id all that it may be. */
type Expectation = Map<string, (QueueEntry | null)[]>;

/** Works through a script until the machine stops; gives what may be there then. */
async function work(
  runtime: MemoryRuntime,
  stop: () => boolean,
  script: readonly Step[] = SCRIPT,
): Promise<Expectation> {
  const { files } = runtime;
  const expected: Expectation = new Map();
  files.onCall = () => {
    if (stop()) throw new SystemError("EIO", "the machine stops");
  };
  try {
    const { spool } = await openFiles(runtime);
    for (const { run, after } of script) {
      const changes = Object.entries(after);
      for (const [id, entry] of changes) {
        const before = expected.get(id) ?? [null];
        expected.set(id, [...before, entry]);
      }
      await run(spool);
      for (const [id, entry] of changes) expected.set(id, [entry]);
    }
  } catch (error) {
    assert(error instanceof SystemError, String(error));
  }
  return expected;
}

/** Calls to the disk until the machine stops, once. */
function countdown(calls: number, onStop: () => void): () => boolean {
  let left = calls;
  return () => {
    if (left-- > 0) return false;
    if (left === -1) onStop();
    return true;
  };
}

/** What must hold after a start, whatever happened before. */
async function check(runtime: MemoryRuntime, expected: Expectation, what: string): Promise<void> {
  const { files } = runtime;
  files.onCall = () => {};
  const { spool, events } = await openFiles(runtime);
  const listed = await listAll(spool);
  for (const [id, states] of expected) {
    const entry = await spool.get(id);
    const fits = states.some((state) => JSON.stringify(state) === JSON.stringify(entry));
    assert(fits, `${what}: ${id} is ${JSON.stringify(entry)}`);
    assertEquals(listed.get(id) ?? null, entry, `${what}: ${id} in the list`);
    if (entry !== null) assertEquals(await readBody(await spool.open(id)), bodyOf(id), what);
  }
  // Nothing is missed, even where a folder is not the one it should be.
  const due = listed.values().filter((entry) => !entry.held && nextAttempt(entry) <= NOW);
  const expectedDue = [...due].map(({ id }) => id).sort();
  assertEquals((await takeDue(spool, NOW)).sort(), expectedDue, `${what}: due`);
  const paths = await allFiles(files);
  const ids = (pattern: RegExp) => paths.flatMap((path) => pattern.exec(path)?.[1] ?? []).sort();
  assertEquals(ids(/^(?:deferred|held)\/.*?([^/]+)\.json$/), [...listed.keys()].sort(), what);
  assertEquals(ids(/^bodies\/.\/(.+)\.msg$/), [...listed.keys()].sort(), `${what}: bodies`);
  assertEquals(paths.length, 2 * listed.size, `${what}: ${paths}`);
  assertEquals(events, [], what);
}

/** Starts, and lets the machine stop before a call to the disk; gives how it is then, `null` if it did not. */
async function startAndStop(
  runtime: MemoryRuntime,
  call: number,
  unsynced: Unsynced,
): Promise<MemoryRuntime | null> {
  let next: MemoryRuntime | null = null;
  const stop = countdown(call, () => next = runtime.reboot(unsynced));
  runtime.files.onCall = () => {
    if (stop()) throw new SystemError("EIO", "the machine stops");
  };
  await openFiles(runtime).catch((error) => assert(error instanceof SystemError, `${error}`));
  return next;
}

async function crashEverywhere(unsynced: Unsynced, seeds: readonly number[]): Promise<number> {
  let calls = 0;
  for (const seed of seeds) {
    for (let at = 0;; at++) {
      const runtime = memoryRuntime({ now: NOW, seed });
      let next: MemoryRuntime | null = null;
      const stop = countdown(at, () => next = runtime.reboot(unsynced));
      const expected = await work(runtime, stop);
      if (next === null) break;
      calls++;
      // And again while it starts, at a place that wanders with the first.
      const started = await startAndStop(next, at % 61, unsynced) ?? next;
      await check(started, expected, `${unsynced}, seed ${seed}, call ${at}`);
    }
  }
  return calls;
}

const SEEDS: Record<Unsynced, readonly number[]> = { kept: [1], lost: [1], torn: [1, 2, 3, 4] };

for (const unsynced of ["kept", "lost", "torn"] as const) {
  Deno.test(`a crash at any call keeps what was promised, unsynced changes ${unsynced}`, async () => {
    const calls = await crashEverywhere(unsynced, SEEDS[unsynced]);
    assert(calls > 150, `${calls} calls`);
  });
}

/** Calls of a start that make sure of folders, before anything else. */
const FOLDERS = 30;

async function cutDuringStarts(unsynced: Unsynced): Promise<number> {
  const script = [put(waiting("a", NOW), waiting("b", NOW)), remove("a"), remove("b")];
  let starts = 0;
  for (let at = 0;; at++) {
    for (let call = FOLDERS;; call++) {
      const runtime = memoryRuntime({ now: NOW, seed: call });
      let killed: MemoryRuntime | null = null;
      const stop = countdown(at, () => killed = runtime.reboot("kept"));
      const expected = await work(runtime, stop, script);
      if (killed === null) return starts;
      const { files }: MemoryRuntime = killed;
      if ((await files.stat("/spool/transit")) === null) break;
      if ((await allFiles(files, "/spool/transit")).length === 0) break;
      const cut = await startAndStop(killed, call, unsynced);
      if (cut === null) break;
      starts++;
      await check(cut, expected, `killed at call ${at}, ${unsynced} at call ${call} of the start`);
    }
  }
}

for (const unsynced of ["lost", "torn"] as const) {
  Deno.test(`what a killed process left is ended so that a power cut does no harm: ${unsynced}`, async () => {
    const starts = await cutDuringStarts(unsynced);
    assert(starts > 200, `${starts} starts`);
  });
}

/** A disk that fails from call `from` on until a message could not be put; it is put again, and the machine stops. */
async function putAgainAndStop(from: number, stopAt: number, unsynced: Unsynced): Promise<boolean> {
  const runtime = memoryRuntime({ now: NOW, seed: from });
  const { spool } = await openFiles(runtime);
  const entry = waiting("a", NOW);
  const given = { ...message("a", NOW), entry };
  let next: MemoryRuntime | null = null;
  const stop = countdown(stopAt, () => next = runtime.reboot(unsynced));
  let calls = 0;
  runtime.files.onCall = () => {
    if (calls++ >= from) throw new SystemError("EIO", "the disk fails");
  };
  let acknowledged = false;
  try {
    await spool.put(given);
    return false; // it has no such call
  } catch {
    runtime.files.onCall = () => {
      if (stop()) throw new SystemError("EIO", "the machine stops");
    };
  }
  try {
    await spool.put(given);
    acknowledged = true;
  } catch (error) {
    assert(error instanceof SystemError, String(error));
  }
  const states = acknowledged ? [entry] : [null, entry];
  const what = `failing from call ${from}, ${unsynced} at call ${stopAt} of the next attempt`;
  await check(next ?? runtime.reboot(unsynced), new Map([["a", states]]), what);
  return next !== null;
}

for (const unsynced of ["kept", "lost", "torn"] as const) {
  Deno.test(`a message that could not be put leaves nothing, though the machine stops when it is put again: ${unsynced}`, async () => {
    let stops = 0;
    const stopEverywhere = async (from: number) => {
      let at = 0;
      while (await putAgainAndStop(from, at, unsynced)) at++;
      stops += at;
      return at > 0;
    };
    for (let from = 0; await stopEverywhere(from);) from++;
    assert(stops > 50, `${stops} stops`);
  });
}
