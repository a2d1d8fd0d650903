import { assertEquals } from "@std/assert";
import { Folders } from "../../../src/queue/spool/folders.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { codeOf } from "../../support/connections.ts";

Deno.test("makeAll() makes folders that outlive a power cut at once", async () => {
  const runtime = memoryRuntime();
  await new Folders(runtime.files).makeAll("/var/spool/yizhan");
  const { files } = runtime.reboot("lost");
  assertEquals((await files.stat("/var/spool/yizhan"))?.kind, "directory");
});

Deno.test("makeAll() of a folder that is there wants nothing of the one above it", async () => {
  const { files } = memoryRuntime();
  await files.makeDirectory("/data", 0o700);
  files.fail({ operation: "syncDirectory", code: "EACCES" });
  await new Folders(files).makeAll("/data");
});

Deno.test("make() of a folder that a dead process made makes it durable", async () => {
  const runtime = memoryRuntime();
  await runtime.files.makeDirectory("/data", 0o700);
  const restarted = runtime.reboot("kept");
  await new Folders(restarted.files).make("/data");
  assertEquals((await restarted.reboot("lost").files.stat("/data"))?.kind, "directory");
});

Deno.test("moveInto() makes a folder that was removed a moment ago", async () => {
  const { files } = memoryRuntime();
  await files.makeDirectory("/a", 0o700);
  const folders = new Folders(files);
  (await files.open("/f", { write: true, create: true })).close();
  await folders.make("/a/b");
  await files.remove("/a/b"); // behind its back
  await folders.moveInto("/a/b", "/f", "/a/b/f");
  assertEquals((await files.stat("/a/b/f"))?.kind, "file");
  assertEquals(await folders.removeEmpty("/a/b"), false);
  assertEquals(await codeOf(folders.moveInto("/a/b", "/none", "/a/b/x")), "ENOENT");
});
