/**
 * Knot DNS, an authoritative name server, on a port of its own, with zones written as its operators write
 * them. It is no recursive server: it refuses what it has no zone for.
 *
 * @module
 */

import type { NameServer } from "../../src/runtime/resolv_conf.ts";
import { findFreePort } from "../support/free_port.ts";
import { until } from "./daemon.ts";
import { findTool, makeTemporaryFolder, run } from "./support.ts";

/** A running Knot. */
export interface Knot extends AsyncDisposable {
  /** Where it answers, by UDP and TCP. */
  readonly server: NameServer;
  /** The key with which it signs a zone, as a trust anchor has it. */
  keyOf(zone: string): Promise<string>;
  /** What it said so far. */
  log(): Promise<string>;
}

/** What every zone begins with; negative answers may be remembered for 60 seconds. */
const HEAD = `$TTL 300
@ IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
@ IN NS ns.invalid.
`;

/** The files are ours: Knot keeps what it signs to itself. */
const SIGNED = `    dnssec-signing: on
    dnssec-policy: one-key
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
`;

/** How long it may take to start, in milliseconds: generous, as machines are busy. */
const LIMIT = 30_000;

/**
 * Starts Knot.
 *
 * @param zones the records of each zone by its name, without SOA and NS. A zone of `null` has a file that
 * cannot be loaded: Knot answers SERVFAIL for it. @param signed which of them it signs (DNSSEC), with one key each.
 */
export async function startKnot(
  zones: Record<string, string | null>,
  signed: readonly string[] = [],
): Promise<Knot> {
  const folder = await makeTemporaryFolder();
  const port = findFreePort();
  for (const [zone, records] of Object.entries(zones)) {
    await folder.write(`${zone}.zone`, records === null ? "@ nonsense\n" : HEAD + records);
  }
  const file = await folder.write(
    "knot.conf",
    formatConfiguration(folder.path, port, zones, signed),
  );
  const child = new Deno.Command(findTool("knotd"), {
    args: ["-c", file],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    try {
      child.kill("SIGTERM");
    } catch { /* it has ended by itself */ }
    await child.status;
    await folder[Symbol.asyncDispose]();
  };
  const log = () => Deno.readTextFile(`${folder.path}/knot.log`).catch(() => "");
  try {
    await untilReady(port, child, log);
  } catch (error) {
    await stop();
    throw error;
  }
  const keyOf = (zone: string) =>
    until(`a key of ${zone}`, async () => {
      const { stdout } = await run("keymgr", ["-c", file, zone, "dnskey"]);
      return /DNSKEY (257 3 .*)$/m.exec(new TextDecoder().decode(stdout))?.[1];
    }, { log });
  return { server: { address: "127.0.0.1", port }, keyOf, log, [Symbol.asyncDispose]: stop };
}

function formatConfiguration(
  folder: string,
  port: number,
  zones: Record<string, string | null>,
  signed: readonly string[],
): string {
  const list = Object.keys(zones).map((zone) =>
    `  - domain: "${zone}."\n    file: "${folder}/${zone}.zone"\n` +
    (signed.includes(zone) ? SIGNED : "")
  );
  return `
server:
    rundir: "${folder}"
    listen: "127.0.0.1@${port}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "${folder}"
log:
  - target: "${folder}/knot.log"
    any: info
policy:
  - id: one-key
    algorithm: ecdsap256sha256
    single-type-signing: on
zone:
${list.join("")}`;
}

/** Resolves when it takes connections: by then the zones are loaded. */
async function untilReady(
  port: number,
  child: Deno.ChildProcess,
  log: () => Promise<string>,
): Promise<void> {
  let ended = false;
  child.status.then(() => ended = true);
  const deadline = Date.now() + LIMIT;
  while (!ended && Date.now() < deadline) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`Knot did not start; its log:\n${await log()}`);
}
