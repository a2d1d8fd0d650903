/**
 * What went wrong, in words an operator can act on: what, where, what to do.
 *
 * @module
 */

import { UsersFileError } from "../directory/users_read.ts";
import { SpoolBusyError } from "../queue/spool/owner.ts";
import { SpoolVersionError } from "../queue/spool/spool_version.ts";
import { errorCode } from "../runtime/system_error.ts";
import { CommandError, EXIT, type ExitCode } from "./exit.ts";

/** Why something was not even tried: it says nothing about what was to be tried. */
export const NOT_PERMITTED = "Deno was not given that permission";

/** Whether a resolver gave no answer because Deno does not let it ask: its words name the flag then. */
export function isUnpermitted(reason: string): boolean {
  return /\(--allow-(?:net|read=[^)]*)\)/.test(reason);
}

/** Why a file could not be used, without its name. */
export function describeFileError(error: unknown): string {
  if (isNotCapable(error)) return NOT_PERMITTED;
  return FILE_ERRORS[errorCode(error) ?? ""] ?? describeError(error);
}

/** By errno. */
const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EACCES: "permission denied; it must be open to the user this runs as",
  EPERM: "permission denied; it must be open to the user this runs as",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
};

/** The message of anything thrown, in one line. */
export function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s*[\r\n]+\s*/g, " ");
}

/**
 * A failure of the machine or of what it was told, as the operator shall see it; `null` for what is
 * none of the known ones, and so a bug.
 *
 * @param what was tried, such as `cannot listen on 127.0.0.1:25`.
 */
export function explainFailure(what: string, error: unknown): CommandError | null {
  if (error instanceof CommandError) return error;
  if (error instanceof UsersFileError) {
    return new CommandError(EXIT.dataError, error.problems.join("\n"), { cause: error });
  }
  if (error instanceof SpoolBusyError) {
    const advice = "stop it first, or give another folder in queue.directory";
    return new CommandError(EXIT.temporary, `${what}: ${error.message}; ${advice}`, {
      cause: error,
    });
  }
  if (error instanceof SpoolVersionError) {
    return new CommandError(EXIT.dataError, `${what}: ${error.message}`, { cause: error });
  }
  if (isNotCapable(error)) {
    // Deno's own words name the flag.
    const reason = `${NOT_PERMITTED}: ${describeError(error)}`;
    return new CommandError(EXIT.noPermission, `${what}: ${reason}`, { cause: error });
  }
  const known = FAILURES[errorCode(error) ?? ""];
  if (known !== undefined) {
    const [exitCode, advice] = known;
    const reason = `${describeError(error)}; ${advice}`;
    return new CommandError(exitCode, `${what}: ${reason}`, { cause: error });
  }
  // A TypeError is what the station throws where its options are wrong; it says which.
  if (!(error instanceof TypeError)) return null;
  return new CommandError(EXIT.config, `${what}: ${describeError(error)}`, { cause: error });
}

/**
 * Whether Deno refused it, not the system: of both the runtime's calls say EACCES, and `node:` modules give
 * Deno's error as it is, without a code. It is known by its name, as no other runtime has the class.
 */
export function isNotCapable(error: unknown): boolean {
  const refused = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return refused instanceof Error && refused.name === "NotCapable";
}

/** By errno: the exit code, and what to do. */
const FAILURES: Readonly<Record<string, readonly [ExitCode, string]>> = {
  EADDRINUSE: [
    EXIT.unavailable,
    "something else listens there: stop it (ss -ltnp shows what it is) or choose another port",
  ],
  EADDRNOTAVAIL: [EXIT.unavailable, "this machine has no such address: ip addr shows those it has"],
  ENOTFOUND: [EXIT.unavailable, "give an address instead of a name"],
  EACCES: [EXIT.noPermission, "open it to the user this runs as"],
  EPERM: [EXIT.noPermission, "run this as the user it belongs to"],
  ENOENT: [EXIT.noInput, "make it first"],
  ENOTDIR: [EXIT.cantCreate, "a part of the path is not a folder"],
  EISDIR: [EXIT.noInput, "it is a folder"],
  ENAMETOOLONG: [EXIT.cantCreate, "choose a shorter path"],
  ENOSPC: [EXIT.ioError, "the disk is full"],
  EROFS: [EXIT.cantCreate, "the file system is read-only"],
  EIO: [EXIT.ioError, "the disk failed"],
  EMFILE: [EXIT.temporary, "too many files are open: raise ulimit -n"],
};
