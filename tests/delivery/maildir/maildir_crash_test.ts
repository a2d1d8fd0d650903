import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DeliveryError } from "../../../src/queue/local_delivery.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { SystemError } from "../../../src/runtime/system_error.ts";
import { agent, ALICE, deliver, names, recipient, ROOT, source, stored, tree } from "./support.ts";

const QUOTA = { bytes: 1_000_000, messages: 1000 };
const BODY = "Line.\r\n".repeat(20_000);

/** A message of several writes, first and only mail of a new mailbox. */
function first(runtime: MemoryRuntime): Promise<void> {
  return deliver(agent(runtime), recipient("m2", "alice", QUOTA), source(BODY, 10_000));
}

/** How many calls it takes when nothing happens. */
async function callsOf(work: (runtime: MemoryRuntime) => Promise<void>): Promise<number> {
  const runtime = memoryRuntime();
  await work(runtime);
  return runtime.files.calls;
}

Deno.test("after a crash at any point the mail is whole in new/ or not there", async () => {
  const calls = await callsOf(first);
  assert(calls > 20);
  const seen = new Set<string>();
  for (let at = 1; at <= calls; at++) {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const runtime = memoryRuntime({ seed });
      let after: MemoryRuntime | null = null;
      const reboot = () => after ??= runtime.reboot(seed === 1 ? "lost" : "torn");
      runtime.files.onCall = () => {
        if (runtime.files.calls === at) reboot();
      };
      await assertRejects(() => first(runtime), DeliveryError);
      const { files } = reboot();
      for (const folder of ["new", "cur"]) {
        const found = Object.values(await tree(files, `${ALICE}/${folder}`));
        for (const text of found) assertEquals(text, stored(BODY));
        if (folder === "new") seen.add(`${found.length}`);
      }
    }
  }
  // Both happen, else this test has looked at nothing.
  assertEquals(seen, new Set(["0", "1"]));
});

Deno.test("what publish() has resolved for survives every later crash, folders included", async () => {
  for (const quota of [undefined, QUOTA]) {
    for (const unsynced of ["lost", "torn"] as const) {
      const runtime = memoryRuntime();
      const delivery = agent(runtime);
      await deliver(delivery, recipient("m1", "alice", quota));
      const { files } = runtime.reboot(unsynced);
      assertEquals(Object.values(await tree(files, `${ALICE}/new`)), [stored()]);
      assertEquals((await files.stat(`${ALICE}/cur`))?.kind, "directory");
      assertEquals((await files.stat(`${ALICE}/tmp`))?.kind, "directory");
    }
  }
});

Deno.test("what was delivered before stays, wherever the next delivery is cut off", async () => {
  const both = async (runtime: MemoryRuntime) => {
    const delivery = agent(runtime);
    await deliver(delivery, recipient("m1"));
    await Promise.all(["m2", "m3"].map((id) => deliver(delivery, recipient(id))));
  };
  const alone = await callsOf((runtime) => deliver(agent(runtime), recipient("m1")));
  const calls = await callsOf(both);
  for (let at = alone + 1; at <= calls; at++) {
    const runtime = memoryRuntime({ seed: at });
    let after: MemoryRuntime | null = null;
    runtime.files.onCall = () => {
      if (runtime.files.calls === at) after ??= runtime.reboot();
    };
    await assertRejects(() => both(runtime), DeliveryError);
    const found = Object.values(await tree(after!.files, `${ALICE}/new`));
    assert(found.length >= 1);
    for (const text of found) assertEquals(text, stored());
  }
});

Deno.test("a folder another process made and did not sync is durable before publish() resolves", async () => {
  const runtime = memoryRuntime();
  const mailbox = [ALICE, `${ALICE}/tmp`, `${ALICE}/new`, `${ALICE}/cur`];
  for (const path of ["/srv", ROOT, `${ROOT}/example.org`, ...mailbox]) {
    await runtime.files.makeDirectory(path, 0o700);
  }
  await deliver(agent(runtime), recipient());
  const { files } = runtime.reboot("lost");
  assertEquals(Object.values(await tree(files, `${ALICE}/new`)), [stored()]);
});

Deno.test("a delivery repeated after a crash leaves one message", async () => {
  const message = { ...source(), received: 1_767_000_000_000 };
  const runtime = memoryRuntime();
  await deliver(agent(runtime), recipient(), message);
  const after = runtime.reboot();
  await deliver(agent(after), recipient(), message);
  assertEquals(Object.values(await tree(after.files, `${ALICE}/new`)), [stored()]);
});

for (const code of ["EIO", "ENOSPC", "EACCES"]) {
  Deno.test(`${code} at any call leaves nothing behind and is told`, async () => {
    const calls = await callsOf(first);
    let failed = 0;
    for (let at = 1; at <= calls; at++) {
      const runtime = memoryRuntime();
      const { files } = runtime;
      let where = "";
      files.onCall = ({ operation, path }) => {
        if (files.calls !== at) return;
        where = `${operation} ${path}`;
        throw new SystemError(code, `${path}: made to fail`);
      };
      const error = await first(runtime).then(() => null, (error) => error);
      files.onCall = () => {};
      assertEquals(await names(files, `${ALICE}/tmp`), [], where);
      const arrived = Object.values(await tree(files, `${ALICE}/new`));
      if (error === null) {
        // Only what keeps the books may fail unnoticed.
        assertMatch(where, /maildirsize|^list .*\/tmp$/);
        assertEquals(arrived, [stored(BODY)]);
        continue;
      }
      failed++;
      assertEquals(arrived, [], where);
      assert(error instanceof DeliveryError, where);
      const expected = { EIO: "451 4.3.0", ENOSPC: "452 4.3.1", EACCES: "451 4.3.5" }[code];
      assertEquals(`${error.reply.code} ${error.reply.enhanced}`, expected, where);
      assertMatch(error.message, /\/srv\/mail/);
      await first(runtime);
      assertEquals(Object.values(await tree(files, `${ALICE}/new`)), [stored(BODY)]);
    }
    assert(failed > 15);
  });
}
