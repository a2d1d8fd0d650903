import { assertEquals, assertRejects } from "@std/assert";
import { type FolderNeeds, folderNeeds, makeFolders } from "../../src/cli/data_folder.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { codeOf } from "../support/connections.ts";

const ALL = () => true;
const NOTHING_DEMANDED = () => {};

Deno.test("makeFolders() has the name of every folder it made survive a power cut", async () => {
  for (const path of ["data/mail", "/srv/a/b/mail", "mail", "/mail"]) {
    const runtime = memoryRuntime();
    await makeFolders(runtime.files, path);
    const { files } = runtime.reboot("lost");
    assertEquals((await files.stat(path))?.kind, "directory", path);
  }
});

Deno.test("makeFolders() makes a folder durable that another process made a moment ago", async () => {
  const runtime = memoryRuntime();
  const { files } = runtime;
  let raced = false;
  files.onCall = ({ operation, path }) => {
    if (operation !== "makeDirectory" || path !== "data" || raced) return;
    raced = true;
    void files.makeDirectory("data", 0o700);
  };
  await makeFolders(files, "data/mail");
  assertEquals(raced, true);
  assertEquals((await runtime.reboot("lost").files.stat("data/mail"))?.kind, "directory");
});

Deno.test("makeFolders() leaves alone what is there, and fails when a name cannot be synced", async () => {
  const { files } = memoryRuntime();
  await files.makeDirectory("data", 0o700);
  const before = files.calls;
  await makeFolders(files, "data");
  assertEquals(files.calls - before, 1);
  files.fail({ operation: "syncDirectory", path: /^data$/, code: "EIO" });
  assertEquals(await codeOf(makeFolders(files, "data/mail")), "EIO");
  (await files.open("file", { write: true, createNew: true })).close();
  assertEquals(await codeOf(makeFolders(files, "file/mail")), "ENOTDIR");
});

Deno.test("folderNeeds() wants the folder a missing one is made in, and no other", async () => {
  const { files } = memoryRuntime();
  await files.makeDirectory("/srv", 0o700);
  await files.makeDirectory("/srv/data", 0o700);
  const cases: [string, FolderNeeds][] = [
    ["/srv/data", { read: "/srv/data", write: "/srv/data" }],
    ["/srv/other", { read: "/srv", write: "/srv/other" }],
    ["/srv/a/b/c", { read: "/srv", write: "/srv/a" }],
    ["data", { read: ".", write: "data" }],
    ["/data", { read: "/", write: "/data" }],
  ];
  for (const [path, needs] of cases) {
    assertEquals(await folderNeeds(files, path, ALL, NOTHING_DEMANDED), needs, path);
  }
});

Deno.test("folderNeeds() looks nowhere it has not asked for", async () => {
  const { files } = memoryRuntime();
  const looked: string[] = [];
  files.onCall = ({ path }) => looked.push(path);
  const demand = ({ read }: FolderNeeds) => {
    if (read !== "/a") throw new Error(`${read} is closed`);
  };
  await assertRejects(() => folderNeeds(files, "/a/b", () => false, demand), Error, "/ is closed");
  assertEquals(looked, ["/a"]);
});
