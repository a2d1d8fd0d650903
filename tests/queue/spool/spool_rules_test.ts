/**
 * The rules of the spool, one by one, on a disk in memory and, where modes and sockets matter, on a real one.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { concat, decode, encode } from "../../../src/bytes.ts";
import type { MtaEvent } from "../../../src/events.ts";
import { openSpool } from "../../../src/queue/spool/open_spool.ts";
import type { QueueStore } from "../../../src/queue/store.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import type { FileHandle } from "../../../src/runtime/files.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { FileCall } from "../../../src/runtime/memory_files.ts";
import { errorCode, SystemError } from "../../../src/runtime/system_error.ts";
import { recipient } from "./entries.ts";
import { DIRECTORY, message, open } from "./journey.ts";

const MINUTE = 60_000;
const SEGMENTS = `${DIRECTORY}/segments`;
const FIRST = `${SEGMENTS}/00000001.log`;

async function ids(store: QueueStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of store.list()) found.push(id);
  return found.sort();
}

/** The paths of all files below a folder, without the folder. */
async function tree({ files }: MemoryRuntime, folder = DIRECTORY): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, kind } of files.list(folder)) {
    const path = `${folder}/${name}`;
    if (kind === "directory") found.push(...await tree({ files } as MemoryRuntime, path));
    else found.push(path.slice(DIRECTORY.length + 1));
  }
  return found.sort();
}

async function bodyOf(store: QueueStore, id: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of (await store.open(id)).openBody()) parts.push(chunk.slice());
  return decode(concat(parts));
}

async function take(store: QueueStore, { clock }: MemoryRuntime, id: string) {
  return (await store.claimById(id, clock.now()))!;
}

function calls({ files }: MemoryRuntime): FileCall[] {
  const seen: FileCall[] = [];
  files.onCall = (call) => void seen.push(call);
  return seen;
}

/** Changes octets of a file behind everybody's back. */
async function damage({ files }: MemoryRuntime, path: string, at: number, octets: Uint8Array) {
  const file = await files.open(path, { write: true });
  await file.seek(at);
  await file.write(octets);
  await file.sync();
  file.close();
}

Deno.test("a small message is one record of a segment, a large one two files, a held one too", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime);
  await store.add(message("small", 100));
  const segment = ["segments/00000001.done", "segments/00000001.log"];
  assertEquals(await tree(runtime), [...segment, "version"]);
  await store.add(message("large", 300_000));
  await store.add(message("held", 10, { held: { since: 1, reason: "why" } }));
  const paths = (await tree(runtime)).filter((path) => !path.startsWith("segments/"));
  assertMatch(paths.join(" "), /bodies\/.\/held\.msg/);
  assertMatch(paths.join(" "), /deferred\/\w+\/large\.json/);
  assertMatch(paths.join(" "), /held\/held\.json/);
  assertEquals(await ids(store), ["held", "large", "small"]);
});

Deno.test("a message whose body is in memory is a record up to 2 MiB, and is read from the segment", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime);
  const { entry, source } = message("large", 1_500_000);
  const body = new Uint8Array(1_500_000).map((_, index) => index * 7);
  const parts = [body.subarray(0, 700_000), body.subarray(700_000)];
  const inMemory = { ...source, bodyParts: () => parts };
  await Promise.all([
    store.add({ entry, source: inMemory }),
    store.add(message("small", 100)),
    store.add({ entry: { ...entry, id: "other" }, source: inMemory }),
  ]);
  const others = (await tree(runtime)).filter((path) => !path.startsWith("segments/"));
  assertEquals(others, ["version"]);
  const check = async (store: QueueStore) => {
    assertEquals(await ids(store), ["large", "other", "small"]);
    for (const id of ["large", "other"]) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of (await store.open(id)).openBody()) chunks.push(chunk.slice());
      assert(concat(chunks).every((octet, index) => octet === body[index]));
    }
  };
  await check(store);
  await store.close();
  await check(await open(runtime));
});

Deno.test("a segment and its journal are text that a person can read", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime);
  await store.add(message("m1", 24));
  const claim = await store.update(await take(store, runtime, "m1"), message("m1", 24).entry);
  await store.add(message("m2", 24));
  await store.settle(claim, null);
  const log = decode(await runtime.files.readFile(FIRST));
  const lines = log.split("\n");
  assertMatch(lines[0]!, /^yizhan-segment 1 [0-9a-f]{32} 2026-01-01T00:00:00\.000Z$/);
  const nonce = lines[0]!.split(" ")[2];
  assertMatch(lines[1]!, new RegExp(`^record ${nonce} ${lines[0]!.length + 1} crc32=\\w{8} `));
  assertEquals(JSON.parse(lines[2]!).version, 1);
  assertEquals(lines.slice(3, 7), [
    "Received: from a by b\r",
    "Subject: hi\r",
    "\r",
    "m1 in person. m1 in pers",
  ]);
  const journal = decode(await runtime.files.readFile(`${SEGMENTS}/00000001.done`)).split("\n");
  assertEquals(journal[0], `yizhan-journal 1 ${nonce}`);
  const place = log.indexOf("{");
  assertMatch(journal[1]!, new RegExp(`^\\w{8} entry ${place} \\{"version":1,"id":"m1"`));
  assertMatch(journal[2]!, new RegExp(`^\\w{8} done ${place} m1$`));
});

Deno.test("one sync serves all who came since the last", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime, [], { segmentSize: 1_000_000 });
  await store.add(message("first", 10));
  const seen = calls(runtime);
  await Promise.all(Array.from({ length: 64 }, (_, i) => store.add(message(`m${i}`, 1000))));
  const count = (operation: string) => seen.filter((call) => call.operation === operation).length;
  assert(count("sync") <= 3, `${count("sync")} syncs`);
  assert(count("write") <= 3, `${count("write")} writes`);
  const claims = await store.claim(runtime.clock.now(), 100);
  assertEquals(claims.length, 65);
  seen.length = 0;
  await Promise.all(claims.map((claim) => store.settle(claim, null)));
  assert(count("sync") <= 3, `${count("sync")} syncs of the journal`);
});

Deno.test("the folder is synced before the first message of a segment is acknowledged", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime);
  const seen = calls(runtime);
  await store.add(message("m1", 10));
  const steps = seen.filter(({ operation }) => operation.startsWith("sync"));
  assertEquals(steps.map(({ operation, path }) => `${operation} ${path}`), [
    `syncDirectory ${SEGMENTS}`,
    `sync ${FIRST}`,
  ]);
});

Deno.test("what is deferred for the first time gets files of its own, and a drained segment is removed, the log first", async () => {
  const runtime = memoryRuntime();
  const { clock } = runtime;
  const store = await open(runtime, [], { segmentSize: 1 });
  await store.add(message("m1", 100));
  const claim = await take(store, runtime, "m1");
  const next = clock.now() + 90 * MINUTE;
  const seen = calls(runtime);
  await store.settle(claim, {
    ...claim.entry,
    recipients: [recipient({ attempts: 1, next })],
  });
  await store.add(message("m2", 10)); // ends the first segment
  await store.close();
  const removed = seen
    .filter(({ operation, path }) => path.startsWith(SEGMENTS) && /remove|syncDir/.test(operation))
    .map(({ operation, path }) => `${operation} ${path.slice(SEGMENTS.length)}`);
  const log = removed.indexOf("remove /00000001.log");
  const journal = removed.indexOf("remove /00000001.done");
  assert(log !== -1 && removed.slice(log, journal).includes("syncDirectory "), `${removed}`);
  const paths = await tree(runtime);
  assertEquals(paths.filter((path) => path.includes("00000001")), []);
  assert(paths.includes("deferred/20260101T0130/m1.json"), `${paths}`);
});

Deno.test("what is still in a segment after ten minutes gets files of its own, unless somebody works on it", async () => {
  const runtime = memoryRuntime();
  const { clock } = runtime;
  const store = await open(runtime, [], { lease: 60 * MINUTE });
  await store.add(message("idle", 100), message("claimed", 100));
  const claim = await take(store, runtime, "claimed");
  await clock.advance(9 * MINUTE);
  assertEquals((await tree(runtime)).filter((path) => path.includes("idle")), []);
  await clock.advance(3 * MINUTE);
  const paths = (await tree(runtime)).join(" ");
  assertMatch(paths, /deferred\/\w+\/idle\.json/);
  assert(!paths.includes("claimed"), paths);
  await store.settle(claim, null);
  await clock.advance(MINUTE);
  assertEquals((await tree(runtime)).filter((path) => path.startsWith("segments/")), []);
  assertEquals(await bodyOf(store, "idle"), decode(await octets(message("idle", 100))));
  await clock.runUntilIdle(); // nothing is left that would go on for ever
});

async function octets({ source }: ReturnType<typeof message>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of source.openBody()) parts.push(chunk);
  return concat(parts);
}

Deno.test("after a write or sync that failed nothing more goes to that segment", async () => {
  for (const operation of ["write", "sync"] as const) {
    const runtime = memoryRuntime();
    const store = await open(runtime);
    await store.add(message("before", 10));
    const { size } = (await runtime.files.stat(FIRST))!;
    runtime.files.fail({ operation, path: /00000001\.log$/, code: "EIO" });
    const failed = [message("x", 700), message("y", 700)].map((one) => store.add(one));
    for (const one of failed) assertEquals(errorCode(await one.catch((error) => error)), "EIO");
    await store.add(message("after", 10));
    assertEquals(await ids(store), ["after", "before"]);
    const second = decode(await runtime.files.readFile(`${SEGMENTS}/00000002.log`));
    assertMatch(second, /"id":"after"/);
    const first = decode(await runtime.files.readFile(FIRST)).slice(size);
    assert(!first.includes('"id":"after"'));
    // The records of the failed group are on the disk, in whole or in part, and must not count.
    assertMatch(first, /"id":"x"/);
    const store2 = await open(runtime.reboot("kept"));
    assertEquals(await ids(store2), ["after", "before"], operation);
  }
});

/** A spool whose syncs of the first segment end when the test says so: in turn, each with its outcome. */
async function openWithSyncs(runtime: MemoryRuntime) {
  const { files } = runtime;
  const syncs: PromiseWithResolvers<void>[] = [];
  const openFile = files.open.bind(files);
  files.open = async (path, options) => {
    const file = await openFile(path, options);
    if (path !== FIRST || options.read) return file;
    const sync = async () => {
      const turn = Promise.withResolvers<void>();
      syncs.push(turn);
      await turn.promise;
      await file.sync();
    };
    return { ...bound(file), sync };
  };
  const store = await open(runtime, [], { segmentSize: 1_000_000 });
  return { store, syncs };
}

function bound(file: FileHandle): FileHandle {
  return {
    identify: () => file.identify(),
    read: (into) => file.read(into),
    write: (octets) => file.write(octets),
    seek: (offset) => file.seek(offset),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

/** Enough turns for all that waits for nothing. */
async function turns(): Promise<void> {
  for (let i = 0; i < 500; i++) await Promise.resolve();
}

Deno.test("of two groups that are synced at once one may fail, and the other counts", async () => {
  for (const failing of [0, 1]) {
    const runtime = memoryRuntime();
    const { store, syncs } = await openWithSyncs(runtime);
    const groups = [[store.add(message("m0", 100))]];
    await turns();
    groups.push(Array.from({ length: 9 }, (_, i) => store.add(message(`m${i + 1}`, 100))));
    const outcomes = groups.map((group) => Promise.allSettled(group));
    await turns();
    assertEquals(syncs.length, 2);
    syncs[failing]!.reject(new SystemError("EIO", "no"));
    await turns();
    syncs[1 - failing]!.resolve();
    const told = (await Promise.all(outcomes)).flat().map(({ status }) => status === "fulfilled");
    const expected = Array.from({ length: 10 }, (_, i) => i === 0 ? failing !== 0 : failing !== 1);
    assertEquals(told, expected);
    const kept = expected.flatMap((is, i) => is ? [`m${i}`] : []);
    assertEquals(await ids(store), kept);
    await store.add(message("later", 10)); // goes to another segment
    assertMatch(
      decode(await runtime.files.readFile(`${SEGMENTS}/00000002.log`)),
      /"id":"later"/,
    );
    assertEquals(await ids(await open(runtime.reboot("kept"))), ["later", ...kept]);
  }
});

Deno.test("a segment and a journal that were filled ahead are read as if they were not", async () => {
  for (const unsynced of ["kept", "torn"] as const) {
    const runtime = memoryRuntime();
    const store = await open(runtime, [], { segmentSize: 1_000_000 });
    for (let i = 0; i < 60; i++) await store.add(message(`m${10 + i}`, 100));
    for (let i = 0; i < 30; i++) {
      await store.settle(await take(store, runtime, `m${10 + i}`), null);
    }
    for (const path of [FIRST, `${SEGMENTS}/00000001.done`]) {
      assert(decode(await runtime.files.readFile(path)).endsWith("\n".repeat(100_000)), path);
    }
    const events: MtaEvent[] = [];
    const after = await open(runtime.reboot(unsynced), events);
    assertEquals(events.map(({ type }) => type), ["queue.opened"]);
    assertEquals(await ids(after), Array.from({ length: 30 }, (_, i) => `m${40 + i}`));
  }
});

Deno.test("a body that is gone when its record is written fails alone", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime);
  const gone = message("gone", 10);
  let asked = 0;
  const bodyParts = () => {
    if (asked++ > 0) throw new Error("the message is gone");
    return [new Uint8Array(10)];
  };
  const adding = [
    store.add(message("m1", 10)),
    store.add({ ...gone, source: { ...gone.source, bodyParts } }),
    store.add(message("m2", 10)),
  ];
  await assertRejects(() => adding[1]!, Error, "the message is gone");
  await Promise.all(adding.filter((_, index) => index !== 1));
  assertEquals(await ids(store), ["m1", "m2"]);
  assertEquals(await ids(await open(runtime.reboot("lost"))), ["m1", "m2"]);
});

Deno.test("what was opened stays as it is when its message is done and others came", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime);
  await store.add(message("m1", 2000));
  const source = await store.open("m1");
  const parts = source.bodyParts!()!;
  const before = [decode(source.head), decode(concat([...parts]))];
  await store.settle(await take(store, runtime, "m1"), null);
  for (let i = 0; i < 50; i++) await store.add(message(`other${i}`, 2000));
  assertEquals([decode(source.head), decode(concat([...parts]))], before);
});

Deno.test("a message that is in its segment and in its files is given out once", async () => {
  const runtime = memoryRuntime();
  const { files, clock } = runtime;
  const store = await open(runtime);
  await store.add(message("m1", 100));
  files.fail({ operation: "sync", path: /00000001\.done$/, code: "EIO" });
  await clock.advance(10 * MINUTE + 1);
  const paths = (await tree(runtime)).join(" ");
  assertMatch(paths, /m1\.json.*00000001\.log/);
  const claims = await store.claim(clock.now(), 9);
  assertEquals(claims.map(({ entry }) => entry.id), ["m1"]);
  await store.settle(claims[0]!, null);
  assertEquals(await ids(await open(runtime.reboot("lost"))), []);
});

Deno.test("nobody else gets an entry while its settlement is being recorded, however long that takes", async () => {
  const runtime = memoryRuntime();
  const { clock } = runtime;
  const store = await open(runtime);
  await store.add(message("m1", 100));
  const settling = store.settle(await take(store, runtime, "m1"), null);
  const tomorrow = clock.now() + 24 * 60 * MINUTE;
  assertEquals(await store.claim(tomorrow, 9), []);
  await settling;
});

Deno.test("what was refused is written down as soon as that can be done", async () => {
  const runtime = memoryRuntime();
  const { files, clock } = runtime;
  const events: MtaEvent[] = [];
  const store = await open(runtime, events, { lease: 60 * MINUTE });
  await store.add(message("before", 10));
  files.fail({ operation: "sync", path: /00000001\.log$/, code: "EIO" });
  files.fail({ operation: "write", path: /00000001\.done$/, code: "EIO" });
  await assertRejects(() => store.add(message("x", 10)));
  assertEquals(events.map(({ type }) => type), ["queue.opened", "queue.trouble"]);
  await take(store, runtime, "before"); // so that the segment stays
  files.fail({ operation: "write", path: /00000001\.done$/, code: "EIO" });
  await clock.advance(12 * MINUTE);
  assertEquals(await ids(await open(runtime.reboot("kept"))), ["before"]);
});

Deno.test("what was refused, came again and is done does not come a third time", async () => {
  const runtime = memoryRuntime();
  const { files } = runtime;
  const store = await open(runtime);
  await store.add(message("before", 10));
  files.fail({ operation: "sync", path: /00000001\.log$/, code: "EIO" });
  files.fail({ operation: "write", path: /00000001\.done$/, code: "EIO" });
  await assertRejects(() => store.add(message("x", 10)));
  await store.add(message("x", 10));
  await store.settle(await take(store, runtime, "x"), null);
  assertEquals(await ids(await open(runtime.reboot("kept"))), ["before"]);
});

Deno.test("a full disk refuses new mail and loses none", async () => {
  const runtime = memoryRuntime();
  const { files: { disk } } = runtime;
  const store = await open(runtime);
  await store.add(message("m1", 100));
  disk.capacity = disk.space.bytes === Infinity ? 6000 : disk.capacity;
  const refused: string[] = [];
  for (let i = 0; i < 6; i++) {
    await store.add(message(`more${i}`, 2000)).catch((error) => {
      assertEquals(errorCode(error), "ENOSPC");
      refused.push(`more${i}`);
    });
  }
  assert(refused.length >= 3, `${refused}`);
  const kept = await ids(store);
  assertEquals(kept.filter((id) => refused.includes(id)), []);
  const claim = await take(store, runtime, "m1");
  for (let i = 0; i < 20; i++) {
    await store.add(message("x", 2000)).catch(() => {});
    await store.update(claim, message("m1", 100).entry).catch(() => {});
  }
  assert((await tree(runtime)).length < 20, "what failed is still there");
  disk.capacity = Infinity;
  await store.add(message("later", 100));
  const after = await open(runtime.reboot("torn"));
  assertEquals(await ids(after), [...kept, "later"].sort());
});

Deno.test("a deferral whose journal fails is settled again, and leaves nothing behind", async () => {
  for (const last of ["deferred", "done"]) {
    const runtime = memoryRuntime();
    const { files, clock } = runtime;
    const store = await open(runtime);
    await store.add(message("m1", 100), message("m2", 100));
    const claim = await take(store, runtime, "m1");
    const recipients = [recipient({ attempts: 1, next: clock.now() + MINUTE })];
    files.fail({ operation: "sync", path: /00000001\.done$/, code: "EIO" });
    await assertRejects(() => store.settle(claim, { ...claim.entry, recipients }));
    assertEquals((await store.get("m1"))?.recipients[0]?.attempts, 0);
    await store.settle(claim, last === "done" ? null : { ...claim.entry, recipients });
    const after = await open(runtime.reboot("lost"));
    assertEquals(await ids(after), last === "done" ? ["m2"] : ["m1", "m2"]);
    if (last === "deferred") {
      assertEquals((await after.get("m1"))?.recipients[0]?.attempts, 1);
    }
  }
});

Deno.test("outcomes of what an earlier process left are durable too", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  await store.add(message("m1", 100), message("m2", 100));
  await store.settle(await take(store, before, "m1"), null);
  const runtime = before.reboot("lost");
  const second = await open(runtime);
  await second.settle(await take(second, runtime, "m2"), null);
  assertEquals(await ids(await open(runtime.reboot("lost"))), []);
});

Deno.test("a journal whose segment is gone is removed", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  await store.add(message("m1", 100), message("m2", 100));
  await before.files.remove(FIRST);
  const runtime = before.reboot("kept");
  await open(runtime);
  assertEquals((await tree(runtime)).filter((path) => path.startsWith("segments/")), []);
});

Deno.test("a damaged record is set aside with an event, once, and the rest goes on", async () => {
  const before = memoryRuntime();
  const store = await open(before, [], { segmentSize: 1_000_000 });
  for (const id of ["m1", "m2", "m3"]) await store.add(message(id, 100));
  const log = decode(await before.files.readFile(FIRST));
  const from = log.indexOf("record", log.indexOf('"id":"m1"'));
  const to = log.indexOf("record", from + 1);
  await damage(before, FIRST, log.indexOf("m2 in person"), encode("XX"));

  const runtime = before.reboot("kept");
  const events: MtaEvent[] = [];
  const second = await open(runtime, events);
  assertEquals(await ids(second), ["m1", "m3"]);
  const kept = `${DIRECTORY}/damaged/00000001.log.${from}-${to}`;
  const time = runtime.clock.now();
  assertEquals(events[0], {
    type: "queue.damaged",
    time,
    path: FIRST,
    reason: "no record",
    kept,
  });
  assertMatch(decode(await runtime.files.readFile(kept)), /^record [^]*\nXX in person[^]*\n$/);
  await second.close();

  const again: MtaEvent[] = [];
  const third = await open(runtime, again);
  assertEquals(again.map(({ type }) => type), ["queue.opened"]);
  assertEquals(await ids(third), ["m1", "m3"]);
});

Deno.test("an entry of a version to come is set aside, not lost", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  await store.add(message("m1", 100), message("m2", 100));
  const claim = await take(store, before, "m1");
  await store.update(claim, { ...claim.entry, dsnEnvelopeId: "x" });
  const path = `${SEGMENTS}/00000001.done`;
  const journal = decode(await before.files.readFile(path));
  // As a later program would have written it, with a right checksum.
  const { formatJournalLines } = await import("../../../src/queue/spool/segment_journal.ts");
  const nonce = journal.split("\n")[0]!.split(" ")[2]!;
  const place = Number(/entry (\d+)/.exec(journal)![1]);
  const line = formatJournalLines(nonce, [{ verb: "entry", place, text: '{"version":9}' }]);
  await damage(before, path, encode(journal).length, line);
  const runtime = before.reboot("kept");
  const events: MtaEvent[] = [];
  assertEquals(await ids(await open(runtime, events)), ["m2"]);
  assert(events[0]?.type === "queue.damaged" && events[0].reason === "version 9 is not known");
  assertMatch(decode(await runtime.files.readFile(events[0].kept!)), /^\{"version":1,"id":"m1"/);
});

Deno.test("a segment without its first line is read by the nonce in its journal", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  await store.add(message("m1", 100));
  await store.add(message("m2", 100));
  await damage(before, FIRST, 0, encode("?????"));
  const events: MtaEvent[] = [];
  assertEquals(await ids(await open(before.reboot("kept"), events)), ["m1", "m2"]);
  assertEquals(events.map(({ type }) => type), ["queue.damaged", "queue.opened"]);
});

Deno.test("a segment whose nonce is damaged, and looks like one, is read by that of its records", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  await store.add(message("m1", 100));
  await store.add(message("m2", 100));
  const nonce = "yizhan-segment 1 ".length;
  const first = decode(await before.files.readFile(FIRST))[nonce];
  await damage(before, FIRST, nonce, encode(first === "a" ? "b" : "a"));
  const between = before.reboot("kept");
  assertEquals(await ids(await open(between)), ["m1", "m2"]);
  // Where its first record is damaged too, there is only a person to help.
  const text = decode(await between.files.readFile(FIRST));
  await damage(between, FIRST, text.indexOf("record "), encode("?"));
  await damage(between, `${SEGMENTS}/00000001.done`, 0, encode("?"));
  const runtime = between.reboot("kept");
  assertEquals(await ids(await open(runtime)), []);
  assertEquals((await tree(runtime)).filter((path) => path.endsWith(".log")), [
    "damaged/00000001.log",
  ]);
});

Deno.test("a segment that nothing can be made of is set aside whole", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  await store.add(message("m1", 100));
  await damage(before, FIRST, 0, encode("?????"));
  await damage(before, `${SEGMENTS}/00000001.done`, 0, encode("?????"));
  const runtime = before.reboot("kept");
  const events: MtaEvent[] = [];
  const second = await open(runtime, events);
  assertEquals(await ids(second), []);
  assertEquals(events.map(({ type }) => type), ["queue.damaged", "queue.opened"]);
  assertEquals(await tree(runtime), ["damaged/00000001.done", "damaged/00000001.log", "version"]);
  await second.add(message("m2", 1));
});

Deno.test("whatever lies in the folder of segments, a start goes through", async () => {
  const before = memoryRuntime();
  await (await open(before)).close();
  const names = ["00000001.log", "00000002.log", "00000002.done", "00000003.done", "x", "1.log"];
  for (const [index, name] of names.entries()) {
    const file = await before.files.open(`${SEGMENTS}/${name}`, { write: true, create: true });
    await file.write(new Uint8Array(index * 300).map((_, i) => i * 7));
    file.close();
  }
  const runtime = before.reboot("kept");
  const store = await open(runtime);
  await store.add(message("m1", 10));
  assertEquals(await ids(store), ["m1"]);
  assertEquals((await tree(runtime)).filter((path) => path.startsWith("segments/")), [
    "segments/00000004.done",
    "segments/00000004.log",
    "segments/1.log",
    "segments/x",
  ]);
});

Deno.test("messages for which there is no memory are read from the segment", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime, [], { memory: 0 });
  await store.add(message("m1", 100_000), message("m2", 0));
  const claims = await store.claim(runtime.clock.now(), 9);
  assertEquals(claims.map(({ entry }) => entry), [
    message("m1", 100_000).entry,
    message("m2", 0).entry,
  ]);
  const { head, bodySize } = await store.open("m1");
  assertEquals([head, bodySize], [message("m1", 0).source.head, 100_000]);
  assertEquals(await bodyOf(store, "m1"), decode(await octets(message("m1", 100_000))));
  assertEquals(await bodyOf(store, "m2"), "");
});

Deno.test("memory is for those that are there", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime, [], { memory: 6000 });
  await store.add(message("m1", 2000));
  await store.add(message("m2", 2000));
  const seen = calls(runtime);
  const reads = async (id: string) => {
    seen.length = 0;
    await bodyOf(store, id);
    return seen.filter(({ operation }) => operation === "read").length > 0;
  };
  assertEquals([await reads("m1"), await reads("m2")], [false, true]);
  await store.settle(await take(store, runtime, "m1"), null);
  await store.add(message("m3", 2000));
  assertEquals(await reads("m3"), false);
});

Deno.test("a message that cannot be read now is given out later", async () => {
  const runtime = memoryRuntime();
  const { clock, files } = runtime;
  const events: MtaEvent[] = [];
  const store = await open(runtime, events, { memory: 0 });
  await store.add(message("m1", 10), message("m2", 10));
  files.fail({ operation: "open", code: "EMFILE" });
  assertEquals((await store.claim(clock.now(), 9)).map(({ entry }) => entry.id), ["m2"]);
  assertEquals(events.at(-1)?.type, "queue.trouble");
  await clock.advance(MINUTE);
  assertEquals((await store.claim(clock.now(), 9)).map(({ entry }) => entry.id), ["m1"]);
});

Deno.test("fresh mail comes first, but starves no deferred mail", async () => {
  const runtime = memoryRuntime();
  const { clock } = runtime;
  const store = await open(runtime, [], { segmentSize: 1_000_000 });
  for (let i = 0; i < 4; i++) await store.add(message(`old${i}`, 300_000));
  for (let i = 0; i < 20; i++) await store.add(message(`new${i}`, 10));
  const claims = await store.claim(clock.now(), 8);
  const names = claims.map(({ entry }) => entry.id.slice(0, 3));
  assertEquals(names, ["new", "new", "new", "new", "new", "new", "old", "old"]);
  assertEquals((await store.claim(clock.now(), 100)).length, 16);
});

Deno.test("openSpool() tells what it found", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  await store.add(message("m1", 10), message("m2", 10));
  await store.add(message("m3", 300_000));
  const runtime = before.reboot("lost");
  const events: MtaEvent[] = [];
  await open(runtime, events);
  assertEquals(events, [{
    type: "queue.opened",
    time: runtime.clock.now(),
    path: DIRECTORY,
    messages: 3,
    duration: 0,
  }]);
});

Deno.test("a second process is told who owns the spool", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime, [], { pid: 4711 });
  const error = await assertRejects(() => open(runtime));
  assertMatch((error as Error).message, /^\/spool is in use by process 4711$/);
  await store.close();
  await (await open(runtime)).close();
});

Deno.test("all files are 0600 and all folders 0700", async () => {
  const { files, network, clock, random } = denoRuntime();
  const folder = await Deno.makeTempDir();
  const directory = `${folder}/data/spool`;
  const store = await openSpool({ files, network, clock, random, directory, emit: () => {} });
  await store.add(message("m1", 10));
  await store.add(message("m2", 300_000));
  const modes: string[] = [];
  const walk = (path: string) => {
    const { mode, isDirectory, isSocket } = Deno.lstatSync(path);
    modes.push(isSocket ? "socket" : `${isDirectory ? "d" : "f"} ${(mode! & 0o777).toString(8)}`);
    if (isDirectory) { for (const { name } of Deno.readDirSync(path)) walk(`${path}/${name}`); }
  };
  walk(`${folder}/data`);
  assertEquals([...new Set(modes)].sort(), ["d 700", "f 600", "socket"]);
  await store.close();
  await Deno.remove(folder, { recursive: true });
});
