/**
 * Other programs, by `Deno.Command`.
 *
 * @module
 */

import { type ProgramCommand, type ProgramResult, SystemError } from "./runtime.ts";

/** Runs a program. */
export function runProgram(command: ProgramCommand, _signal?: AbortSignal): Promise<ProgramResult> {
  return Promise.reject(new SystemError("ENOSYS", `cannot run ${command.program}`));
}
