import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import { BodyStore } from "../../../src/queue/body_store.ts";
import { DeliveryError } from "../../../src/queue/local_delivery.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import type { FileCall } from "../../../src/runtime/memory_files.ts";
import { agent, ALICE, deliver, names, recipient, ROOT, source, stored, tree } from "./support.ts";

Deno.test("publish() puts the message into new/, whole, with our fields on top", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  const prepared = await delivery.prepare(source("one\r\n\r\n.two\r\n"), recipient());
  assertEquals(await names(files, `${ALICE}/new`), []);
  assertEquals((await names(files, `${ALICE}/tmp`)).length, 1);
  await prepared.publish();
  assertEquals(await names(files, `${ALICE}/tmp`), []);
  const found = await tree(files, ROOT);
  const [path = ""] = Object.keys(found);
  const size = encode(stored("one\r\n\r\n.two\r\n")).length;
  assertMatch(
    path.slice(ALICE.length),
    new RegExp(
      `^/new/1767225600\\.M\\d{6}Q[0-9a-f]{24}\\.mx\\.example\\.org,S=${size},W=${size + 7}$`,
    ),
  );
  assertEquals(found, { [path]: stored("one\r\n\r\n.two\r\n") });
});

Deno.test("prepare() and publish() cost five calls when the mailbox is known", async () => {
  const runtime = memoryRuntime();
  const delivery = agent(runtime);
  await deliver(delivery, recipient("m1"));
  const calls: FileCall[] = [];
  runtime.files.onCall = (call) => calls.push(call);
  await deliver(delivery, recipient("m2"), source("x".repeat(60_000), 500));
  assertEquals(calls.map(({ operation }) => operation), [
    "open",
    "write",
    "sync",
    "rename",
    "syncDirectory",
  ]);
});

Deno.test("prepare() makes the root and its parents where they are missing", async () => {
  const runtime = memoryRuntime();
  for (const root of ["/a/b/c/", "d", "e/f", "/g"]) {
    await deliver(agent(runtime, { root }), recipient());
    const folder = `${root.replace(/\/$/, "")}/example.org/alice`;
    assertEquals((await names(runtime.files, `${folder}/new`)).length, 1);
    assertEquals(await names(runtime.files, folder), ["cur", "new", "tmp"]);
  }
});

Deno.test("prepare() streams a large body through a bounded buffer", async () => {
  const runtime = memoryRuntime();
  let largest = 0;
  const { open } = runtime.files;
  runtime.files.open = async (...call) => {
    const file = await open.apply(runtime.files, call);
    const write = file.write.bind(file);
    file.write = (bytes) => {
      largest = Math.max(largest, bytes.buffer.byteLength);
      return write(bytes);
    };
    return file;
  };
  const body = "0123456789".repeat(7).concat("\r\n").repeat(5000);
  await deliver(agent(runtime), recipient(), source(body, 70_001));
  assertEquals(Object.values(await tree(runtime.files, `${ALICE}/new`)), [stored(body)]);
  assertEquals(largest, 64 * 1024);
});

Deno.test("prepare() writes nothing of another message where the body is given up meanwhile", async () => {
  const { files, random, ...runtime } = memoryRuntime();
  const store = new BodyStore({ files, random, directory: "/incoming" });
  await store.prepare();
  const [body, other] = [store.create()!, store.create()!];
  await body.write(new Uint8Array(200_000).fill(0x61));
  body.finish();
  files.onCall = ({ operation, path }) => {
    if (operation !== "write" || !path.includes("/tmp/")) return;
    files.onCall = () => {};
    body.dispose();
    other.write(new Uint8Array(200_000).fill(0x62));
  };
  const given = {
    head: encode("Subject: test\r\n"),
    bodySize: body.size,
    openBody: () => body.open(),
    bodyParts: () => body.parts(),
  };
  const delivery = agent({ files, random, ...runtime });
  await assertRejects(() => delivery.prepare(given, recipient()), DeliveryError);
  assertEquals(await tree(files, ROOT), {});
});

Deno.test("prepare() keeps a body of any octets at any chunk size", async () => {
  const body = "a\rb\r\r\nc\nd\r\n\r\n\r";
  for (let chunk = 1; chunk <= body.length; chunk++) {
    const runtime = memoryRuntime();
    await deliver(agent(runtime), recipient(), source(body, chunk));
    const [[path, text] = ["", ""]] = Object.entries(await tree(runtime.files, `${ALICE}/new`));
    const end = "a\rb\r\r\nc\nd\n\n\r";
    assertEquals(text, stored("") + end);
    // Four line ends of the head and three of the body grow, one of them the bare LF.
    assert(path.endsWith(`,S=${text.length},W=${text.length + 7}`), path);
  }
});

Deno.test("prepare() refuses a body of another length than told, and leaves nothing", async () => {
  for (const bodySize of [0, 7, 9, 100_000]) {
    const runtime = memoryRuntime();
    const error = await assertRejects(
      () => agent(runtime).prepare({ ...source(), bodySize }, recipient()),
      DeliveryError,
    );
    assertEquals(error.reply.code, 451);
    assertEquals(await tree(runtime.files, ROOT), {});
  }
});

Deno.test("prepare() takes a body in memory part by part where all of it goes in one write, else as a stream", async () => {
  const nobody = () => {
    throw new Error("nobody should ask");
  };
  const line = "0123456789".repeat(7).concat("\r\n");
  for (
    const lengths of [[], [1], [16_384, 16_384, 500], [1, 1, 60_000, 3], [70_000, 3], [200_000]]
  ) {
    const runtime = memoryRuntime();
    const octets = encode(line.repeat(3000)).subarray(0, lengths.reduce((sum, n) => sum + n, 0));
    let at = 0;
    const parts = lengths.map((length) => octets.subarray(at, at += length));
    const bodySize = octets.length;
    const openBody = async function* () {
      yield* parts;
    };
    const read = bodySize < 65_000
      ? { openBody: nobody, bodyParts: () => parts }
      : { openBody, bodyParts: nobody };
    const message = { ...source(""), bodySize, ...read };
    await deliver(agent(runtime), recipient(), message);
    const found = Object.values(await tree(runtime.files, `${ALICE}/new`));
    assertEquals(found, [stored(new TextDecoder().decode(octets))]);
    // One that is not as long as it says is none.
    for (const wrong of [bodySize + 1, bodySize - 1].filter((size) => size >= 0)) {
      const other = { ...message, bodySize: wrong };
      await assertRejects(() => agent(runtime).prepare(other, recipient("m2")), DeliveryError);
      assertEquals(await names(runtime.files, `${ALICE}/tmp`), []);
    }
  }
});

Deno.test("prepare() reads a body as a stream where its source has no parts of it", async () => {
  const runtime = memoryRuntime();
  await deliver(agent(runtime), recipient(), { ...source(), bodyParts: () => null });
  assertEquals(Object.values(await tree(runtime.files, `${ALICE}/new`)), [stored()]);
});

Deno.test("prepare() does not follow a body that never ends", async () => {
  const openBody = async function* () {
    for (;;) yield encode("more\r\n");
  };
  const message = { ...source(), bodySize: 100, openBody };
  await assertRejects(() => agent(memoryRuntime()).prepare(message, recipient()), DeliveryError);
});

Deno.test("publish() replaces the unread twin of a delivery that is repeated", async () => {
  const runtime = memoryRuntime();
  const received = 1_767_000_000_000;
  const message = { ...source(), received };
  await deliver(agent(runtime), recipient(), message);
  const before = await tree(runtime.files, ROOT);
  await runtime.clock.runUntil(runtime.clock.sleep(1000));
  await deliver(agent(runtime), recipient(), message);
  assertEquals(await tree(runtime.files, ROOT), before);
  await deliver(agent(runtime), recipient("m2"), message);
  await deliver(agent(runtime), recipient("m1", "bob"), message);
  assertEquals(Object.keys(await tree(runtime.files, ROOT)).length, 3);
});

Deno.test("prepare() serves many first deliveries to one new mailbox at once", async () => {
  const runtime = memoryRuntime();
  const agents = [agent(runtime), agent(runtime)];
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => deliver(agents[i % 2]!, recipient(`m${i}`))),
  );
  assertEquals((await names(runtime.files, `${ALICE}/new`)).length, 200);
  assertEquals(await names(runtime.files, `${ALICE}/tmp`), []);
});

Deno.test("prepare() writes no more at once than it was told", async () => {
  const runtime = memoryRuntime();
  const delivery = agent(runtime, { concurrency: 3 });
  let open = 0;
  let most = 0;
  runtime.files.onCall = ({ operation, path }) => {
    if (!path.includes("/tmp/")) return;
    if (operation === "open") most = Math.max(most, ++open);
    if (operation === "sync") open--;
  };
  await Promise.all(Array.from({ length: 30 }, (_, i) => deliver(delivery, recipient(`m${i}`))));
  assertEquals(most, 3);
});

Deno.test("prepare() makes a mailbox again that was removed", async () => {
  const runtime = memoryRuntime();
  const { files } = runtime;
  const delivery = agent(runtime);
  await deliver(delivery, recipient("m1"));
  await remove(ROOT);
  await deliver(delivery, recipient("m2"));
  assertEquals((await names(files, `${ALICE}/new`)).length, 1);

  // Only new/ is gone when the message is published.
  const prepared = await delivery.prepare(source(), recipient("m3"));
  await remove(`${ALICE}/new`);
  await prepared.publish();
  assertEquals((await names(files, `${ALICE}/new`)).length, 1);

  // All is gone, the written message with it.
  const lost = await delivery.prepare(source(), recipient("m4"));
  await remove(ROOT);
  const error = await assertRejects(() => lost.publish(), DeliveryError);
  assertEquals(error.reply.code, 451);
  await deliver(delivery, recipient("m4"));

  async function remove(path: string): Promise<void> {
    if ((await files.stat(path))?.kind === "directory") {
      for await (const { name } of files.list(path)) await remove(`${path}/${name}`);
    }
    await files.remove(path);
  }
});

Deno.test("discard() takes back what was prepared or published, and is harmless after that", async () => {
  const runtime = memoryRuntime();
  const delivery = agent(runtime);
  const prepared = await delivery.prepare(source(), recipient("m1"));
  await prepared.discard();
  await prepared.discard();
  assertEquals(await tree(runtime.files, ROOT), {});
  await assertRejects(() => prepared.publish(), Error, "discarded");

  const published = await delivery.prepare(source(), recipient("m2"));
  await published.publish();
  await published.publish();
  await published.discard();
  assertEquals(await tree(runtime.files, ROOT), {});

  // Read in the meantime: a reader has moved it.
  const read = await delivery.prepare(source(), recipient("m3"));
  await read.publish();
  const [name = ""] = await names(runtime.files, `${ALICE}/new`);
  await runtime.files.rename(`${ALICE}/new/${name}`, `${ALICE}/cur/${name}:2,S`);
  await read.discard();
  assertEquals(await names(runtime.files, `${ALICE}/cur`), [`${name}:2,S`]);
});

Deno.test("discard() never throws, whatever the disk does", async () => {
  const runtime = memoryRuntime();
  const prepared = await agent(runtime).prepare(source(), recipient());
  runtime.files.fail({ operation: "remove", code: "EIO" });
  await prepared.discard();
});

Deno.test("prepare() removes from tmp/ what a dead delivery left 36 hours ago", async () => {
  const runtime = memoryRuntime();
  const { files, clock } = runtime;
  await deliver(agent(runtime), recipient("m1"));
  const before = await tree(files, ROOT);
  const write = async (path: string) =>
    (await files.open(path, { write: true, createNew: true })).close();
  await write(`${ALICE}/tmp/old`);
  await write(`${ALICE}/cur/old:2,S`);
  await clock.runUntil(clock.sleep(35 * 3_600_000));
  await write(`${ALICE}/tmp/young`);
  await clock.runUntil(clock.sleep(3_600_001));
  const delivery = agent(runtime);
  await (await delivery.prepare(source(), recipient("m2"))).discard();
  assertEquals(await tree(files, ROOT), {
    ...before,
    [`${ALICE}/cur/old:2,S`]: "",
    [`${ALICE}/tmp/young`]: "",
  });
});

Deno.test("prepare() tells what is wrong and what can be done about it", async () => {
  const cases: [code: string, reply: string, log: RegExp][] = [
    ["ENOSPC", "452 4.3.1", /\/srv\/mail\/example\.org\/alice.*free space/],
    ["EDQUOT", "452 4.3.1", /free space/],
    ["EACCES", "451 4.3.5", /\/srv\/mail\/example\.org\/alice.*leave to write/],
    ["EPERM", "451 4.3.5", /leave to write/],
    ["EROFS", "451 4.3.5", /leave to write/],
    ["EIO", "451 4.3.0", /\/srv\/mail\/example\.org\/alice/],
    ["EMFILE", "451 4.3.0", /\/srv\/mail\/example\.org\/alice/],
  ];
  for (const [code, reply, log] of cases) {
    const runtime = memoryRuntime();
    runtime.files.fail({ operation: "open", code });
    const error = await assertRejects(
      () => agent(runtime).prepare(source(), recipient()),
      DeliveryError,
    );
    assertEquals(`${error.reply.code} ${error.reply.enhanced}`, reply);
    assertMatch(error.message, log);
    assert(!error.reply.lines.join().includes("/"), "the reply shows no path");
  }
});

Deno.test("prepare() passes over a temporary name that is taken", async () => {
  const runtime = memoryRuntime();
  runtime.files.fail({ operation: "open", code: "EEXIST" });
  await deliver(agent(runtime), recipient());
  assertEquals((await names(runtime.files, `${ALICE}/new`)).length, 1);
});

Deno.test("prepare() refuses a file in place of a folder", async () => {
  for (const path of ["example.org", "example.org/alice", "example.org/alice/new"]) {
    const { files, ...runtime } = memoryRuntime();
    let parent = ROOT;
    await files.makeDirectory("/srv", 0o700);
    await files.makeDirectory(ROOT, 0o700);
    for (const name of path.split("/").slice(0, -1)) {
      await files.makeDirectory(parent += `/${name}`, 0o700);
    }
    (await files.open(`${ROOT}/${path}`, { write: true, createNew: true })).close();
    const delivery = agent({ files, ...runtime });
    const error = await assertRejects(() => delivery.prepare(source(), recipient()), DeliveryError);
    assertEquals([error.reply.code, error.reply.enhanced], [451, "4.2.0"]);
    assertMatch(error.message, new RegExp(`^${ROOT}/${path} is a file, not a folder`));
    // Put right, it goes on without a restart.
    await files.remove(`${ROOT}/${path}`);
    await deliver(delivery, recipient());
  }
});

Deno.test("a full disk gives 452 4.3.1 and room again gives delivery", async () => {
  const runtime = memoryRuntime();
  const { disk } = runtime.files;
  const delivery = agent(runtime);
  disk.capacity = 500;
  const error = await assertRejects(
    () => delivery.prepare(source("x".repeat(1000)), recipient()),
    DeliveryError,
  );
  assertEquals([error.reply.code, error.reply.enhanced], [452, "4.3.1"]);
  assertEquals(await tree(runtime.files, ROOT), {});
  disk.capacity = Infinity;
  await deliver(delivery, recipient(), source("x".repeat(1000)));
  assertEquals(Object.values(await tree(runtime.files, ROOT)), [stored("x".repeat(1000))]);
});
