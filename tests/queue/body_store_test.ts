import { assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { concat } from "../../src/bytes.ts";
import { type Body, BodyStore } from "../../src/queue/body_store.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";

const KIB = 1024;

async function newStore(options: { memory?: number; openFiles?: number } = {}) {
  const { files, random } = memoryRuntime();
  const store = new BodyStore({ files, random, directory: "/spool/incoming", ...options });
  await store.prepare();
  const names = async () => {
    const found: string[] = [];
    for await (const { name } of files.list("/spool/incoming")) found.push(name);
    return found;
  };
  return { files, store, names };
}

/** Octets that tell their place. */
function octets(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31) % 251);
}

async function write(body: Body, bytes: Uint8Array, step: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += step) {
    const piece = bytes.slice(at, at + step);
    await body.write(piece);
    piece.fill(0xff); // the store must not keep the view
  }
  await body.finish();
}

async function read(body: Body): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of body.open()) parts.push(part.slice());
  return concat(parts);
}

Deno.test("a body comes back as it went in, from memory or file, more than once", async () => {
  const { store } = await newStore();
  for (const length of [0, 1, 16 * KIB, 16 * KIB + 1, 1000 * KIB, 2048 * KIB, 2048 * KIB + 1]) {
    for (const step of [777, 64 * KIB]) {
      const body = store.create()!;
      const bytes = octets(length);
      await write(body, bytes, step);
      assertEquals(body.size, length);
      assertEquals(await read(body), bytes);
      assertEquals(await read(body), bytes);
      await body.dispose();
    }
  }
  assertEquals(store.memoryUsed, 0);
});

Deno.test("a body over 2 MiB goes to a file and frees its memory", async () => {
  const { store, names } = await newStore();
  const body = store.create()!;
  await write(body, octets(2048 * KIB), 4096);
  assertEquals([store.memoryUsed, await names()], [2048 * KIB, []]);
  await body.write(octets(1));
  assertEquals(store.memoryUsed, 0);
  assertEquals((await names()).length, 1);
  await body.dispose();
  assertEquals(await names(), []);
});

Deno.test("tiny chunks do not cost more than their octets", async () => {
  const { store } = await newStore();
  const body = store.create()!;
  await write(body, octets(20 * KIB), 1);
  assertEquals(store.memoryUsed, 32 * KIB);
});

Deno.test("all bodies in memory share one budget; the others go to files", async () => {
  const { store, names } = await newStore({ memory: 1024 * KIB });
  const bodies = Array.from({ length: 20 }, () => store.create()!);
  const bytes = octets(200 * KIB);
  for (const body of bodies) await write(body, bytes, 10_000);
  assertLessOrEqual(store.memoryUsed, 1024 * KIB);
  assertEquals((await names()).length, 16);
  for (const body of bodies) assertEquals(await read(body), bytes);
  for (const body of bodies) await body.dispose();
  assertEquals(store.memoryUsed, 0);
  assertEquals(await names(), []);
});

Deno.test("a body over 256 KiB leaves an eighth of the memory to small ones", async () => {
  const { store, names } = await newStore({ memory: 1024 * KIB });
  const large = store.create()!;
  await write(large, octets(896 * KIB), 16 * KIB);
  assertEquals([store.memoryUsed, await names()], [896 * KIB, []]);
  const small = [store.create()!, store.create()!];
  for (const body of small) await write(body, octets(48 * KIB), 16 * KIB);
  assertEquals([store.memoryUsed, await names()], [992 * KIB, []]);
  await large.write(octets(1));
  assertEquals([store.memoryUsed, (await names()).length], [96 * KIB, 1]);
});

Deno.test("resize() changes the budget of bodies to come, and of those on their way", async () => {
  const { store, names } = await newStore({ memory: 64 * KIB });
  const bodies = [store.create()!, store.create()!, store.create()!];
  await write(bodies[0]!, octets(48 * KIB), 4 * KIB);
  store.resize(16 * KIB);
  await write(bodies[1]!, octets(16 * KIB), 4 * KIB);
  assertEquals([store.memoryUsed, (await names()).length], [48 * KIB, 1]);
  store.resize();
  await write(bodies[2]!, octets(128 * KIB), 4 * KIB);
  assertEquals([store.memoryUsed, (await names()).length], [176 * KIB, 1]);
  for (const body of bodies) await body.dispose();
  assertEquals([store.memoryUsed, (await names()).length], [0, 0]);
});

Deno.test("create() gives null when too many bodies are in files", async () => {
  const { store } = await newStore({ memory: 0, openFiles: 2 });
  const bodies = [store.create()!, store.create()!];
  for (const body of bodies) await write(body, octets(10), 10);
  assertEquals(store.create(), null);
  await bodies[0]!.dispose();
  assertEquals(store.create() === null, false);
});

Deno.test("a body whose file cannot be written says so and leaves nothing", async () => {
  const { files, store, names } = await newStore({ memory: 0 });
  files.fail({ operation: "write", code: "ENOSPC" });
  const body = store.create()!;
  await assertRejects(async () => await body.write(octets(10)), Error, "write");
  await body.dispose();
  assertEquals(await names(), []);
});

Deno.test("a body that is gone is not read from blocks that hold another", async () => {
  const { store } = await newStore();
  const body = store.create()!;
  await write(body, octets(100 * KIB), 4096);
  const reading = body.open()[Symbol.asyncIterator]();
  await reading.next();
  await body.dispose();
  await assertRejects(() => reading.next(), Error, "gone");
});

Deno.test("heads share a budget of their own", async () => {
  const { store } = await newStore({ memory: 1024 * KIB });
  assertEquals(store.reserveHead(200 * KIB), true);
  assertEquals(store.reserveHead(57 * KIB), false);
  store.releaseHead(200 * KIB);
  assertEquals(store.reserveHead(256 * KIB), true);
});

Deno.test("prepare() makes the folder and removes what an earlier process left", async () => {
  const { files, store, names } = await newStore({ memory: 0 });
  await write(store.create()!, octets(10), 10); // never disposed of, as by a crash
  const other = await files.open("/spool/incoming/keep.txt", { create: true, write: true });
  other.close();
  await store.prepare();
  assertEquals(await names(), ["keep.txt"]);
});

Deno.test("move() gives the file away, synced, and reads it where it went", async () => {
  const { files, random, reboot } = memoryRuntime();
  const store = new BodyStore({ files, random, directory: "/incoming", memory: 0, openFiles: 1 });
  await store.prepare();
  await files.makeDirectory("/kept", 0o700);
  await files.syncDirectory("/");
  const body = store.create()!;
  const bytes = octets(100 * KIB);
  await write(body, bytes, 4096);
  assertEquals(await body.move("/kept/1.msg"), true);
  assertEquals(await read(body), bytes);
  for await (const { name } of files.list("/incoming")) assertEquals(name, null);
  // The next owner's copy must not be taken from the first.
  assertEquals(await body.move("/kept/2.msg"), false);
  assertEquals(store.create() === null, false); // it is not counted any more
  await body.dispose();
  await files.syncDirectory("/kept");
  assertEquals(await reboot("lost").files.readFile("/kept/1.msg"), bytes);
});

Deno.test("move() gives false for a body in memory and where the file cannot go", async () => {
  const { files, store, names } = await newStore();
  const small = store.create()!;
  await write(small, octets(10), 10);
  assertEquals(await small.move("/spool/small.msg"), false);
  const large = store.create()!;
  await write(large, octets(300 * KIB), 4096);
  files.fail({ operation: "rename", code: "EXDEV" });
  assertEquals(await large.move("/spool/large.msg"), false);
  assertEquals(await read(large), octets(300 * KIB));
  await large.dispose();
  assertEquals(await large.move("/spool/large.msg"), false);
  assertEquals(await names(), []);
});

Deno.test("move() fails when the file cannot be synced, and the body stays", async () => {
  const { files, store, names } = await newStore({ memory: 0 });
  const body = store.create()!;
  await write(body, octets(10), 10);
  files.fail({ operation: "sync", code: "EIO" });
  await assertRejects(() => body.move("/spool/1.msg"), Error, "sync");
  assertEquals((await names()).length, 1);
  await body.dispose();
  assertEquals(await names(), []);
});
