/**
 * Deno's errors as the rest of the program knows them: every error that leaves the adapter has an
 * errno name as `code`. Deno gives most system errors one itself; a few kinds carry none (a closed
 * resource, an unknown host) or a misleading one (a call that `close()` woke says EINTR).
 *
 * @module
 */

import { SOCKET_PATH_LIMIT } from "./network.ts";
import { errorCode, SystemError } from "./system_error.ts";

/** Deno's error classes by name, where the error itself has no `code`. */
const codeByName: Readonly<Record<string, string>> = {
  AddrInUse: "EADDRINUSE",
  AddrNotAvailable: "EADDRNOTAVAIL",
  AlreadyExists: "EEXIST",
  BadResource: "EBADF",
  BrokenPipe: "EPIPE",
  Busy: "EBUSY",
  ConnectionAborted: "ECONNABORTED",
  ConnectionRefused: "ECONNREFUSED",
  ConnectionReset: "ECONNRESET",
  FilesystemLoop: "ELOOP",
  InvalidData: "EINVAL",
  IsADirectory: "EISDIR",
  NetworkUnreachable: "ENETUNREACH",
  NotADirectory: "ENOTDIR",
  NotCapable: "EACCES",
  NotConnected: "ENOTCONN",
  NotFound: "ENOENT",
  NotSupported: "ENOTSUP",
  PermissionDenied: "EACCES",
  TimedOut: "ETIMEDOUT",
  UnexpectedEof: "ECONNRESET",
  WouldBlock: "EAGAIN",
  WriteZero: "EIO",
};

/** The same error with the right `code`; itself where it has that already. */
export function withErrorCode(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === "Interrupted") {
    return new SystemError("ECANCELED", "woken by close", { cause: error });
  }
  // Deno says EINVAL, which says nothing.
  if (error.message.includes("SUN_LEN")) {
    const message = `the path of a socket has at most ${SOCKET_PATH_LIMIT} octets`;
    return new SystemError("ENAMETOOLONG", message, { cause: error });
  }
  if (errorCode(error) !== undefined) return error;
  const known = codeByName[error.name];
  if (known !== undefined) return new SystemError(known, error.message, { cause: error });
  if (error.message.startsWith("failed to lookup address")) {
    return new SystemError("ENOTFOUND", error.message, { cause: error });
  }
  return error;
}

/** For `promise.catch`: throws the same error with its `code`. */
export function rethrow(error: unknown): never {
  throw withErrorCode(error);
}
