/**
 * What went wrong, in words an operator can act on: what, where, what to do.
 *
 * @module
 */

import { errorCode } from "../runtime/runtime.ts";
import { CommandError, EXIT, type ExitCode } from "./exit.ts";

/** Why a file could not be used, without its name. */
export function describeFileError(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return "Deno was not given that permission";
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied; make it readable for the user this runs as";
  }
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  if (error instanceof Deno.errors.InvalidData) return "it is not UTF-8 text";
  return describeError(error);
}

/** The message of anything thrown, in one line. */
export function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s*[\r\n]+\s*/g, " ");
}

/** What a station that would not start is to be told as: for known troubles one line with advice. */
export function explainStartFailure(error: unknown): CommandError | null {
  if (error instanceof CommandError) return error;
  const code = error instanceof Deno.errors.NotCapable ? "NotCapable" : errorCode(error);
  const known = code === undefined ? undefined : START_FAILURES[code];
  if (known === undefined) {
    // A certificate, network or address the station itself refuses.
    if (error instanceof TypeError || error instanceof RangeError) {
      return new CommandError(EXIT.config, describeError(error));
    }
    return null;
  }
  const [exitCode, advice] = known;
  return new CommandError(exitCode, `${describeError(error)}; ${advice}`, { cause: error });
}

/** By errno: the exit code, and what to do. */
const START_FAILURES: Readonly<Record<string, readonly [ExitCode, string]>> = {
  EADDRINUSE: [
    EXIT.unavailable,
    "something else listens there: stop it (ss -ltnp shows it) or choose another port",
  ],
  EADDRNOTAVAIL: [
    EXIT.unavailable,
    "this machine has no such address (ip addr shows those it has)",
  ],
  EACCES: [
    EXIT.noPermission,
    "not allowed; ports below 1024 need root or CAP_NET_BIND_SERVICE, files their owner",
  ],
  EPERM: [EXIT.noPermission, "not allowed; run as the owner"],
  NotCapable: [EXIT.noPermission, "give Deno that permission"],
  ENOENT: [EXIT.noInput, "make it first"],
  ENOTDIR: [EXIT.cantCreate, "it is not a folder"],
  ENOSPC: [EXIT.ioError, "the disk is full"],
  EROFS: [EXIT.cantCreate, "the file system is read-only"],
  EMFILE: [EXIT.temporary, "too many open files: raise ulimit -n"],
};
