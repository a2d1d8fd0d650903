import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import type { MtaEvent } from "../../../src/events.ts";
import { SpoolVersionError } from "../../../src/queue/spool/spool_version.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { DIRECTORY, message, open } from "./journey.ts";

const NONCE = "0123456789abcdef0123456789abcdef";

async function write({ files }: MemoryRuntime, name: string, text: string): Promise<void> {
  const file = await files.open(`${DIRECTORY}/${name}`, {
    write: true,
    create: true,
    truncate: true,
  });
  await file.write(encode(text));
  await file.sync();
  file.close();
}

/** Everything in the folder: names and what is in them. */
async function content({ files }: MemoryRuntime, folder = DIRECTORY): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, kind } of files.list(folder)) {
    const path = `${folder}/${name}`;
    if (kind === "directory") found.push(path, ...await content({ files } as MemoryRuntime, path));
    else if (kind === "file") found.push(`${path} ${(await files.readFile(path)).toHex()}`);
  }
  return found.sort();
}

/** A spool with mail in it, of which nobody is the owner any more. */
async function leftSpool(): Promise<MemoryRuntime> {
  const runtime = memoryRuntime();
  const store = await open(runtime);
  await store.add(message("small", 100));
  await store.add(message("held", 10, { held: { since: 1, reason: "why" } }));
  const rebooted = runtime.reboot("kept");
  // What a start would wipe out, were the spool its own.
  await write(rebooted, "transit/other.gone", "x");
  await write(rebooted, "segments/00000009.log", "no segment\n");
  return rebooted;
}

Deno.test("openSpool() writes the version where there is none, and reads a spool without one", async () => {
  const runtime = memoryRuntime();
  const store = await open(runtime);
  await store.add(message("m1", 100));
  await store.close();
  assertEquals(await runtime.files.readFile(`${DIRECTORY}/version`), encode("yizhan spool 1\n"));
  await runtime.files.remove(`${DIRECTORY}/version`);
  const again = await open(runtime);
  assert(await again.get("m1") !== null);
  assertEquals(await runtime.files.readFile(`${DIRECTORY}/version`), encode("yizhan spool 1\n"));
  await again.close();
});

const LATER = [
  ["version", "yizhan spool 2\n", /\/version: the queue is of version 2,.*knows version 1/],
  ["version", "yizhan spool 10\nmore\n", /\/version: found "yizhan spool 10\\nmore/],
  ["version", "\0\0\0", /\/version: found .*it should hold "yizhan spool 1"/],
  ["segments/00000002.log", `yizhan-segment 2 ${NONCE} x\n`, /00000002\.log: it is of version 2/],
  ["segments/00000002.done", `yizhan-journal 3 ${NONCE}\n`, /00000002\.done: it is of version 3/],
] as const;

for (const [name, text, problem] of LATER) {
  Deno.test(`openSpool() does not touch a spool whose ${name} begins with ${JSON.stringify(text)}`, async () => {
    const runtime = await leftSpool();
    await write(runtime, name, text);
    const before = await content(runtime);
    const error = await assertRejects(() => open(runtime), SpoolVersionError);
    assert(problem.test(error.message), error.message);
    assertEquals(await content(runtime), before);
  });
}

Deno.test("openSpool() starts on a full disk, without the version, and says so", async () => {
  const runtime = memoryRuntime();
  runtime.files.fail({ operation: "write", path: /version\.new$/, code: "ENOSPC" });
  const events: MtaEvent[] = [];
  const store = await open(runtime, events);
  const [trouble] = events;
  assert(trouble?.type === "queue.trouble" && trouble.where === "version");
  assertStringIncludes(trouble.error, "version.new");
  await store.close();
});
