import { assertEquals, assertRejects } from "@std/assert";
import { MaildirFolders } from "../../../src/delivery/maildir/maildir_folders.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { SystemError } from "../../../src/runtime/system_error.ts";

/** A root somebody has made, and not synced. */
async function unsyncedRoot() {
  const runtime = memoryRuntime();
  for (const path of ["srv", "srv/data", "srv/data/mail"]) {
    await runtime.files.makeDirectory(path, 0o700);
  }
  return { runtime, folders: new MaildirFolders(runtime.files, runtime.clock, "srv/data/mail") };
}

Deno.test("MaildirFolders.ready() makes durable what a root that is there lies in", async () => {
  const { runtime, folders } = await unsyncedRoot();
  await folders.ready("example.org/alice");
  const { files } = runtime.reboot("lost");
  assertEquals((await files.stat("srv/data/mail/example.org/alice/new"))?.kind, "directory");
});

Deno.test("MaildirFolders.ready() fails when what the root lies in cannot be synced, and tries again", async () => {
  const { runtime, folders } = await unsyncedRoot();
  runtime.files.fail({ operation: "syncDirectory", path: /^srv$/, code: "EIO" });
  const error = await assertRejects(() => folders.ready("example.org/alice"), SystemError);
  assertEquals(error.code, "EIO");
  await folders.ready("example.org/alice");
  const { files } = runtime.reboot("lost");
  assertEquals((await files.stat("srv/data/mail/example.org/alice/new"))?.kind, "directory");
});

Deno.test("MaildirFolders.ready() syncs a root's folders as far up as it is let", async () => {
  const { runtime, folders } = await unsyncedRoot();
  const synced: string[] = [];
  runtime.files.onCall = ({ operation, path }) => {
    if (operation === "syncDirectory") synced.push(path);
  };
  runtime.files.fail({ operation: "syncDirectory", path: /^srv$/, code: "EACCES" });
  await folders.ready("example.org/alice");
  assertEquals(synced, [
    "srv/data",
    "srv",
    "srv/data/mail",
    "srv/data/mail/example.org",
    "srv/data/mail/example.org/alice",
  ]);
});
