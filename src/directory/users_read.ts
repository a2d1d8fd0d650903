/**
 * A users file read from the disk, or an error whose lines tell people what to mend.
 *
 * @module
 */

import { decodeStrict } from "../bytes.ts";
import type { Files } from "../runtime/files.ts";
import { errorCode } from "../runtime/system_error.ts";
import { otherVersion, parseUsersFile, type UsersFile } from "./users_file.ts";

/** Octets of a users file: some 300,000 users. */
const MAX_SIZE = 64 * 1024 * 1024;
/** Problems told at once; the first ones make the others, often. */
const MAX_TOLD = 5;

/** A users file that cannot be used, or an edit that cannot be made. */
export class UsersFileError extends Error {
  /** A line for people each: where, what was found, what is allowed. */
  readonly problems: readonly string[];

  /** @param problems at least one line; they make the message. */
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "UsersFileError";
    this.problems = problems;
  }
}

/** A users file: its text, and what it says. */
export interface UsersText {
  readonly text: string;
  readonly file: UsersFile;
}

/**
 * The octets of a users file.
 *
 * @throws {UsersFileError} when there is none, or it is far too large.
 */
export async function readUsersOctets(files: Files, path: string): Promise<Uint8Array> {
  try {
    return await files.readFile(path, MAX_SIZE);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") throw new UsersFileError([`${path}: no such file`]);
    if (code === "EISDIR") {
      const advice = `name a file in it, such as ${path.replace(/\/+$/, "")}/users`;
      throw new UsersFileError([`${path}: is a folder; ${advice}`]);
    }
    if (code === "EFBIG") throw new UsersFileError([`${path}: larger than ${MAX_SIZE} octets`]);
    throw error;
  }
}

/** Parses the octets of a users file. @throws {UsersFileError} for everything wrong in it. */
export function parseUsersOctets(octets: Uint8Array, path: string): UsersText {
  const text = decodeUsers(octets, path);
  return { text, file: checkUsersText(text, path) };
}

/** The text of a users file. @throws {UsersFileError} where it is not UTF-8. */
export function decodeUsers(octets: Uint8Array, path: string): string {
  const text = decodeStrict(octets);
  if (text !== null) return text;
  throw new UsersFileError([`${path}:${illFormedLine(octets)}: found octets that are not UTF-8`]);
}

/**
 * Demands that a users file's last line has its end: one that is being written, or was cut off, mostly
 * has none, and every line of it that is there may be well-formed.
 *
 * @throws {UsersFileError} when it has none.
 */
export function demandWhole({ text }: UsersText, path: string): void {
  if (text.endsWith("\n")) return;
  const line = text.split("\n").length;
  const advice = "if the file is whole, end it with a newline";
  throw new UsersFileError([`${path}:${line}: found a last line that may be cut off; ${advice}`]);
}

/** Reads and parses a users file. @throws {UsersFileError} for everything wrong with it. */
export async function readUsersFile(files: Files, path: string): Promise<UsersText> {
  return parseUsersOctets(await readUsersOctets(files, path), path);
}

/** Parses the text of a users file. @throws {UsersFileError} for everything wrong in it. */
export function checkUsersText(text: string, path: string): UsersFile {
  const file = parseUsersText(text, path);
  if (file.problems.length > 0) throw describeProblems(file, path);
  return file;
}

/** What is wrong in a users file, each with its line; the first of it. */
export function describeProblems({ problems }: UsersFile, path: string): UsersFileError {
  const told = problems.slice(0, MAX_TOLD).map(({ line, text }) => `${path}:${line}: ${text}`);
  const more = problems.length - told.length;
  return new UsersFileError(more === 0 ? told : [...told, `${path}: and ${more} more`]);
}

/**
 * Parses the text of a users file, whatever is wrong in it.
 *
 * @throws {UsersFileError} for a key in PEM form, and for a file of a version that is not known.
 */
export function parseUsersText(text: string, path: string): UsersFile {
  // A key given for a users file by mistake: no line of it may be quoted, least of all in a log.
  const pem = /^[^\S\n]*-----BEGIN /m.exec(text);
  if (pem !== null) {
    const line = text.slice(0, pem.index).split("\n").length;
    const what = "found a certificate or key in PEM form; name the users file instead";
    throw new UsersFileError([`${path}:${line}: ${what}`]);
  }
  const other = otherVersion(text);
  if (other !== null) throw new UsersFileError([`${path}:1: ${other}`]);
  return parseUsersFile(text);
}

/** The first line that is not UTF-8. No octet of a longer character is a line feed. */
function illFormedLine(octets: Uint8Array): number {
  let line = 1;
  for (let at = 0;; line++) {
    const feed = octets.indexOf(10, at);
    if (feed === -1 || decodeStrict(octets.subarray(at, feed)) === null) return line;
    at = feed + 1;
  }
}
