/**
 * Instructions that a process executes, counted by the processor and read by `perf stat`. Unlike times they
 * hardly depend on what else the machine does.
 *
 * @module
 */

import { stop } from "./clean_up.ts";

/** Instructions in the program, and in the kernel on its behalf. */
export interface Instructions {
  readonly user: number;
  readonly kernel: number;
}

/** Reads what `perf stat -x,` wrote; `null` where the processor does not count. */
export function parsePerf(text: string): Instructions | null {
  const count = (event: string) => {
    const line = text.split("\n").find((line) => line.split(",")[2]?.startsWith(event));
    const value = Number.parseInt(line ?? "");
    return Number.isNaN(value) ? null : value;
  };
  const user = count("instructions:u");
  const kernel = count("instructions:k");
  return user === null || kernel === null ? null : { user, kernel };
}

/** A count that has begun; `end()` gives what it came to, or `null` where perf could not count. */
export interface Count {
  end(): Promise<Instructions | null>;
}

/** Begins to count the instructions of a running process, all its threads. */
export async function countInstructions(pid: number): Promise<Count> {
  const child = spawnPerf(pid);
  if (child === null) return { end: () => Promise.resolve(null) };
  await new Promise((resolve) => setTimeout(resolve, 300)); // until it has attached to all threads
  return {
    async end() {
      stop(child, "SIGINT");
      const { stderr } = await child.output();
      return parsePerf(new TextDecoder().decode(stderr));
    },
  };
}

function spawnPerf(pid: number): Deno.ChildProcess | null {
  const events = "instructions:u,instructions:k";
  try {
    return new Deno.Command("perf", {
      args: ["stat", "-x,", "-e", events, "-p", `${pid}`],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
  } catch {
    return null; // perf is not installed
  }
}
