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
import { systemClock } from "./node_clock.ts";
import { systemRandom } from "./node_random.ts";
import type { DnssecTrust } from "./dns_servers.ts";
import { parseNameServers } from "./resolv_conf.ts";
import type { Runtime } from "./runtime.ts";

/** What of the machine is chosen. */
export interface DenoRuntimeOptions {
  /**
   * Who is asked for names: `192.0.2.53`, `127.0.0.1:5353`, `[2001:db8::53]:53`, the first first. Default: those
   * of `/etc/resolv.conf`.
   */
  readonly nameServers?: readonly string[];
  /** When what they say of DNSSEC is believed. Default `auto`: where they are on this machine, or resolv.conf says so. */
  readonly dnssec?: DnssecTrust;
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
  const servers = options.nameServers && parseNameServers(options.nameServers);
  return {
    name: "deno",
    network: new DenoNetwork(),
    resolver: denoResolver({ servers, dnssec: options.dnssec, clock: systemClock }),
    programs: { run: runProgram },
    files: new DenoFiles(),
    clock: systemClock,
    random: systemRandom,
  };
}
