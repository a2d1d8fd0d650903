import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import fc from "fast-check";
import { decode, encode } from "../../../src/bytes.ts";
import { nextAttempt, type QueueEntry } from "../../../src/queue/entry.ts";
import { BodyStore } from "../../../src/queue/body_store.ts";
import type { MessageFiles } from "../../../src/queue/spool/message_files.ts";
import { formatMessageJson } from "../../../src/queue/spool/message_json.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import { MemoryClock } from "../../../src/runtime/memory_clock.ts";
import type { FileOperation } from "../../../src/runtime/memory_files.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { SystemError } from "../../../src/runtime/system_error.ts";
import { codeOf } from "../../support/connections.ts";
import {
  allFiles,
  bodyOf,
  HEAD,
  HELD,
  HOUR,
  listAll,
  message,
  MINUTE,
  NOW,
  openFiles,
  readBody,
  sourceOf,
  takeDue,
  waiting,
} from "./message_files_support.ts";

async function newSpool(options: { window?: number } = {}) {
  const runtime = memoryRuntime({ now: NOW });
  return { ...runtime, ...await openFiles(runtime, options), runtime };
}

/** Where a body lies: the digit comes from the id alone. */
const body = (id: string) => new RegExp(`^bodies/[0-9a-f]/${id}\\.msg$`);

Deno.test("put() makes an entry in the folder of its next attempt, and a body", async () => {
  const { spool, files } = await newSpool();
  await spool.put(
    message("a", Date.UTC(2026, 10, 22, 20, 19, 59, 999)),
    message("b", Date.UTC(2026, 10, 22, 20, 20)),
    message("at-once", 0),
    message("etrn", Infinity),
    message("held", NOW, HELD),
  );
  const found = await allFiles(files);
  assertEquals(found.filter((path) => !path.startsWith("bodies/")), [
    "deferred/19700101T0000/at-once.json",
    "deferred/20261122T2010/a.json",
    "deferred/20261122T2020/b.json",
    "deferred/99991231T2350/etrn.json",
    "held/held.json",
  ]);
  assertEquals(found.filter((path) => path.startsWith("bodies/")).length, 5);
  assert(found.some((path) => body("a").test(path)));
  const document = JSON.parse(
    decode(await files.readFile("/spool/deferred/20261122T2010/a.json")),
  );
  assertEquals(document.head, ["Subject: café", "X-Folded: a", "\tb", ""]);
  assertEquals(document.entry.id, "a");
});

Deno.test("open() gives the message, get() the entry", async () => {
  const { spool } = await newSpool();
  await spool.put(message("a", NOW), message("held", NOW, HELD));
  for (const id of ["a", "held"]) {
    const source = await spool.open(id);
    assertEquals(source.head, HEAD);
    assertEquals(source.received, Date.UTC(2026, 0, 1));
    assertEquals(await readBody(source), bodyOf(id));
  }
  assertEquals(await spool.get("a"), waiting("a", NOW));
  for (const id of ["none", "../held/held", ""]) {
    assertEquals(await spool.get(id), null);
    assertEquals(await spool.has(id), false);
    assertEquals(await codeOf(spool.open(id)), "ENOENT");
  }
  assertEquals(await codeOf(spool.replace(waiting("none", NOW))), "ENOENT");
  await spool.remove("none");
});

Deno.test("files are 0600 and folders 0700", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const { files } = denoRuntime();
    const { spool } = await openFiles({ files, clock: new MemoryClock(NOW) }, {
      directory: `${directory}/spool`,
    });
    await spool.put(message("a", NOW), message("b", NOW + HOUR));
    await spool.replace(waiting("a", NOW + 2 * HOUR));
    await spool.remove("b");
    const seen: string[] = [];
    const walk = (path: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(path)) {
        const { mode } = Deno.statSync(`${path}/${name}`);
        assertEquals(mode! & 0o777, isDirectory ? 0o700 : 0o600, `${path}/${name}`);
        seen.push(name);
        if (isDirectory) walk(`${path}/${name}`);
      }
    };
    walk(directory);
    assert(["a.json", "a.msg", "b.gone", "20261122T2210"].every((name) => seen.includes(name)));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("put() passes over what is there, also within one call and at the same time", async () => {
  const { spool, files } = await newSpool();
  const other = { ...message("a", NOW + HOUR), source: sourceOf(encode("another one")) };
  await spool.put(message("a", NOW), other);
  await spool.put(other);
  await Promise.all([
    spool.put(message("b", NOW), message("c", NOW)),
    spool.put(message("c", NOW + HOUR), message("b", NOW + HOUR)),
  ]);
  assertEquals((await allFiles(files)).length, 6);
  assertEquals(await readBody(await spool.open("a")), bodyOf("a"));
  assertEquals(await spool.count(), 3);
});

Deno.test("put() moves a body that is a file, and copies it for a second message", async () => {
  const { spool, files, random } = await newSpool();
  const store = new BodyStore({ files, random, directory: "/incoming", memory: 0 });
  await store.prepare();
  const incoming = store.create()!;
  await incoming.write(bodyOf("a"));
  await incoming.finish();
  const source = {
    head: HEAD,
    bodySize: incoming.size,
    openBody: () => incoming.open(),
    moveBody: (path: string) => incoming.move(path),
  };
  await spool.put({ entry: waiting("a", NOW), source });
  assertEquals(await allFiles(files, "/incoming"), []);
  const second = waiting("b", NOW, { bodySize: incoming.size });
  await spool.put({ entry: second, source });
  await incoming.dispose();
  for (const id of ["a", "b"]) assertEquals(await readBody(await spool.open(id)), bodyOf("a"));
});

Deno.test("put() of a body of another size than it says fails", async () => {
  const { spool, files } = await newSpool();
  for (const size of [bodyOf("a").length - 1, bodyOf("a").length + 1]) {
    const source = { ...sourceOf(bodyOf("a")), bodySize: size };
    await assertRejects(() => spool.put({ entry: waiting("a", NOW), source }), Error, "octets");
  }
  assertEquals(await allFiles(files), []);
});

const OPERATIONS: readonly FileOperation[] = [
  "open",
  "write",
  "sync",
  "rename",
  "remove",
  "makeDirectory",
  "stat",
  "syncDirectory",
];

Deno.test("put() that fails anywhere leaves nothing, and can be repeated", async () => {
  let failures = 0;
  for (const operation of OPERATIONS) {
    for (let call = 1;; call++) {
      const { spool, files } = await newSpool();
      files.fail({ operation, call, code: "ENOSPC" });
      const put = () => spool.put(message("a", NOW), message("b", NOW + HOUR));
      const failed = await put().then(() => false, () => true);
      // The fault that was ordered may still be to come: it is not, after so many calls.
      if (!failed) break;
      failures++;
      assertEquals(await allFiles(files), [], `${operation} ${call}`);
      await put();
      assertEquals([...(await listAll(spool)).keys()].sort(), ["a", "b"]);
    }
  }
  assert(failures > 20, `${failures} failures`);
});

Deno.test("replace() or remove() that fails anywhere leaves one entry and can be repeated", async () => {
  const changes: readonly (readonly [string, QueueEntry | null])[] = [
    ["later", waiting("a", NOW + 5 * HOUR)],
    ["sooner", waiting("a", NOW - 5 * HOUR)],
    ["held", waiting("a", NOW, HELD)],
    ["in place", waiting("a", NOW + MINUTE)],
    ["removed", null],
  ];
  let failures = 0;
  for (const [name, next] of changes) {
    for (const operation of OPERATIONS) {
      for (let call = 1;; call++) {
        const { spool, files } = await newSpool();
        await spool.put(message("a", NOW));
        // EIO of a read would set the entry aside.
        files.fail({ operation, call, code: "EMFILE" });
        const change = () => next === null ? spool.remove("a") : spool.replace(next);
        const failed = await change().then(() => false, () => true);
        if (!failed) break;
        failures++;
        const what = `${name}: ${operation} ${call}`;
        const entries = (await allFiles(files)).filter((path) => path.endsWith("/a.json"));
        assertEquals(entries.length, 1, what);
        assertEquals(await readBody(await spool.open("a")), bodyOf("a"), what);
        await change();
        assertEquals(await spool.get("a"), next, what);
      }
    }
  }
  assert(failures > 30, `${failures} failures`);
});

Deno.test("replace() moves the entry and leaves the body where it is", async () => {
  const { spool, files } = await newSpool();
  await spool.put(message("a", NOW));
  const bodies = (await allFiles(files)).filter((path) => path.startsWith("bodies/"));
  const places: readonly (readonly [QueueEntry, string])[] = [
    [waiting("a", NOW + HOUR), "deferred/20261122T2110/a.json"],
    [waiting("a", NOW + HOUR + 1), "deferred/20261122T2110/a.json"],
    [waiting("a", NOW - HOUR), "deferred/20261122T1910/a.json"],
    [waiting("a", NOW, HELD), "held/a.json"],
    [waiting("a", NOW), "deferred/20261122T2010/a.json"],
  ];
  for (const [entry, path] of places) {
    await spool.replace(entry);
    assertEquals(await allFiles(files), [...bodies, path]);
    assertEquals(await spool.get("a"), entry);
  }
  assertEquals(await readBody(await spool.open("a")), bodyOf("a"));
});

Deno.test("replace() stands even when the entry cannot be moved; it is moved when it is met", async () => {
  const { spool, files } = await newSpool();
  await spool.put(message("a", NOW));
  files.fail({ operation: "makeDirectory", path: /T2210/, code: "ENOSPC" });
  await spool.replace(waiting("a", NOW + 2 * HOUR));
  assertEquals(await spool.get("a"), waiting("a", NOW + 2 * HOUR));
  assert((await allFiles(files)).includes("deferred/20261122T2010/a.json"));
  assertEquals(await takeDue(spool, NOW + HOUR), []);
  // A fresh start does not know where it belongs, and finds out.
  const { spool: again } = await openFiles({ files, clock: new MemoryClock(NOW) });
  assertEquals(await takeDue(again, NOW + HOUR), []);
  assert((await allFiles(files)).includes("deferred/20261122T2210/a.json"));
  assertEquals(again.nextDue(() => false) > NOW + HOUR, true);
  assertEquals(await takeDue(again, NOW + 2 * HOUR), ["a"]);
});

Deno.test("a message that was removed leaves nothing, sooner or later", async () => {
  const { spool, files } = await newSpool();
  const ids = Array.from({ length: 70 }, (_, i) => `m${i}`);
  await spool.put(...ids.map((id) => message(id, NOW)));
  await Promise.all(ids.map((id) => spool.remove(id)));
  const left = await allFiles(files);
  assert(left.length < 70 && left.every((path) => path.startsWith("transit/")), `${left}`);
  assertEquals(await spool.count(), 0);
  await spool.close();
  assertEquals(await allFiles(files), []);
});

Deno.test("a message can be put again after it was removed, and stays", async () => {
  const { runtime, spool } = await newSpool();
  await spool.put(message("a", NOW));
  await spool.remove("a");
  await spool.put(message("a", NOW));
  const { spool: again } = await openFiles(runtime.reboot("kept"));
  assertEquals(await readBody(await again.open("a")), bodyOf("a"));
});

Deno.test("due() gives the most overdue folders first, and of the present one what is due", async () => {
  const { spool } = await newSpool();
  const start = Date.UTC(2026, 10, 22, 20, 10);
  await spool.put(
    message("soon", NOW + 1),
    message("now", NOW),
    message("next", start + 10 * MINUTE),
    message("old", NOW - 30 * HOUR),
    message("held", NOW - HOUR, HELD),
    message("older", NOW - 31 * HOUR),
    message("at-once", 0),
  );
  assertEquals(await takeDue(spool, NOW), ["at-once", "older", "old", "now"]);
  const soon = await takeDue(spool, NOW + 1, new Set(["at-once", "older", "old"]));
  assertEquals(soon.sort(), ["now", "soon"]);
});

Deno.test("due() reads no more than the visitor takes", async () => {
  const { spool, files } = await newSpool();
  const ids = Array.from({ length: 50 }, (_, i) => `m${i}`);
  await spool.put(...ids.map((id) => message(id, NOW - HOUR)));
  let opened = 0;
  files.onCall = ({ operation }) => void (operation === "open" && opened++);
  assertEquals((await takeDue(spool, NOW, new Set(), 3)).length, 3);
  assertEquals(opened, 3);
});

Deno.test("due() gives all of folders larger than its window, each once", async () => {
  for (const [window, limit] of [[3, 4], [4, 10], [10, 7], [1000, 5]] as const) {
    const runtime = memoryRuntime({ now: NOW });
    const { spool: writer } = await openFiles(runtime);
    const ids = Array.from({ length: 60 }, (_, i) => `m${i}`);
    await writer.put(...ids.map((id, i) => message(id, NOW - (i % 3) * HOUR)));
    const { spool } = await openFiles(runtime, { window });
    const taken = new Set<string>();
    for (let some; (some = await takeDue(spool, NOW, taken, limit)).length > 0;) {
      assert(spool.nextDue((id) => taken.has(id)) <= NOW || taken.size === 60);
      // Some are done, some deferred, some still worked on.
      for (const [i, id] of some.entries()) {
        if (i % 3 === 0) await spool.remove(id);
        if (i % 3 === 1) await spool.replace(waiting(id, NOW + HOUR));
      }
    }
    assertEquals([...taken].sort(), ids.toSorted());
    assert(spool.nextDue((id) => taken.has(id)) > NOW);
    // What was given back is found again.
    const back = (await listAll(spool)).values().find((entry) => nextAttempt(entry) <= NOW)!;
    taken.delete(back.id);
    spool.free(back.id);
    assertLessOrEqual(spool.nextDue((id) => taken.has(id)), NOW);
    assertEquals(await takeDue(spool, NOW, taken), [back.id]);
  }
});

Deno.test("what is skipped is not looked at again and again, until it is free", async () => {
  const { spool } = await newSpool();
  const ids = Array.from({ length: 50 }, (_, i) => `m${i}`);
  await spool.put(...ids.map((id) => message(id, NOW - HOUR)));
  const taken = new Set<string>();
  assertEquals((await takeDue(spool, NOW, taken)).length, 50);
  let asked = 0;
  const skip = (id: string) => (asked++, taken.has(id));
  const look = async () => {
    await spool.due(NOW, { skip, take: () => true });
    assertEquals(spool.nextDue(skip), Infinity);
  };
  await look();
  assert(asked >= 50);
  asked = 0;
  await look();
  assertEquals(asked, 0);
  taken.delete("m7");
  spool.free("m7");
  assertEquals(spool.nextDue(skip) <= NOW, true);
  assertEquals(await takeDue(spool, NOW, taken), ["m7"]);
});

Deno.test("nextDue() leads to each entry at its time, whatever the window", async () => {
  for (const window of [100, 1000]) {
    const { spool } = await newSpool({ window });
    const delays = [0, 1, 2, 3, 9, 10, 11, 65, 600, 601, 4000].map((n) => n * MINUTE + 17);
    await spool.put(...delays.map((delay, i) => message(`m${i}`, NOW + delay)));
    let now = NOW;
    let steps = 0;
    const seen: number[] = [];
    const taken = new Set<string>();
    const skip = (id: string) => taken.has(id);
    while (spool.nextDue(skip) < Infinity) {
      assert(++steps < 100);
      now = Math.max(now, spool.nextDue(skip));
      seen.push(...(await takeDue(spool, now, taken)).map(() => now - NOW));
    }
    assertEquals(seen, delays);
  }
});

Deno.test("entries that are looked at while others change them are as they are", async () => {
  const { spool } = await newSpool();
  await spool.put(message("a", NOW - HOUR));
  const next = waiting("a", NOW + HOUR);
  const [seen] = await Promise.all([takeDue(spool, NOW), spool.replace(next)]);
  // Either it was taken before, or it is not due any more; never what it was before, after.
  if (seen.length > 0) return;
  assertEquals(await takeDue(spool, NOW), []);
  assertEquals(await takeDue(spool, NOW + HOUR), ["a"]);
});

Deno.test("folders of buckets are removed when they are empty", async () => {
  const { spool, files } = await newSpool();
  await spool.put(message("a", NOW - HOUR), message("b", NOW - 2 * HOUR));
  (await files.open("/spool/deferred/20261122T1810/note.txt", { write: true, create: true }))
    .close();
  for (const id of ["a", "b"]) await spool.replace(waiting(id, NOW + HOUR));
  for (let i = 0; i < 2; i++) assertEquals(await takeDue(spool, NOW), []);
  const names: string[] = [];
  for await (const { name } of files.list("/spool/deferred")) names.push(name);
  // Somebody's note keeps its folder.
  assertEquals(names.sort(), ["20261122T1810", "20261122T2110"]);
  assertEquals(spool.nextDue(() => false), Date.UTC(2026, 10, 22, 21, 10));
  await spool.replace(waiting("a", NOW - HOUR));
  await spool.replace(waiting("b", NOW - 2 * HOUR));
  assertEquals(await takeDue(spool, NOW), ["b", "a"]);
});

Deno.test("prepare() reads the names of folders, not of messages", async () => {
  const runtime = memoryRuntime({ now: NOW });
  const { spool } = await openFiles(runtime);
  await spool.put(...Array.from({ length: 40 }, (_, i) => message(`m${i}`, NOW + i * MINUTE)));
  await spool.close();
  const { files } = runtime;
  const paths = new Set<string>();
  files.onCall = ({ operation, path }) => {
    if (operation === "list" || operation === "open") paths.add(path);
  };
  await openFiles(runtime);
  assertEquals([...paths].sort(), ["/spool/deferred", "/spool/transit"]);
});

Deno.test("list() streams: the first entry needs one folder", async () => {
  const { spool, files } = await newSpool();
  await spool.put(...Array.from({ length: 40 }, (_, i) => message(`m${i}`, NOW + i * HOUR)));
  let opened = 0;
  files.onCall = ({ operation }) => void (operation === "open" && opened++);
  for await (const _ of spool.list()) break;
  assertEquals(opened, 1);
});

Deno.test("list() shows what moves behind its back", async () => {
  const { spool } = await newSpool();
  await spool.put(message("first", NOW), message("later", NOW + 5 * HOUR), message("gone", NOW));
  const seen: string[] = [];
  for await (const { id } of spool.list()) {
    if (seen.push(id) > 1) continue;
    await spool.replace(waiting("later", NOW + 1)); // into the folder that is being read
    await spool.remove("gone");
  }
  assertEquals(seen, ["first", "later"]);
});

/** Spoils a spool of `ids` in one way; gives what is to be said of it. */
type Damage = (files: ReturnType<typeof memoryRuntime>["files"], id: string) => Promise<RegExp>;

async function overwrite(
  files: ReturnType<typeof memoryRuntime>["files"],
  path: string,
  content: Uint8Array,
): Promise<void> {
  const file = await files.open(path, { write: true, truncate: true, create: true });
  await file.write(content);
  await file.sync();
  file.close();
}

const JSON_OF = (id: string) => `/spool/deferred/20261122T1910/${id}.json`;

async function bodyPath(files: ReturnType<typeof memoryRuntime>["files"], id: string) {
  const path = (await allFiles(files)).find((path) => body(id).test(path));
  return `/spool/${path}`;
}

const DAMAGES: Record<string, Damage> = {
  "an empty entry": async (files, id) => {
    await overwrite(files, JSON_OF(id), new Uint8Array(0));
    return /checksum/;
  },
  "half an entry": async (files, id) => {
    const whole = await files.readFile(JSON_OF(id));
    await overwrite(files, JSON_OF(id), whole.subarray(0, whole.length / 2));
    return /checksum/;
  },
  "one bit in an entry": async (files, id) => {
    const whole = await files.readFile(JSON_OF(id));
    whole[300]! ^= 1;
    await overwrite(files, JSON_OF(id), whole);
    return /checksum/;
  },
  "a folder in place of an entry": async (files, id) => {
    await files.remove(JSON_OF(id));
    await files.makeDirectory(JSON_OF(id), 0o700);
    return /EISDIR/;
  },
  "another message's entry": async (files, id) => {
    await overwrite(files, JSON_OF(id), await files.readFile(JSON_OF("good")));
    return /entry of good/;
  },
  "no body": async (files, id) => {
    await files.remove(await bodyPath(files, id));
    return /no body/;
  },
  "half a body": async (files, id) => {
    const path = await bodyPath(files, id);
    await overwrite(files, path, (await files.readFile(path)).subarray(0, 5));
    return /5 octets/;
  },
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  Deno.test(`${name} is set aside with an event, and the rest goes on`, async () => {
    const { runtime, files, spool: writer } = await newSpool();
    await writer.put(message("good", NOW - HOUR), message("bad", NOW - HOUR));
    const reason = await damage(files, "bad");
    const { spool, events } = await openFiles(runtime);
    assertEquals(await takeDue(spool, NOW), ["good"]);
    assertEquals(events.length, 1);
    const [event] = events;
    assert(event?.type === "queue.damaged");
    assert(reason.test(event.reason), event.reason);
    assertEquals([event.path, event.kept, event.time], [
      JSON_OF("bad"),
      "/spool/damaged/bad.json",
      NOW,
    ]);
    assert((await files.stat("/spool/damaged/bad.json")) !== null);
    assertEquals(await spool.get("bad"), null);
    assertEquals([...(await listAll(spool)).keys()], ["good"]);
    assertEquals((await allFiles(files)).filter((path) => /bodies.*bad/.test(path)), []);
    assertEquals(events.length, 1);
  });
}

Deno.test("an entry that a disk cannot read is tried again, and set aside after ten times", async () => {
  for (const times of [9, 10]) {
    const { runtime, files, spool: writer } = await newSpool();
    await writer.put(message("good", NOW - HOUR), message("bad", NOW - HOUR));
    for (let i = 0; i < times; i++) {
      files.fail({ operation: "read", path: /bad\.json$/, code: "EIO" });
    }
    const { spool, events } = await openFiles(runtime);
    const taken: string[] = [];
    for (let i = 0; i < 10; i++) taken.push(...await takeDue(spool, NOW + i * MINUTE));
    assertEquals(taken.includes("bad"), times === 9);
    assertEquals(taken.filter((id) => id === "good").length, 10);
    const told = events.map(({ type }) => type);
    assertEquals(told.filter((type) => type === "queue.trouble").length, 9);
    assertEquals(told.filter((type) => type === "queue.damaged").length, times - 9);
    assertEquals([...(await listAll(spool)).keys()].includes("bad"), times === 9);
  }
});

Deno.test("list() goes on behind an entry that cannot be read now", async () => {
  const { files, spool } = await newSpool();
  await spool.put(message("a", NOW), message("b", NOW), message("c", NOW));
  files.fail({ operation: "read", path: /[ab]\.json$/, code: "EIO" });
  assertEquals((await listAll(spool)).size, 2);
  assertEquals((await listAll(spool)).size, 3);
});

Deno.test("an entry is not lost with the folder that it was moved out of", async () => {
  const { runtime, spool: writer } = await newSpool();
  await writer.put(message("a", NOW - HOUR));
  // A crash between the two renames of a replacement leaves an entry in the folder of before.
  const { files } = runtime;
  const next = formatMessageJson({ entry: waiting("a", NOW + HOUR), head: HEAD });
  await overwrite(files, JSON_OF("a"), next);
  // It is met there and moved on; the folder is empty, and is removed.
  const { spool } = await openFiles(runtime);
  assertEquals(await takeDue(spool, NOW), []);
  assertEquals(await files.stat(JSON_OF("a").slice(0, -"/a.json".length)), null);
  await spool.put(message("b", NOW + 2 * HOUR)); // syncs the folder of the folders
  const after = await openFiles(runtime.reboot("lost"));
  assertEquals([...(await listAll(after.spool)).keys()].sort(), ["a", "b"]);
});

Deno.test("a damaged message is met by get(), open() and list() too", async () => {
  const meet = {
    get: (spool: MessageFiles) => spool.get("bad"),
    open: (spool: MessageFiles) => codeOf(spool.open("bad")),
    list: (spool: MessageFiles) => listAll(spool),
    replace: (spool: MessageFiles) => codeOf(spool.replace(waiting("bad", NOW))),
  };
  for (const look of Object.values(meet)) {
    const { files, spool, events } = await newSpool();
    await spool.put(message("bad", NOW - HOUR), message("good", NOW - HOUR));
    await overwrite(files, JSON_OF("bad"), encode("{}"));
    await look(spool);
    assertEquals(events.map(({ type }) => type), ["queue.damaged"]);
    assertEquals(await spool.count(), 1);
  }
});

Deno.test("what is set aside under a name that is taken gets another", async () => {
  const { files, spool, events } = await newSpool();
  for (let i = 0; i < 3; i++) {
    await spool.put(message("bad", NOW - HOUR));
    await overwrite(files, JSON_OF("bad"), encode("{}"));
    assertEquals(await takeDue(spool, NOW), []);
  }
  assertEquals(
    events.map((event) => event.type === "queue.damaged" && event.kept),
    ["", ".2", ".3"].map((mark) => `/spool/damaged/bad.json${mark}`),
  );
  assertEquals((await allFiles(files)).length, 6);
});

Deno.test("trouble that passes is no damage", async () => {
  const { files, spool, events } = await newSpool();
  await spool.put(message("a", NOW - HOUR));
  files.fail({ operation: "open", path: /a\.json$/, code: "EMFILE" });
  assertEquals(await takeDue(spool, NOW), []);
  assertEquals(await takeDue(spool, NOW + MINUTE), ["a"]);
  assertEquals(events.map(({ type }) => type), ["queue.trouble"]);
});

Deno.test("due() bears the trouble of a few entries, not of the disk", async () => {
  const { files, spool, events } = await newSpool();
  for (let i = 0; i < 20; i++) await spool.put(message(`bad${i}`, NOW - HOUR));
  await spool.put(message("good", NOW - HOUR));
  files.onCall = ({ operation, path }) => {
    if (operation === "open" && path.includes("bad")) throw new SystemError("EMFILE", path);
  };
  assertEquals(await codeOf(takeDue(spool, NOW)), "EMFILE");
  assertEquals(events.length, 8);
  // Those are left alone for a while: the next ones get their turn.
  assertEquals(await codeOf(takeDue(spool, NOW + 1)), "EMFILE");
  assertEquals(await takeDue(spool, NOW + 2), ["good"]);
});

Deno.test("due() passes over a folder that cannot be listed", async () => {
  const { files, spool, events } = await newSpool();
  await spool.put(message("a", NOW - 2 * HOUR), message("b", NOW - HOUR));
  const again = await openFiles({ files, clock: new MemoryClock(NOW) });
  files.fail({ operation: "list", path: /deferred\/\w+$/, code: "EIO" });
  assertEquals(await takeDue(again.spool, NOW), ["b"]);
  assertEquals(again.spool.nextDue((id) => id === "b") > NOW, true);
  again.spool.free("b");
  assertEquals(await takeDue(again.spool, NOW + MINUTE), ["a", "b"]);
  assertEquals(again.events.map(({ type }) => type), ["queue.trouble"]);
  assertEquals(events, []);
});

Deno.test("what is set aside finds its folder though somebody removed it", async () => {
  const { files, spool, events } = await newSpool();
  for (const id of ["first", "second"]) {
    await spool.put(message(id, NOW - HOUR));
    await overwrite(files, JSON_OF(id), encode("{}"));
    assertEquals(await takeDue(spool, NOW), []);
    for (const path of await allFiles(files)) await files.remove(`/spool/${path}`);
    await files.remove("/spool/damaged");
  }
  assertEquals(events.map(({ type }) => type), ["queue.damaged", "queue.damaged"]);
});

Deno.test("a head that is not UTF-8 comes back as it was", async () => {
  const { spool } = await newSpool();
  const head = Uint8Array.from([...encode("Subject: "), ...Array(256).keys(), 13, 10]);
  const source = { ...sourceOf(bodyOf("a")), head };
  await spool.put({ entry: waiting("a", NOW, { headSize: head.length }), source });
  assertEquals((await spool.open("a")).head, head);
});

/** What can be done to one of a few messages. */
type Step = readonly [
  id: string,
  action: "put" | "replace" | "hold" | "remove" | "due" | "restart",
  minutes: number,
];

Deno.test("whatever is done, the spool holds what a map would", async () => {
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom("a", "b", "c"),
      fc.constantFrom("put", "replace", "hold", "remove", "due", "restart"),
      fc.integer({ min: -100, max: 100 }),
    ) as fc.Arbitrary<Step>,
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const runtime = memoryRuntime({ now: NOW });
      let { spool, events } = await openFiles(runtime, { window: 2 });
      const model = new Map<string, QueueEntry>();
      for (const [id, action, minutes] of script) {
        const next = waiting(id, NOW + minutes * MINUTE, action === "hold" ? HELD : {});
        switch (action) {
          case "put":
            await spool.put({ entry: next, source: sourceOf(bodyOf(id)) });
            if (!model.has(id)) model.set(id, next);
            break;
          case "replace":
          case "hold":
            assertEquals(await spool.replace(next).then(() => true, () => false), model.has(id));
            if (model.has(id)) model.set(id, next);
            break;
          case "remove":
            await spool.remove(id);
            model.delete(id);
            break;
          case "restart":
            ({ spool, events } = await openFiles(runtime, { window: 2 }));
            break;
          case "due": {
            const now = NOW + minutes * MINUTE;
            const due = model.values().filter((e) => !e.held && nextAttempt(e) <= now);
            const expected = [...due].map((e) => e.id).sort();
            if (expected.length > 0) assertLessOrEqual(spool.nextDue(() => false), now);
            assertEquals((await takeDue(spool, now)).sort(), expected);
          }
        }
        assertEquals(await spool.get(id), model.get(id) ?? null);
      }
      assertEquals(await listAll(spool), model);
      assertEquals(await spool.count(), model.size);
      assertEquals(events, []);
    }),
    { numRuns: 150 },
  );
});
