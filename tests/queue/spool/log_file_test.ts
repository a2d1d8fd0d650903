import { assert, assertEquals, assertRejects } from "@std/assert";
import { decode, encode } from "../../../src/bytes.ts";
import { LogFile } from "../../../src/queue/spool/log_file.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";

const PATH = "/log";

async function write(log: LogFile, text: string): Promise<void> {
  const handle = log.take();
  await log.prepare(handle, text.length);
  await log.write(handle, encode(text));
  await handle.file.sync();
  log.give(handle);
}

async function content({ files }: MemoryRuntime): Promise<string> {
  return decode(await files.readFile(PATH));
}

Deno.test("write() adds to the file, whichever handle is taken, and leaves it as it is where there is little", async () => {
  const runtime = memoryRuntime();
  const log = await LogFile.create(runtime.files, PATH, 2);
  const [first, second] = [log.take(), log.take()];
  for (const [index, handle] of [first, second, second, first].entries()) {
    await log.write(handle, encode(`${index}${"x".repeat(70_000)}\n`));
  }
  log.give(first);
  log.close();
  log.give(second);
  const lines = (await content(runtime)).split("\n");
  assertEquals(lines.map((line) => [line[0], line.length]), [
    ...["0", "1", "2", "3"].map((index) => [index, 70_001]),
    [undefined, 0],
  ]);
});

Deno.test("prepare() fills the file with line ends ahead of many small groups, and they are written over them", async () => {
  const runtime = memoryRuntime();
  const log = await LogFile.create(runtime.files, PATH, 1);
  let expected = "";
  const sizes = new Set<number>();
  for (let group = 0; group < 400; group++) {
    const text = `${group}${"x".repeat(2000)}\n`;
    await write(log, text);
    expected += text;
    sizes.add((await runtime.files.stat(PATH))!.size);
  }
  assert(sizes.size < 25, `${sizes.size} sizes`);
  const found = await content(runtime);
  assertEquals(found.slice(0, expected.length), expected);
  assertEquals(found.slice(expected.length).replaceAll("\n", ""), "");
  assert(found.length - expected.length < 300_000);
});

Deno.test("prepare() does not fill for large groups", async () => {
  const runtime = memoryRuntime();
  const log = await LogFile.create(runtime.files, PATH, 1);
  const text = "x".repeat(100_000);
  for (let group = 0; group < 20; group++) await write(log, text);
  assertEquals((await runtime.files.stat(PATH))!.size, 20 * text.length);
});

Deno.test("prepare() that finds no room leaves it, and what is written is where it should be", async () => {
  for (const code of ["ENOSPC", "EIO"]) {
    for (const call of [1, 2, 4]) {
      const runtime = memoryRuntime();
      const log = await LogFile.create(runtime.files, PATH, 1);
      let expected = "";
      for (let group = 0; group < 40; group++) {
        if (group === 16) runtime.files.fail({ operation: "write", call, code });
        await write(log, `${group}\n`);
        expected += `${group}\n`;
      }
      assertEquals((await content(runtime)).trimEnd(), expected.trimEnd());
    }
  }
});

Deno.test("create() that fails leaves no handle open, and takes no file that is there", async () => {
  const { files } = memoryRuntime();
  files.fail({ operation: "open", call: 2, code: "EMFILE" });
  await assertRejects(() => LogFile.create(files, PATH, 2));
  await assertRejects(() => LogFile.create(files, PATH, 1));
});
