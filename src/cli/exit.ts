/**
 * How the program ends: the exit codes of `sysexits.h`, which mail programs have always used, and the
 * errors that lead to them. Each is told as one line that says what, where and what to do.
 *
 * @module
 */

/** Exit codes (`sysexits.h`). */
export const EXIT = {
  ok: 0,
  /** The command line is wrong. */
  usage: 64,
  /** A file holds what it must not. */
  dataError: 65,
  /** A file that must be there is not, or cannot be read. */
  noInput: 66,
  /** Something needed is not to be had, such as a port in use. */
  unavailable: 69,
  /** A bug. */
  software: 70,
  /** A file or folder cannot be made. */
  cantCreate: 73,
  /** Reading or writing failed. */
  ioError: 74,
  /** It may work later. */
  temporary: 75,
  /** Not allowed. */
  noPermission: 77,
  /** The configuration is wrong. */
  config: 78,
  /** Ctrl-C, as shells say it of whoever a signal ended: 128 and the number of SIGINT. */
  interrupted: 130,
} as const;

/** An exit code. */
export type ExitCode = typeof EXIT[keyof typeof EXIT];

/** Something the operator can mend. The message is one line and is all that is shown. */
export class CommandError extends Error {
  /** What the process exits with. */
  readonly exitCode: ExitCode;

  /** @param exitCode what to exit with. @param message what, where, and what to do. */
  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CommandError";
    this.exitCode = exitCode;
  }
}

/** A command line that cannot be understood. */
export class UsageError extends CommandError {
  /** @param message what is wrong, and what would be right. */
  constructor(message: string) {
    super(EXIT.usage, message);
    this.name = "UsageError";
  }
}
