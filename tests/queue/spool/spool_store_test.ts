import { MemoryClock } from "../../../src/runtime/memory_clock.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import type { FileHandle, Files } from "../../../src/runtime/files.ts";
import type { QueueStore } from "../../../src/queue/store.ts";
import { openSpool } from "../../../src/queue/spool/open_spool.ts";
import { queueStoreContract } from "../../contracts/queue_store_contract.ts";

queueStoreContract("openSpool() in memory", async () => {
  const { files, network, clock, random } = memoryRuntime();
  const open = () =>
    openSpool({ files, network, clock, random, directory: "/spool", emit: () => {} });
  return { store: await open(), clock, reopen: open };
});

queueStoreContract("openSpool() on the disk", async () => {
  const { files: real, network, random } = denoRuntime();
  const clock = new MemoryClock(Date.UTC(2026, 0, 1));
  const files = heldFiles(real, clock);
  const folder = await Deno.makeTempDir();
  let store: QueueStore;
  const reopen = async () =>
    store = await openSpool({
      files,
      network,
      clock,
      random,
      directory: `${folder}/spool`,
      emit: () => {},
    });
  const end = async () => {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  };
  return { store: await reopen(), clock, reopen, end };
});

/** Files for which the clock waits, and for what is done next with them. */
function heldFiles(files: Files, clock: MemoryClock): Files {
  const hold = <T>(work: Promise<T>): Promise<T> => {
    const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
    void clock.hold(work.then(turn, turn));
    return work;
  };
  const heldFile = (file: FileHandle): FileHandle => ({
    identify: () => hold(file.identify()),
    read: (into) => hold(file.read(into)),
    write: (bytes) => hold(file.write(bytes)),
    seek: (offset) => hold(file.seek(offset)),
    sync: () => hold(file.sync()),
    close: () => file.close(),
  });
  return {
    open: async (path, options) => heldFile(await hold(files.open(path, options))),
    readFile: (path, limit) => hold(files.readFile(path, limit)),
    rename: (from, to) => hold(files.rename(from, to)),
    remove: (path) => hold(files.remove(path)),
    copyAccess: (from, to, mode) => hold(files.copyAccess(from, to, mode)),
    setMode: (path, mode) => hold(files.setMode(path, mode)),
    makeDirectory: (path, mode) => hold(files.makeDirectory(path, mode)),
    list: (path) => files.list(path),
    stat: (path, options) => hold(files.stat(path, options)),
    syncDirectory: (path) => hold(files.syncDirectory(path)),
    space: (path) => hold(files.space(path)),
  };
}
