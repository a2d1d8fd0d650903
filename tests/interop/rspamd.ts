/**
 * rspamd on a port and a socket of its own, as a milter that scans by itself: without Redis, without DNS, without
 * maps and with no rules but its own test patterns.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { makeTemporaryFolder } from "./support.ts";

/** A running rspamd. */
export interface Rspamd extends AsyncDisposable {
  /** The path of its milter socket. */
  readonly socket: string;
  /** The port of the same on 127.0.0.1. */
  readonly port: number;
  /** All it wrote so far. */
  readonly output: () => string;
}

/** Starts it. */
export async function startRspamd(): Promise<Rspamd> {
  const folder = await makeTemporaryFolder();
  const port = findFreePort();
  const socket = `${folder.path}/milter.sock`;
  const suffixes = await folder.write("suffixes", "test\nexample\ncom\n");
  const file = await folder.write("rspamd.conf", configuration(folder.path, port, suffixes));
  let daemon: Daemon;
  try {
    daemon = await startDaemon("rspamd", {
      args: ["-f", ...(Deno.uid() === 0 ? ["-i", "-u", "root", "-g", "root"] : []), "-c", file],
      port,
    });
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
  return {
    ...{ socket, port },
    output: daemon.output,
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function configuration(folder: string, port: number, suffixes: string): string {
  return `
options {
  pidfile = "${folder}/rspamd.pid";
  tempdir = "${folder}";
  hs_cache_dir = "${folder}";
  control_socket = "${folder}/control.sock mode=0600";
  url_tld = "${suffixes}";
  disable_hyperscan = true;
  enable_test_patterns = true;
  filters = "";
  local_addrs = ["192.0.2.0/24"];
  dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "console"; level = "info"; color = false; }
lua = "/usr/share/rspamd/rules/rspamd.lua";
modules { path = "/usr/share/rspamd/plugins/milter_headers.lua"; }
milter_headers {
  use = ["x-spamd-bar", "x-spamd-result"];
  skip_local = false;
  skip_authenticated = false;
}
actions { reject = 15; add_header = 6; }
worker "rspamd_proxy" {
  bind_socket = ["127.0.0.1:${port}", "${folder}/milter.sock mode=0600"];
  milter = yes;
  count = 1;
  timeout = 20s;
  upstream "local" { default = yes; self_scan = yes; }
  spam_header = "X-Spam";
}
`;
}
