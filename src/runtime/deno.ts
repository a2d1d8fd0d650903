/**
 * The machine as Deno gives it: the one {@link Runtime} of a server in production. Entry points
 * import this and hand it down; nothing else may.
 *
 * Needs `--allow-net` for what is listened on and connected to, `--allow-read` and `--allow-write`
 * for the folders, and `--allow-sys=statfs` for `space`. Names need `--allow-read=/etc/resolv.conf` and
 * `--allow-net` for port 53 of the servers, programs `--allow-run`.
 *
 * @module
 */

import { DenoFiles } from "./deno_files.ts";
import { DenoNetwork } from "./deno_network.ts";
import { runProgram } from "./deno_programs.ts";
import { denoResolver } from "./deno_resolver.ts";
import { parseNameServer } from "./resolv_conf.ts";
import type { Clock, Random, Runtime } from "./runtime.ts";

/** What of the machine is chosen. */
export interface DenoRuntimeOptions {
  /**
   * Who is asked for names: `192.0.2.53`, `127.0.0.1:5353`, `[2001:db8::53]:53`, the first first. Default: those
   * of `/etc/resolv.conf`.
   */
  readonly nameServers?: readonly string[];
}

/**
 * The machine this process runs on.
 *
 * @throws {TypeError} where a name server is not an IP address with or without a port.
 *
 * @example
 * ```ts
 * import { denoRuntime } from "./deno.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { network } = denoRuntime();
 * const listener = await network.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 });
 * const client = await network.connect(listener.address);
 * const server = await listener.accept();
 * await server!.write(new TextEncoder().encode("220 ready\r\n"));
 * assertEquals(await client.read(new Uint8Array(100)), 11);
 * client.close();
 * server!.close();
 * listener.close();
 * ```
 */
export function denoRuntime(options: DenoRuntimeOptions = {}): Runtime {
  const servers = options.nameServers?.map((text) => {
    const server = parseNameServer(text);
    if (server === null) throw new TypeError(`no name server such as "192.0.2.53:53": ${text}`);
    return server;
  });
  return {
    name: "deno",
    network: new DenoNetwork(),
    resolver: denoResolver({ servers, clock: systemClock }),
    programs: { run: runProgram },
    files: new DenoFiles(),
    clock: systemClock,
    random: systemRandom,
  };
}

/** The longest a timer can be set to (2^31 - 1 ms); a longer one would fire at once. */
const LONGEST_TIMER = 0x7fffffff;

const systemClock: Clock = {
  now: () => Date.now(),

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    let left = ms;
    do {
      await sleepOnce(Math.min(left, LONGEST_TIMER), signal);
      left -= LONGEST_TIMER;
    } while (left > 0);
  },
};

function sleepOnce(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    Deno.unrefTimer(timer as unknown as number);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

const systemRandom: Random = {
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    // getRandomValues gives 64 KiB at most.
    for (let at = 0; at < length; at += 65536) {
      crypto.getRandomValues(bytes.subarray(at, at + 65536));
    }
    return bytes;
  },

  float(): number {
    const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
    // 53 bits, as many as a double holds below 1.
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  },
};
