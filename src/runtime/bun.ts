/**
 * The machine as Bun gives it: the {@link Runtime} of the single binary. It is made of what Bun has of Node's
 * modules and names nothing that is Bun's alone, so it runs, and is tried, on other runtimes with those modules
 * too. Entry points import this and hand it down; nothing else may.
 *
 * Bun has no permissions: what this can do is what the user can do that it runs as.
 *
 * @module
 */

import { systemClock } from "./node_clock.ts";
import { NodeFiles } from "./node_files.ts";
import { NodeNetwork } from "./node_network.ts";
import { runNodeProgram } from "./node_programs.ts";
import { systemRandom } from "./node_random.ts";
import { nodeResolver } from "./node_resolver.ts";
import type { DnssecTrust } from "./dns_servers.ts";
import { parseNameServers } from "./resolv_conf.ts";
import type { Runtime } from "./runtime.ts";

/** What of the machine is chosen. */
export interface BunRuntimeOptions {
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
 * import { bunRuntime } from "./bun.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { network } = bunRuntime();
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
export function bunRuntime(options: BunRuntimeOptions = {}): Runtime {
  const servers = options.nameServers && parseNameServers(options.nameServers);
  return {
    name: "bun",
    network: new NodeNetwork(),
    resolver: nodeResolver({ servers, dnssec: options.dnssec, clock: systemClock }),
    programs: { run: runNodeProgram },
    files: new NodeFiles(),
    clock: systemClock,
    random: systemRandom,
  };
}
