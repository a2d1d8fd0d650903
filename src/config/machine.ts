/**
 * What reading a configuration asks of the machine, and why a file could not be read, in words.
 *
 * @module
 */

import { errorCode } from "../runtime/system_error.ts";

/** A file that was read. */
export interface ReadFile {
  /** What is in it. */
  readonly octets: Uint8Array;
  /** Its permission bits, such as 0o600; `null` where the system has none. */
  readonly mode: number | null;
}

/** What reading a configuration asks of the machine. */
export interface ConfigMachine {
  /**
   * The whole of a file.
   *
   * @throws an error with an errno `code`; `EFBIG` where it is longer than `limit` octets.
   */
  readFile(path: string, limit: number): Promise<ReadFile>;
  /** A variable of the environment; `undefined` also where it may not be read. */
  environment(name: string): string | undefined;
  /** The names of all variables, `null` where they cannot be listed. */
  environmentNames(): readonly string[] | null;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Why a file could not be read, without its name. */
export function describeReadError(error: unknown): string {
  const code = errorCode(error);
  const known = REASONS[code ?? ""];
  if (known !== undefined) return known;
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s*[\r\n]+\s*/g, " ");
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EACCES: "permission denied; it must be open to the user this runs as",
  EPERM: "permission denied; it must be open to the user this runs as",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ELOOP: "its links lead in a circle",
  EFBIG: "it is too long for what it should be",
  EIO: "the disk failed",
};
