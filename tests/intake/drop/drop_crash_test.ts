/**
 * Machines that lose power, or servers that are killed, at any call of the disk while mail is taken from the drop
 * folder: nothing of what programs left is lost, and what is in the queue or a mailbox is not there twice.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import { mapDirectory } from "../../../src/directory/map_directory.ts";
import type { MtaFact } from "../../../src/events.ts";
import { DropBox } from "../../../src/intake/drop/drop_box.ts";
import { formatDropFile } from "../../../src/intake/drop/drop_file.ts";
import type { SubmitEnvelope } from "../../../src/intake/submit.ts";
import { startMta } from "../../../src/mta.ts";
import type { FileHandle, Files, OpenOptions } from "../../../src/runtime/files.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { Unsynced } from "../../../src/runtime/memory_disk.ts";
import { queueMatcher } from "../../../src/queue/operator/queue_filter.ts";

const SECOND = 1000;
const FOLDERS = ["/data", "/data/mail", "/data/queue", "/data/drop", "/data/refused", "/tmp"];

/** What programs left: one mail for the world, one for a mailbox and nobody, one for nobody. */
const LEFT: readonly SubmitEnvelope[] = [
  { sender: "alice@host.test", recipients: ["far@away.test"] },
  { sender: "alice@host.test", recipients: ["bob@host.test", "nosuch@host.test"] },
  { sender: "alice@host.test", recipients: ["nosuch@host.test"] },
];

/** A disk in memory opens no folders and has no sockets; a system does, and tells whose they are. */
function asSystem(files: Files): Files {
  const open = async (path: string, options: OpenOptions): Promise<FileHandle> => {
    if ((await files.stat(path))?.kind !== "directory") return await files.open(path, options);
    const mode = path === "/data/drop" ? 0o1733 : path === "/data/refused" ? 0o700 : 0o711;
    const close = () => {};
    const identity = { kind: "directory", size: 0, modified: 0, owner: 0, group: 0 } as const;
    const identify = () => Promise.resolve({ ...identity, device: 0, links: 2, mode });
    return { identify, close } as unknown as FileHandle;
  };
  const setMode = (path: string, mode: number) =>
    path.endsWith(".sock") ? Promise.resolve() : files.setMode(path, mode);
  return new Proxy(files, {
    get: (target, name) => {
      if (name === "open") return open;
      if (name === "setMode") return setMode;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The server on a machine, until it stands still. */
async function serve(runtime: MemoryRuntime, facts: MtaFact[]) {
  const emit = (fact: MtaFact) => void facts.push(fact);
  const mta = await startMta({
    runtime,
    hostname: "host.test",
    directory: mapDirectory({ accounts: { "alice@host.test": {}, "bob@host.test": {} } }),
    delivery: { maildirRoot: "/data/mail" },
    temporary: "/tmp",
    listeners: [{ role: "lmtp", address: { transport: "unix", path: "/data/lmtp.sock" } }],
    queue: { directory: "/data/queue", paused: true },
    onEvent: emit,
  });
  const box = await DropBox.start({
    runtime: { ...runtime, files: asSystem(runtime.files) },
    directory: "/data/drop",
    refused: "/data/refused",
    nudge: "/data/nudge.sock",
    hostname: "host.test",
    senders: {},
    ownUid: 0,
    interval: 3 * SECOND,
    sizeLimit: 1_000_000,
    submit: (...submission) => mta.submit(...submission),
    nameOf: () => Promise.resolve("root"),
    emit,
  });
  return { mta, box };
}

async function leaveAll({ files }: MemoryRuntime): Promise<void> {
  for (const folder of FOLDERS) await files.makeDirectory(folder, 0o700);
  for (const [index, envelope] of LEFT.entries()) {
    const path = `/data/drop/mail-${`${index}`.repeat(32)}`;
    const file = await files.open(path, { write: true, createNew: true });
    await file.write(formatDropFile(envelope, encode(`Number: ${index}.\n\nx\n`)));
    await file.sync();
    file.close();
  }
  for (const folder of ["/", ...FOLDERS]) await files.syncDirectory(folder);
}

async function namesIn({ files }: MemoryRuntime, path: string): Promise<string[]> {
  if (await files.stat(path) === null) return [];
  return (await Array.fromAsync(files.list(path))).map(({ name }) => name).sort();
}

async function mailsOf(runtime: MemoryRuntime, user: string): Promise<string[]> {
  const folder = `/data/mail/host.test/${user}/new`;
  const names = await namesIn(runtime, folder);
  return await Promise.all(names.map(async (name) => {
    return new TextDecoder().decode(await runtime.files.readFile(`${folder}/${name}`));
  }));
}

/** A run in which the machine stops at a call of its disk; gives how many there were. */
async function crashAt(call: number, unsynced: Unsynced): Promise<number> {
  const where = `${unsynced} at call ${call}`;
  let runtime = memoryRuntime({ seed: call + 1 });
  const { clock } = runtime;
  await leaveAll(runtime);
  const first = runtime;
  const start = first.files.calls;
  let calls = 0;
  first.files.onCall = () => {
    calls = first.files.calls - start;
    if (calls === call) runtime = first.reboot(unsynced);
  };
  const facts: MtaFact[] = [];
  const begun = serve(first, facts).catch(() => null);
  await clock.advance(60 * SECOND);
  first.files.onCall = () => {};
  const old = await clock.runUntil(begun);
  if (old !== null) {
    await clock.runUntil(old.box.stop());
    await clock.runUntil(old.mta.stop({ grace: 0 }));
  }
  facts.length = 0;
  runtime = runtime === first ? first.reboot("kept") : runtime;
  const { mta, box } = await clock.runUntil(serve(runtime, facts));
  await clock.advance(60 * SECOND);

  const rest = await namesIn(runtime, "/data/drop");
  // A bulletin that was not finished is removed after a day.
  assertEquals(rest.filter((name) => !name.startsWith("tmp-")), ["station.json"], where);
  const numbers = (await mailsOf(runtime, "bob")).map((mail) => /^Number: (\d)/m.exec(mail)?.[1]);
  assertEquals(numbers, ["1"], where);
  const told = (await mailsOf(runtime, "alice")).map((mail) => mail.includes("nosuch@host.test"));
  assertEquals(told, [true, true], where);
  assertEquals((await namesIn(runtime, "/data/refused")).length, 1, where);
  const all = queueMatcher({});
  assert(!("wrong" in all));
  const { signal } = new AbortController();
  const queued = await Array.fromAsync(mta.queue!.list(all, signal));
  assertEquals(queued.map(({ recipients }) => recipients), [["far@away.test"]], where);
  assertEquals(facts.filter(({ type }) => type === "notice.dropped"), [], where);
  await clock.runUntil(box.stop());
  await clock.runUntil(mta.stop({ grace: 0 }));
  return calls;
}

for (const unsynced of ["kept", "lost", "torn"] as const) {
  Deno.test(`DropBox loses no mail and makes none twice when it ends at any call of the disk (${unsynced})`, async () => {
    const calls = await crashAt(Infinity, unsynced);
    assert(calls > 100, `${calls} calls`);
    for (let call = 1; call <= calls; call++) await crashAt(call, unsynced);
  });
}
