/**
 * Where figures come from: the machine, and the commit.
 *
 * @module
 */

import { cpus } from "node:os";

/** What a rate depends on beside the program. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly deno: string;
}

/** This machine. Needs `--allow-sys`. */
export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: navigator.hardwareConcurrency,
    kernel: `${Deno.build.os} ${Deno.osRelease()}`,
    deno: Deno.version.deno,
  };
}

/** In one line, for people. */
export function formatMachine({ cpu, cores, kernel, deno }: Machine): string {
  return `Deno ${deno}, ${cores} cores of ${cpu}, ${kernel}`;
}

/** What is checked out at a folder. */
export interface Checkout {
  /** The commit's hash; `unknown` where git does not know. */
  readonly commit: string;
  /** Whether files differ from it. */
  readonly modified: boolean;
}

/** What is checked out there. */
export async function checkoutAt(folder: string): Promise<Checkout> {
  const commit = await git(folder, "rev-parse", "HEAD");
  const changes = await git(folder, "status", "--porcelain", "--untracked-files=no");
  return { commit: commit ?? "unknown", modified: changes !== "" };
}

/** What git says, or `null` where it fails. */
export async function git(folder: string, ...args: string[]): Promise<string | null> {
  try {
    const { code, stdout } = await new Deno.Command("git", {
      args: ["-C", folder, ...args],
      stderr: "null",
    }).output();
    return code === 0 ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null; // no git here
  }
}
