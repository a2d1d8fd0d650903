/**
 * Other programs of this machine, as ours runs them. Types only.
 *
 * @module
 */

/** Other programs. */
export interface Programs {
  /**
   * Runs a program, without a shell and with an empty environment but for `environment`; `input` is its
   * standard input. Aborting the signal kills it, and what it started as far as the system allows, and
   * rejects with the reason; a program that has ended by itself before is a result.
   *
   * @throws `ENOENT` when there is no such program, `EACCES` when it may not be run.
   */
  run(command: ProgramCommand, signal?: AbortSignal): Promise<ProgramResult>;
}

/** What to run. */
export interface ProgramCommand {
  /** The path, or a name in the path of the system. */
  readonly program: string;
  /** Its arguments, each as it is. */
  readonly arguments: readonly string[];
  /** Its whole environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What it reads. It may stop reading before the end. */
  readonly input: AsyncIterable<Uint8Array>;
}

/** What became of a program. */
export interface ProgramResult {
  /** Its exit code; 128 and the number where a signal ended it. */
  readonly code: number;
  /** The beginning of what it wrote on standard output and standard error, at most 4 KiB. */
  readonly output: string;
}
