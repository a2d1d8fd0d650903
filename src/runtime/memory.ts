/**
 * Machines that exist only in memory, for tests and the simulator: a clock that jumps, seeded
 * randomness, a network that delays, splits, resets and falls silent, a disk that is full, fails and
 * forgets what was not synced. The same seed and the same calls give the same run.
 *
 * @module
 */

import { MemoryClock } from "./memory_clock.ts";
import { MemoryDisk, type Unsynced } from "./memory_disk.ts";
import { MemoryFiles } from "./memory_files.ts";
import { MemoryNetwork } from "./memory_network.ts";
import { MemoryPrograms } from "./memory_programs.ts";
import { MemoryRandom } from "./memory_random.ts";
import { MemoryResolver } from "./memory_resolver.ts";
import { MemoryWires } from "./memory_wires.ts";
import type { Runtime } from "./runtime.ts";

/** A machine in memory. */
export interface MemoryRuntime extends Runtime {
  /** Always this. */
  readonly name: "memory";
  /** Its sockets; `network.wires` is where links are hurt. */
  readonly network: MemoryNetwork;
  /** The names of its world, as a map of zones. */
  readonly resolver: MemoryResolver;
  /** Its programs, as functions. */
  readonly programs: MemoryPrograms;
  /** Its files; where calls are made to fail. `files.disk` is where room is taken away. */
  readonly files: MemoryFiles;
  /** Stands still until told to go. */
  readonly clock: MemoryClock;
  /** The same for the same seed. */
  readonly random: MemoryRandom;
  /**
   * The machine stops here and now, and this is it after its next start. Sockets are reset, the disk
   * keeps what it must, and every call through the old runtime fails with EIO: what still runs there
   * can do no more harm.
   *
   * @param unsynced what becomes of unsynced changes; default `torn`, the worst.
   */
  reboot(unsynced?: Unsynced): MemoryRuntime;
}

/** How a machine in memory begins. */
export interface MemoryRuntimeOptions {
  /** Decides everything that is random. Default 1. */
  readonly seed?: number;
  /** The time it is, in milliseconds since the epoch. Default 2026-01-01T00:00:00Z. */
  readonly now?: number;
  /** The address it connects from. Default `192.0.2.1`. */
  readonly address?: string;
  /**
   * Another machine of the same world: clock, randomness, wires and names are shared, address and disk are
   * its own. `seed` and `now` are not looked at then.
   */
  readonly beside?: MemoryRuntime;
}

/**
 * A machine in memory.
 *
 * @example
 * ```ts
 * import { memoryRuntime } from "./memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const mx = memoryRuntime({ address: "192.0.2.25" });
 * const client = memoryRuntime({ address: "198.51.100.7", beside: mx });
 * mx.network.wires.conditions = () => ({ delay: 40 });
 *
 * const listener = await mx.network.listen({ transport: "tcp", hostname: "0.0.0.0", port: 25 });
 * const start = mx.clock.now();
 * const greeting = (async () => {
 *   const server = await listener.accept();
 *   await server!.write(new TextEncoder().encode("220 mx.example.test\r\n"));
 * })();
 * const connecting = client.network.connect({ transport: "tcp", hostname: "192.0.2.25", port: 25 });
 * const connection = await mx.clock.runUntil(connecting);
 * assertEquals(await mx.clock.runUntil(connection.read(new Uint8Array(100))), 21);
 * assertEquals(mx.clock.now() - start, 120); // there and back, and the greeting
 * await greeting;
 * ```
 */
export function memoryRuntime(options: MemoryRuntimeOptions = {}): MemoryRuntime {
  const { seed = 1, now = Date.UTC(2026, 0, 1), address = "192.0.2.1", beside } = options;
  const clock = beside?.clock ?? new MemoryClock(now);
  const random = beside?.random ?? new MemoryRandom(seed);
  const wires = beside?.network.wires ?? new MemoryWires<MemoryNetwork>(clock);
  const resolver = beside?.resolver ?? new MemoryResolver();
  return start(clock, random, wires, resolver, address, new MemoryDisk(clock, random.fork()));
}

function start(
  clock: MemoryClock,
  random: MemoryRandom,
  wires: MemoryWires<MemoryNetwork>,
  resolver: MemoryResolver,
  address: string,
  disk: MemoryDisk,
): MemoryRuntime {
  const network = new MemoryNetwork(wires, address);
  const files = new MemoryFiles(disk);
  const programs = new MemoryPrograms();
  return {
    name: "memory",
    clock,
    random,
    network,
    resolver,
    programs,
    files,
    reboot(unsynced: Unsynced = "torn"): MemoryRuntime {
      network.shutDown();
      disk.crash(unsynced);
      return start(clock, random, wires, resolver, address, disk);
    },
  };
}
