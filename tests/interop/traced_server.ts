/**
 * The real server, `yizhan serve` from the sources, run under strace.
 *
 * @module
 */

import { AssertionError } from "@std/assert";
import { writeConfig } from "../support/config.ts";
import { TRACED_CALLS } from "../support/durability.ts";
import { findTool, type TemporaryFolder } from "./support.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** Octets of a write that strace shows: more than the server ever writes at once. */
const SHOWN = 4 * 1024 * 1024;

/** Milliseconds to start and to stop: under strace all is slow. */
const LIMIT = 60_000;

/** A server that is being traced. */
export interface TracedServer {
  readonly port: number;
  /** Stops it; gives the trace. */
  stop(): Promise<string>;
}

/**
 * Starts it on a folder with a file `users` in it; `mail` and `queue` are made there. It listens on a port of
 * its choice, relays for this machine, and delivers nothing from the queue.
 */
export async function startTraced(folder: TemporaryFolder): Promise<TracedServer> {
  const config = await writeConfig(folder.path, {
    hostname: "mx.example.test",
    listeners: [{ role: "mx", address: "127.0.0.1:0" }],
    relay: { from: ["127.0.0.0/8"] },
    queue: { paused: true },
    drop: { enabled: false },
  });
  const file = `${folder.path}/trace`;
  const command = [
    ...["-f", "-y", "-s", String(SHOWN), "-o", file, "-e", `trace=${TRACED_CALLS.join(",")}`],
    ...[findTool("deno"), "run", "--no-prompt", "--no-check", "-A", MAIN, "serve", "--json"],
    ...["--config", config],
  ];
  const strace = new Deno.Command(findTool("strace"), {
    args: command,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(strace.stderr).text();
  const output = strace.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const timer = setTimeout(() => strace.kill("SIGKILL"), LIMIT);
  let text = "";
  let started;
  while ((started = /"listener\.started".*:(\d+)".*\n/.exec(text)) === null) {
    const { value, done } = await output.read();
    if (done) throw new AssertionError(`the server did not start:\n${text}${await errors}`);
    text += value;
  }
  clearTimeout(timer);
  const port = Number(started[1]);
  const drained = (async () => {
    while (!(await output.read()).done);
  })();
  return {
    port,
    async stop() {
      // To strace itself the signal would mean: let the server go on alone.
      const children = `/proc/${strace.pid}/task/${strace.pid}/children`;
      Deno.kill(Number((await Deno.readTextFile(children)).trim()), "SIGTERM");
      const { code } = await strace.status;
      await drained;
      if (code !== 0) throw new AssertionError(`the server ended with ${code}:\n${await errors}`);
      await errors;
      return await Deno.readTextFile(file);
    },
  };
}
