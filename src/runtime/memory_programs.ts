/**
 * Programs of a made-up machine: functions by name.
 *
 * @module
 */

import type { ProgramCommand, ProgramResult, Programs } from "./programs.ts";
import { SystemError } from "./system_error.ts";

/** What a made-up program does. */
export type MemoryProgram = (
  command: ProgramCommand,
  signal?: AbortSignal,
) => Promise<ProgramResult>;

/** Runs functions. */
export class MemoryPrograms implements Programs {
  /** The programs, by name. */
  readonly installed = new Map<string, MemoryProgram>();

  run(command: ProgramCommand, signal?: AbortSignal): Promise<ProgramResult> {
    const program = this.installed.get(command.program);
    if (program !== undefined) return program(command, signal);
    return Promise.reject(new SystemError("ENOENT", `no program ${command.program}`));
  }
}
