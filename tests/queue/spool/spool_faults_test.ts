/**
 * A disk that fails at one place, or is full, under a spool that is at work: the rest goes on, and nothing that was
 * promised is lost or done twice.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import type { MtaEvent } from "../../../src/events.ts";
import type { QueueEntry } from "../../../src/queue/entry.ts";
import type { Claim, QueueStore } from "../../../src/queue/store.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { FileOperation } from "../../../src/runtime/memory_files.ts";
import { SystemError } from "../../../src/runtime/system_error.ts";
import { recipient } from "./entries.ts";
import { DIRECTORY, message, open } from "./journey.ts";

const MINUTE = 60_000;
const LARGE = 300_000;

const idsOf = (claims: readonly Claim[]) => claims.map(({ entry }) => entry.id).sort();

async function ids(store: QueueStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of store.list()) found.push(id);
  return found.sort();
}

const types = (events: readonly MtaEvent[]) => events.map(({ type }) => type);

/** From now on each such call fails. */
function failAlways(
  { files }: MemoryRuntime,
  operation: FileOperation,
  path: RegExp,
  code: string,
) {
  files.onCall = (call) => {
    if (call.operation === operation && path.test(call.path)) {
      throw new SystemError(code, call.path);
    }
  };
}

/** A spool of `m1` and `m2`, of which `m1` lies in its segment and in files too: the journal failed. */
async function halfMoved() {
  const runtime = memoryRuntime();
  const { files, clock } = runtime;
  const store = await open(runtime);
  await store.add(message("m1", 100), message("m2", 100));
  files.fail({ operation: "sync", path: /00000001\.done$/, code: "EIO" });
  await clock.advance(10 * MINUTE + 1);
  return { runtime, store, now: clock.now() };
}

Deno.test("update() of a message that is in its segment and in its files outlives a crash", async () => {
  const { runtime, store, now } = await halfMoved();
  const claim = (await store.claimById("m1", now))!;
  await store.update(claim, { ...claim.entry, dsnEnvelopeId: "updated" });
  const after = await open(runtime.reboot("lost"));
  assertEquals((await after.get("m1"))?.dsnEnvelopeId, "updated");
  assertEquals(await ids(after), ["m1", "m2"]);
});

Deno.test("openSpool() does not need room on the disk for what a crash left half moved", async () => {
  const { runtime: before } = await halfMoved();
  const runtime = before.reboot("kept");
  const { files: { disk }, clock } = runtime;
  disk.capacity = 1; // less than is used
  const events: MtaEvent[] = [];
  const store = await open(runtime, events);
  assertEquals(types(events), ["queue.trouble", "queue.opened"]);
  assertEquals(idsOf(await store.claim(clock.now(), 9)), ["m1", "m2"]);
  disk.capacity = Infinity;
  await clock.advance(MINUTE);
  for await (const { name } of runtime.files.list(`${DIRECTORY}/segments`)) {
    throw new Error(`${name} is still there`);
  }
});

Deno.test("settle() that is repeated does not bear again what is done already", async () => {
  const runtime = memoryRuntime();
  const { files, clock } = runtime;
  const store = await open(runtime);
  await store.add(message("m1", LARGE));
  const claim = (await store.claimById("m1", clock.now()))!;
  const born = [message("notice", 10)];
  files.fail({ operation: "rename", path: /m1\.json$/, code: "EIO" });
  await assertRejects(() => store.settle(claim, null, born));
  const [notice] = await store.claim(clock.now(), 9);
  assertEquals(notice?.entry.id, "notice");
  await store.settle(notice!, null);
  await store.settle(claim, null, born);
  assertEquals(await ids(store), []);
});

Deno.test("update() and settle() after close() touch nothing: another process may have the spool", async () => {
  const runtime = memoryRuntime();
  const { files, clock } = runtime;
  const store = await open(runtime);
  await store.add(message("large", LARGE));
  await store.add(message("small", 10));
  const claims = await store.claim(clock.now(), 9);
  await store.close();
  const { calls } = files;
  for (const claim of claims) {
    await assertRejects(() => store.settle(claim, null), Error, "the queue is closed");
    await assertRejects(() => store.update(claim, claim.entry), Error, "the queue is closed");
  }
  assertEquals(files.calls, calls);
});

Deno.test("claim() passes over a damaged message that cannot be set aside", async () => {
  const runtime = memoryRuntime();
  const { files, clock } = runtime;
  const events: MtaEvent[] = [];
  const store = await open(runtime, events);
  await store.add(message("bad", LARGE));
  await store.add(message("good", LARGE));
  const file = await files.open(`${DIRECTORY}/deferred/19700101T0000/bad.json`, { write: true });
  await file.write(encode("?"));
  failAlways(runtime, "makeDirectory", /damaged$/, "ENOSPC");
  assertEquals(idsOf(await store.claim(clock.now(), 9)), ["good"]);
  assertEquals(types(events), ["queue.opened", "queue.trouble"]);
  await store.add(message("later", LARGE));
  assertEquals(idsOf(await store.claim(clock.now(), 9)), ["later"]);
  assert(store.nextDue() > clock.now(), "it must not be asked for in a circle");
});

Deno.test("claim() gives what it has claimed though deferred mail cannot be read", async () => {
  const runtime = memoryRuntime();
  const { clock } = runtime;
  const events: MtaEvent[] = [];
  const store = await open(runtime, events);
  for (let i = 0; i < 20; i++) await store.add(message(`old${i}`, LARGE));
  await store.add(message("fresh", 10));
  failAlways(runtime, "open", /old\d+\.json$/, "EMFILE");
  assertEquals(idsOf(await store.claim(clock.now(), 99)), ["fresh"]);
  await assertRejects(() => store.claim(clock.now(), 99), SystemError);
});

Deno.test("claim() of one at a time gives deferred mail its share too", async () => {
  const runtime = memoryRuntime();
  const { clock } = runtime;
  const store = await open(runtime, [], { segmentSize: 1_000_000 });
  for (let i = 0; i < 2; i++) await store.add(message(`old${i}`, LARGE));
  for (let i = 0; i < 10; i++) await store.add(message(`new${i}`, 10));
  const order: string[] = [];
  for (let i = 0; i < 12; i++) {
    const [claim] = await store.claim(clock.now(), 1);
    order.push(claim!.entry.id.slice(0, 3));
  }
  assertEquals(order.slice(0, 8), ["new", "new", "new", "old", "new", "new", "new", "old"]);
});

Deno.test("messages that cannot be moved do not keep others from it", async () => {
  const runtime = memoryRuntime();
  const { clock, files } = runtime;
  const store = await open(runtime, [], { segmentSize: 1_000_000, lease: 60 * MINUTE });
  for (let i = 0; i < 12; i++) await store.add(message(`m${i}`, 10));
  failAlways(runtime, "open", /\/m[0-8]\.new$/, "EIO");
  await clock.advance(12 * MINUTE);
  const moved: string[] = [];
  for await (const { name } of files.list(`${DIRECTORY}/deferred/19700101T0000`)) moved.push(name);
  assertEquals(moved.sort(), ["m10.json", "m11.json", "m9.json"]);
});

Deno.test("openSpool() leaves no file open where it fails", async () => {
  const before = memoryRuntime();
  const first = await open(before);
  await first.add(message("m1", 100), message("m2", 100));
  failAlways(before, "sync", /\.done$/, "EIO");
  await before.clock.advance(11 * MINUTE); // both lie in files too, which no journal says

  const runtime = before.reboot("kept");
  // By then it has noted that m1 was moved.
  failAlways(runtime, "stat", /\/m2\./, "EIO");
  await assertRejects(() => open(runtime), SystemError, "m2");
  assertEquals(runtime.files.handles, 0);
  runtime.files.onCall = () => {};
  assertEquals(await ids(await open(runtime)), ["m1", "m2"]);
});

Deno.test("what a failing disk is owed is tried again after a while, not without end", async () => {
  const before = memoryRuntime();
  const first = await open(before);
  for (let i = 0; i < 4; i++) await first.add(message(`m${i}`, 2900)); // a segment each
  failAlways(before, "sync", /\.done$/, "EIO");
  await before.clock.advance(11 * MINUTE); // all lie in files too, which no journal says

  const runtime = before.reboot("kept");
  const { clock, files } = runtime;
  let failures = 0;
  const fail = (spared: readonly FileOperation[]) => {
    files.onCall = ({ operation, path }) => {
      if (!path.includes("/segments/") || spared.includes(operation)) return;
      // A loop without end must fail this test, not hang it.
      if (++failures < 10_000) throw new SystemError("EIO", path);
    };
  };
  fail(["open", "read", "seek", "list"]);
  const store = await open(runtime);
  fail([]);
  await clock.advance(5 * MINUTE);
  assert(failures > 20 && failures < 500, `${failures} failures in five minutes`);
  files.onCall = () => {};
  await clock.advance(5 * MINUTE);
  for await (const { name } of files.list(`${DIRECTORY}/segments`)) {
    throw new Error(`${name} is still there`);
  }
  assertEquals(await ids(store), ["m0", "m1", "m2", "m3"]);
});

for (const operation of ["open", "read"] as const) {
  Deno.test(`openSpool() goes on when ${operation} fails for a segment or a journal`, async () => {
    let runtime = memoryRuntime();
    const store = await open(runtime);
    await store.add(message("m1", 2900)); // fills the first segment
    const claim = (await store.claimById("m1", runtime.clock.now()))!;
    await store.update(claim, claim.entry);
    await store.add(message("m2", 2900));
    for (const path of [/1\.log$/, /1\.done$/]) {
      const left = path.test("1.log") ? ["m2"] : ["m1", "m2"];
      runtime = runtime.reboot("kept");
      const events: MtaEvent[] = [];
      failAlways(runtime, operation, path, "EIO");
      const after = await open(runtime, events);
      assertEquals(await ids(after), left);
      assert(events[0]?.type === "queue.damaged" && events[0].reason === "cannot be read: EIO");
      await after.add(message("m3", 10));
      await after.close();
      runtime.files.onCall = () => {};
      const healed = await open(runtime);
      assertEquals(await ids(healed), ["m1", "m2", "m3"]);
      await healed.settle((await healed.claimById("m3", runtime.clock.now()))!, null);
      await healed.close();
    }
  });
}

Deno.test("openSpool() goes on when a segment can only be read in part, and keeps it", async () => {
  const before = memoryRuntime();
  const store = await open(before, [], { segmentSize: 9_000_000 });
  for (let i = 0; i < 8; i++) await store.add(message(`m${i}`, 200_000));
  const runtime = before.reboot("kept");
  const { files, clock } = runtime;
  // It is read a MiB at a time, after a look at its first line.
  files.fail({ operation: "read", path: /\.log$/, call: 3, code: "EIO" });
  const events: MtaEvent[] = [];
  const after = await open(runtime, events);
  assertEquals(types(events), ["queue.damaged", "queue.opened"]);
  assertEquals(await ids(after), ["m0", "m1", "m2", "m3", "m4"]);
  for (const claim of await after.claim(clock.now(), 99)) await after.settle(claim, null);
  await after.close();
  assertEquals(await ids(await open(runtime)), ["m5", "m6", "m7"]);
});

Deno.test("openSpool() goes on when a folder of deferred mail cannot be listed", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  await store.add(message("large", LARGE));
  await store.add(message("small", 10));
  const runtime = before.reboot("kept");
  runtime.files.fail({ operation: "list", path: /deferred\/\w+$/, code: "EIO" });
  const events: MtaEvent[] = [];
  const after = await open(runtime, events);
  assertEquals(types(events), ["queue.trouble", "queue.opened"]);
  assertEquals(await ids(after), ["large", "small"]);
});

const UNREADABLE: readonly (readonly [string, Partial<QueueEntry>])[] = [
  ["an id that is a path", { id: "../../x" }],
  ["an id of two lines", { id: "m1\nffffffff done 1 m1" }],
  ["a time that is none", { received: NaN }],
  ["a next attempt that is none", { recipients: [recipient({ next: NaN })] }],
  ["a negative size", { headSize: -1 }],
];

for (const [name, changes] of UNREADABLE) {
  Deno.test(`add() refuses ${name}, rather than to lose the message at the next start`, async () => {
    for (const size of [10, LARGE]) {
      const runtime = memoryRuntime();
      const store = await open(runtime);
      await assertRejects(() => store.add(message("m1", size, changes)), RangeError);
      assertEquals(await ids(store), []);
    }
  });
}

Deno.test("add() keeps what a quota, or an answer of any number, can be", async () => {
  const before = memoryRuntime();
  const store = await open(before);
  const quota = { bytes: 1.1 * 1024 ** 3, messages: Infinity };
  const history = [{ time: 1, reply: { code: 150, lines: [] } }];
  const mailbox = { domain: "example.org", user: "alice", quota };
  await store.add(message("m1", 10, { recipients: [recipient({ mailbox, history })] }));
  const entry = await (await open(before.reboot("kept"))).get("m1");
  assertEquals(entry?.recipients[0]?.mailbox?.quota, { bytes: quota.bytes });
  assertEquals(entry?.recipients[0]?.history, history);
});
