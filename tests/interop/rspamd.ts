/**
 * rspamd on a port and a socket of its own: as a milter that scans by itself, without Redis, without DNS, without
 * maps and with no rules but its own test patterns; or asked about mails over HTTP, with the modules that a test names.
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
      args: argumentsOf(file),
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

/** A running rspamd that is asked about mails. */
export interface RspamdScanner extends AsyncDisposable {
  /** What it says of a mail, as `/checkv2` has it. */
  check<T>(mail: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<T>;
  /** All it wrote so far. */
  readonly output: () => string;
}

/**
 * Starts it.
 *
 * @param sections more of its configuration: the modules and their settings.
 * @param namePort where it asks for names, on 127.0.0.1; default: where nobody answers.
 */
export async function startRspamdScanner(
  sections: string,
  namePort?: number,
): Promise<RspamdScanner> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await makeTemporaryFolder());
  const port = findFreePort();
  const suffixes = await folder.write("suffixes", "test\nexample\ncom\n");
  const dns = namePort === undefined
    ? `nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1;`
    : `nameserver = ["127.0.0.1:${namePort}"]; timeout = 5s; retransmits = 5;`;
  const file = await folder.write(
    "rspamd.conf",
    `options {
  pidfile = "${folder.path}/rspamd.pid"; tempdir = "${folder.path}"; hs_cache_dir = "${folder.path}";
  control_socket = "${folder.path}/control.sock mode=0600";
  url_tld = "${suffixes}"; disable_hyperscan = true; filters = "dkim"; local_addrs = ["192.0.2.0/24"];
  dns { ${dns} }
}
logging { type = "console"; level = "info"; color = false; }
lua = "/usr/share/rspamd/rules/rspamd.lua";
${sections}
actions { reject = 15; add_header = 6; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
`,
  );
  const daemon = stack.use(await startDaemon("rspamd", { args: argumentsOf(file), port }));
  const owned = stack.move();
  return {
    output: daemon.output,
    async check<T>(mail: Uint8Array, headers: Readonly<Record<string, string>> = {}) {
      const answer = await fetch(`http://127.0.0.1:${port}/checkv2`, {
        method: "POST",
        headers: { IP: "198.51.100.1", ...headers },
        body: mail.slice(),
      });
      return await answer.json() as T;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** As root it wants to be told that it may stay so. */
function argumentsOf(file: string): string[] {
  return ["-f", ...(Deno.uid() === 0 ? ["-i", "-u", "root", "-g", "root"] : []), "-c", file];
}
