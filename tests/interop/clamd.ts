/**
 * ClamAV's daemon on a port and a socket of its own, with a signature database of one line: the test file of EICAR,
 * which every virus scanner knows and which harms nobody.
 *
 * @module
 */

import type { SocketAddress } from "../../src/runtime/network.ts";
import { findFreePort } from "../support/free_port.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { makeTemporaryFolder, octets, type TemporaryFolder } from "./support.ts";

/** The test file, in pieces, so that no scanner takes this file for the thing. */
export const EICAR = [
  "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
  "EICAR-STANDARD-",
  "ANTIVIRUS-TEST-FILE!$H+H*",
]
  .join("");

/** A running clamd. */
export interface Clamd extends AsyncDisposable {
  readonly tcp: SocketAddress;
  readonly unix: SocketAddress;
  readonly folder: TemporaryFolder;
  readonly daemon: Daemon;
}

/** Starts it. */
export async function startClamd(): Promise<Clamd> {
  const folder = await makeTemporaryFolder();
  const port = findFreePort();
  await Deno.mkdir(`${folder.path}/db`);
  const hex = Array.from(octets(EICAR), (octet) => octet.toString(16).padStart(2, "0")).join("");
  await folder.write("db/test.ndb", `Test.Eicar:0:*:${hex}\n`);
  const file = await folder.write(
    "clamd.conf",
    `Foreground yes
DatabaseDirectory ${folder.path}/db
TemporaryDirectory ${folder.path}
LocalSocket ${folder.path}/clamd.ctl
TCPSocket ${port}
TCPAddr 127.0.0.1
StreamMaxLength 1M
`,
  );
  const daemon = await startDaemon("clamd", { args: ["-c", file], port });
  return {
    ...{ folder, daemon },
    tcp: { transport: "tcp", hostname: "127.0.0.1", port },
    unix: { transport: "unix", path: `${folder.path}/clamd.ctl` },
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}
