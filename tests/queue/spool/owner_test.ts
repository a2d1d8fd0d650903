import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { decode } from "../../../src/bytes.ts";
import { ownSpool, SpoolBusyError } from "../../../src/queue/spool/owner.ts";
import type { Files } from "../../../src/runtime/files.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import type { SocketAddress } from "../../../src/runtime/network.ts";
import type { Runtime } from "../../../src/runtime/runtime.ts";

const RUNTIMES: readonly (readonly [string, () => Runtime])[] = [
  ["in memory", () => memoryRuntime()],
  ["with real sockets", () => denoRuntime()],
];

async function inFolder(runtime: Runtime, work: (directory: string) => Promise<void>) {
  if (runtime.name === "memory") {
    await runtime.files.makeDirectory("/spool", 0o700);
    return await work("/spool");
  }
  const directory = await Deno.makeTempDir();
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

for (const [where, makeRuntime] of RUNTIMES) {
  Deno.test(`ownSpool() names the owner when there is one, ${where}`, async () => {
    const runtime = makeRuntime();
    await inFolder(runtime, async (directory) => {
      const owner = await ownSpool({ ...runtime, directory, pid: 4711 });
      const error = await assertRejects(() => ownSpool({ ...runtime, directory }), SpoolBusyError);
      assertEquals(error.pid, 4711);
      assertStringIncludes(error.message, `${directory} is in use by process 4711`);
      await owner.close();
      await (await ownSpool({ ...runtime, directory })).close();
    });
  });

  Deno.test(`ownSpool() lets one of many in, ${where}`, async () => {
    const runtime = makeRuntime();
    await inFolder(runtime, async (directory) => {
      const tries = await Promise.allSettled(
        Array.from({ length: 5 }, (_, pid) => ownSpool({ ...runtime, directory, pid })),
      );
      const owners = tries.filter((one) => one.status === "fulfilled").map(({ value }) => value);
      assertEquals(owners.length, 1);
      for (const one of tries) {
        if (one.status === "rejected") assertEquals(one.reason.name, "SpoolBusyError");
      }
      for (const owner of owners) await owner.close();
    });
  });
}

/** A folder with the socket of a process that is dead. */
async function folderOfTheDead(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/owner.sock`;
  // A process that ends without closing its socket leaves the path behind.
  const dead = new Deno.Command(Deno.execPath(), {
    args: ["eval", "Deno.listen({ transport: 'unix', path: Deno.args[0] }); Deno.exit(0);", path],
    env: { NO_COLOR: "1" },
  });
  const { success, stderr } = await dead.output();
  assertEquals(success, true, decode(stderr));
  assertEquals((await Deno.lstat(path)).isSocket, true);
  return folder;
}

Deno.test("ownSpool() takes over from an owner that is dead", async () => {
  const folder = await folderOfTheDead();
  const runtime = denoRuntime();
  const owner = await ownSpool({ ...runtime, directory: folder, pid: 1 });
  const busy = await assertRejects(
    () => ownSpool({ ...runtime, directory: folder }),
    SpoolBusyError,
  );
  assertEquals(busy.pid, 1);
  await owner.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("ownSpool() lets one of two take over, however slow the other is", async () => {
  const folder = await folderOfTheDead();
  const runtime = denoRuntime();
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const slow = {
    ...runtime,
    network: {
      connect: runtime.network.connect.bind(runtime.network),
      tlsServer: runtime.network.tlsServer.bind(runtime.network),
      // It has seen that the socket is dead, and stops before it removes it.
      listen: async (address: SocketAddress) => {
        begun.resolve();
        await gate.promise;
        if (address.transport === "unix") await Deno.remove(address.path);
        return await runtime.network.listen(address);
      },
    },
  };
  const first = ownSpool({ ...slow, directory: folder, pid: 1 });
  await begun.promise;
  const asleep = Promise.withResolvers<void>();
  const second = ownSpool({
    ...runtime,
    clock: {
      now: Date.now,
      sleep: (ms, signal) => {
        asleep.resolve();
        return runtime.clock.sleep(ms, signal);
      },
    },
    directory: folder,
    pid: 2,
  });
  // Both end at about the same time.
  const refused = assertRejects(() => second, SpoolBusyError);
  await asleep.promise;
  gate.resolve();
  const owner = await first;
  assertEquals((await refused).pid, 1);
  await owner.close();
  await Deno.remove(folder, { recursive: true });
});

/** A clock by which time passes as it is slept; what may be broken off waits for somebody, who must have his time. */
class HastyClock {
  slept = 0;
  /** Is done in each sleep. */
  onSleep: () => Promise<void> = () => Promise.resolve();

  now(): number {
    return Date.now() + this.slept;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal !== undefined) return await denoRuntime().clock.sleep(ms, signal);
    this.slept += ms;
    await this.onSleep();
  }
}

Deno.test("ownSpool() is not kept out by what somebody left who died as he took over", async () => {
  const folder = await folderOfTheDead();
  await Deno.writeTextFile(`${folder}/owner.taking`, "");
  const clock = new HastyClock();
  await (await ownSpool({ ...denoRuntime(), clock, directory: folder })).close();
  assert(clock.slept > 4000 && clock.slept < 12_000, `it waited ${clock.slept} ms`);
  assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("ownSpool() does not wait for a time to come, nor for ever for what cannot be removed", async () => {
  for (const removable of [true, false]) {
    const folder = await folderOfTheDead();
    const path = `${folder}/owner.taking`;
    await Deno.writeTextFile(path, "");
    await Deno.utime(path, new Date(), new Date(Date.now() + 3_600_000));
    const clock = new HastyClock();
    const runtime = denoRuntime();
    const files: Files = Object.create(runtime.files);
    if (!removable) files.remove = () => Promise.reject(new Error("it stays"));
    await (await ownSpool({ ...runtime, files, clock, directory: folder })).close();
    assert(clock.slept < (removable ? 1000 : 12_000), `it waited ${clock.slept} ms`);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("ownSpool() waits for one that removed the same old file, and is at it now", async () => {
  const folder = await folderOfTheDead();
  const path = `${folder}/owner.taking`;
  await Deno.writeTextFile(path, "");
  const clock = new HastyClock();
  const has = async () => (await denoRuntime().files.stat(path)) !== null;
  let turns: number | null = null;
  clock.onSleep = async () => {
    if (turns === null) {
      if (await has()) return;
      turns = 0;
      await Deno.writeTextFile(path, "");
      await Deno.utime(path, new Date(), new Date(clock.now()));
    } else if (await has() && ++turns === 3) await Deno.remove(path);
  };
  await (await ownSpool({ ...denoRuntime(), clock, directory: folder })).close();
  assertEquals(turns, 3);
  await Deno.remove(folder, { recursive: true });
});
