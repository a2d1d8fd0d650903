/**
 * Rows that the load harness measures: it drives `smtp-source`, `smtp-sink` and a client of its own against our server
 * and the peers in turns, run by run.
 *
 * @module
 */

import { freePorts } from "../support/ports.ts";
import { type Context, startOurs } from "./context.ts";
import { type HarnessRow, OURS, parseHarnessRows } from "./results.ts";
import { type HarnessWork, peersFor } from "./rows.ts";

/** Our server is fresh for each call; between runs its queue is emptied, as those of the peers are. */
export async function runHarness(
  context: Context,
  { letter, args, role }: HarnessWork,
): Promise<HarnessRow[]> {
  const peers = peersFor(letter, context.peers, await readyLocal(context.state));
  const port = freePorts(peers.length + 2);
  const sink = port + 1;
  const server = await startOurs(context, role, port, sink);
  const clean = role === "relay" ? "" : `:${server.clean}`;
  try {
    return await callHarness(context, letter, [
      ...args,
      ...["--peers", peers.join(","), "--port", `${port + 2}`, "--sink", `${sink}`],
      ...["--secs", context.quick ? "1" : "4", "--messages", context.quick ? "1500" : "8000"],
      ...["--runs", `${context.runs}`, "--maildir", server.mail],
      ...["--attach", `${OURS}:${port}:${server.pid}${clean}`],
    ]);
  } finally {
    await server.stop();
  }
}

/** What a peer alone accepts, messages a second: 10 KB, 50 sessions. */
export async function rateOf(context: Context, peer: string): Promise<number> {
  const port = freePorts(2);
  const args = ["--sizes", "10k", "--sessions", "50", "--runs", "1", "--secs", "3"];
  const rows = await callHarness(context, "A", [...args, "--peers", peer, "--port", `${port}`]);
  if (rows.length === 0) throw new Error(`the harness has no rate of ${peer}`);
  return rows[0]!.rate;
}

async function callHarness(
  { harness, disk, state, cleanUp }: Context,
  letter: string,
  args: readonly string[],
): Promise<HarnessRow[]> {
  const out = `${await cleanUp.folder(disk)}/rows.jsonl`;
  const child = new Deno.Command("python3", {
    args: [`${harness}/bench.py`, letter, ...args, "--out", out],
    env: { STATE: state },
    stdout: "null", // a table for each call; ours has them all
    stderr: "inherit",
  }).spawn();
  cleanUp.process(child);
  const { code } = await child.status;
  if (code !== 0) throw new Error(`bench.py ${letter} ended with ${code}`);
  return parseHarnessRows(await Deno.readTextFile(out));
}

/**
 * Readies Postfix's delivery to a user of this machine, the harness's own; gives whether there is one. The harness
 * looks for the mail below the peers' state, where there is then a link to the user's.
 */
async function readyLocal(state: string): Promise<boolean> {
  const { success, stdout } = await new Deno.Command("getent", { args: ["passwd", "benchu"] })
    .output();
  if (!success) return false;
  const home = new TextDecoder().decode(stdout).split(":")[5];
  await Deno.mkdir(`${state}/benchu`, { recursive: true });
  await Deno.symlink(`${home}/Maildir`, `${state}/benchu/Maildir`).catch(() => {}); // there already
  return true;
}
