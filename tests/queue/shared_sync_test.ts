import { assertEquals, assertRejects } from "@std/assert";
import { SharedSync } from "../../src/queue/shared_sync.ts";
import type { Files } from "../../src/runtime/files.ts";

/** A disk whose syncs end when the test says so. */
function manualDisk(): { files: Files; calls: { end(): void; fail(error: Error): void }[] } {
  const calls: { end(): void; fail(error: Error): void }[] = [];
  const syncDirectory = () =>
    new Promise<void>((resolve, reject) => calls.push({ end: resolve, fail: reject }));
  return { files: { syncDirectory } as unknown as Files, calls };
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("SharedSync serves all who ask during a sync with one more", async () => {
  const { files, calls } = manualDisk();
  const syncs = new SharedSync(files);
  const first = syncs.sync("new");
  const late = [syncs.sync("new"), syncs.sync("new"), syncs.sync("new")];
  await settled();
  assertEquals(calls.length, 1);
  calls[0]?.end();
  await first;
  await settled();
  assertEquals(calls.length, 2);
  calls[1]?.end();
  await Promise.all(late);
  await settled();
  assertEquals(calls.length, 2);
});

Deno.test("SharedSync does not serve anybody with a sync that was running before", async () => {
  const { files, calls } = manualDisk();
  const syncs = new SharedSync(files);
  const first = syncs.sync("new");
  let done = false;
  const second = syncs.sync("new").then(() => done = true);
  calls[0]?.end();
  await first;
  await settled();
  assertEquals(done, false);
  calls[1]?.end();
  await second;
});

Deno.test("SharedSync keeps folders apart", () => {
  const { files, calls } = manualDisk();
  const syncs = new SharedSync(files);
  syncs.sync("a");
  syncs.sync("b");
  assertEquals(calls.length, 2);
});

Deno.test("SharedSync tells an error to those it concerns and goes on", async () => {
  const { files, calls } = manualDisk();
  const syncs = new SharedSync(files);
  const first = syncs.sync("new");
  const second = syncs.sync("new");
  const failed = assertRejects(() => first, Error, "EIO");
  calls[0]?.fail(new Error("EIO"));
  await failed;
  await settled();
  calls[1]?.end();
  await second;
  const third = syncs.sync("new");
  calls[2]?.end();
  await third;
});
