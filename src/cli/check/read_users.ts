/**
 * The users file as far as it can be read: every mistake in it, not only the first ones.
 *
 * @module
 */

import { decodeStrict } from "../../bytes.ts";
import { parseUsersFile } from "../../directory/users_file.ts";
import {
  checkUsersText,
  demandWhole,
  parseUsersOctets,
  readUsersOctets,
  UsersFileError,
} from "../../directory/users_read.ts";
import type { Files } from "../../runtime/files.ts";
import { type CheckFinding, findingsOf, type ReadUsers } from "./finding.ts";

const { error } = findingsOf("users");

/** The file, or why it cannot be read at all. */
export async function readUsers(
  files: Files,
  path: string,
): Promise<{ readonly users: ReadUsers | null; readonly findings: readonly CheckFinding[] }> {
  try {
    const octets = await readUsersOctets(files, path);
    const text = decodeStrict(octets);
    // Says which line is no text.
    if (text === null) parseUsersOctets(octets, path);
    const whole = text ?? "";
    // A key in its place must not be quoted; with that it is told of in one line.
    if (whole.includes("-----BEGIN ")) checkUsersText(whole, path);
    const file = parseUsersFile(whole);
    if (file.problems.length === 0) demandWhole({ text: whole, file }, path);
    return { users: { ...file, text: whole }, findings: [] };
  } catch (failure) {
    if (!(failure instanceof UsersFileError)) throw failure;
    const advice = failure.message.includes("no such file")
      ? "make it with: yizhan user add you@example.org"
      : undefined;
    return { users: null, findings: failure.problems.map((line) => error(line, advice)) };
  }
}
