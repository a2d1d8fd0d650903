/**
 * A program of this folder, run for its figures.
 *
 * @module
 */

import type { CleanUp } from "./clean_up.ts";
import { type Figure, parseFigures } from "./figure.ts";

/** What to run, and how it is asked. `--json` is added. */
export interface Program {
  /** Its name without the end: `session`. */
  readonly name: string;
  readonly args: readonly string[];
}

/**
 * Runs a program of the sources in a folder; what it says to people goes to standard error.
 *
 * @throws when it fails, or writes what is no figure.
 */
export async function runProgram(
  tree: string,
  { name, args }: Program,
  cleanUp: CleanUp,
): Promise<Figure[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "-A", `bench/${name}.ts`, ...args, "--json"],
    cwd: tree,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  cleanUp.process(child);
  const { code, stdout } = await child.output();
  if (code !== 0) throw new Error(`bench/${name}.ts ended with ${code}`);
  return parseFigures(new TextDecoder().decode(stdout));
}
