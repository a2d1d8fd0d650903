/**
 * Unbound, a name server that validates DNSSEC, on a port of its own; it knows no names but those of one
 * authoritative server on this machine.
 *
 * @module
 */

import type { NameServer } from "../../src/runtime/resolv_conf.ts";
import { findFreePort } from "../support/free_port.ts";
import { startDaemon } from "./daemon.ts";
import { makeTemporaryFolder } from "./support.ts";

/** A running Unbound. */
export interface Unbound extends AsyncDisposable {
  /** Where it answers, by UDP and TCP. */
  readonly server: NameServer;
}

/**
 * Starts Unbound.
 *
 * @param authority who has the zones. @param zones with their trust anchors (`DNSKEY`); `null`: none, so
 * that nothing vouches for the zone. @param at where it shall answer; a port that is free by default.
 */
export async function startUnbound(
  authority: NameServer,
  zones: Readonly<Record<string, string | null>>,
  at: NameServer = { address: "127.0.0.1", port: findFreePort() },
): Promise<Unbound> {
  const folder = await makeTemporaryFolder();
  const { address, port } = at;
  const anchors = Object.entries(zones).flatMap(([zone, key]) =>
    key === null ? [] : [`  trust-anchor: "${zone}. DNSKEY ${key}"`]
  );
  const stubs = Object.keys(zones).map((zone) =>
    `stub-zone:\n  name: "${zone}."\n  stub-addr: ${authority.address}@${authority.port}\n`
  );
  const file = await folder.write(
    "unbound.conf",
    `server:
  interface: ${address}@${port}
  port: ${port}
  username: ""
  chroot: ""
  directory: "${folder.path}"
  pidfile: "${folder.path}/pid"
  use-syslog: no
  verbosity: 1
  num-threads: 1
  module-config: "validator iterator"
  do-not-query-localhost: no
  local-zone: "test." nodefault
${anchors.join("\n")}
remote-control:
  control-enable: no
${stubs.join("")}`,
  );
  try {
    const daemon = await startDaemon("unbound", {
      args: ["-d", "-p", "-c", file],
      ...{ hostname: address, port },
    });
    return {
      server: at,
      async [Symbol.asyncDispose]() {
        await daemon.stop();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
