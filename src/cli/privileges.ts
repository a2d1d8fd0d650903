/**
 * Giving root up: a server that root started listens first, where only root may, and becomes the user of the
 * configuration before it takes a connection or writes a file. There is no way back, which is tried.
 *
 * All threads of the process become that user (the C library tells each of them), also those that come later.
 *
 * What fails: everything that leaves a right of root's behind is a {@link CommandError}, and the process must end.
 * Deno cannot set supplementary groups; where some would stay, that is refused, with the command that clears them.
 *
 * @module
 */

import { chownSync, lstatSync, readFileSync } from "node:fs";
import process from "node:process";
import { CommandError, EXIT } from "./exit.ts";
import { describeError } from "./trouble.ts";

/** A user of this machine to become. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** What a configuration says of whom to become. */
export interface AccountKeys {
  readonly user?: string | undefined;
  readonly group?: string | undefined;
}

/** Whether root runs this, as far as can be known. */
export function isRoot(): boolean {
  try {
    return process.getuid?.() === 0;
  } catch {
    return false; // Deno was not allowed to tell; then it is not allowed to become somebody either
  }
}

/**
 * Finds a user in the text of `/etc/passwd`, and a group in that of `/etc/group`; both by name or number.
 *
 * @param group `undefined`: the user's own. @returns words where there is none.
 *
 * @example
 * ```ts
 * import { findAccount } from "./privileges.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const passwd = "root:x:0:0::/root:/bin/sh\nyizhan:x:990:991::/:/usr/sbin/nologin\n";
 * const account = { name: "yizhan", uid: 990, gid: 991 };
 * assertEquals(findAccount({ user: "yizhan" }, passwd, ""), account);
 * assertEquals(findAccount({ user: "990", group: "mail" }, passwd, "mail:x:8:\n"), {
 *   ...account,
 *   gid: 8,
 * });
 * assertEquals(findAccount({ user: "root" }, passwd, ""), "user: root is who it is not to be");
 * ```
 */
export function findAccount(
  { user = "", group }: AccountKeys,
  passwd: string,
  groups: string,
): Account | string {
  const found = lineOf(passwd, user);
  if (found === null) return `user: this machine has no user ${user} (/etc/passwd)`;
  const uid = Number(found[2]);
  const own = group === undefined ? found[3] : lineOf(groups, group)?.[2];
  if (own === undefined) return `group: this machine has no group ${group} (/etc/group)`;
  const gid = Number(own);
  if (uid === 0) return `user: ${user} is who it is not to be`;
  if (gid === 0) return `group: ${group ?? user} has root's group, whose files it could read`;
  return { name: found[0]!, uid, gid };
}

/** The line of this name or number. Numbers that are none make no line: `Number("")` is root's. */
function lineOf(text: string, wanted: string): string[] | null {
  const lines = text.split("\n").map((line) => line.split(":"));
  const isNumber = (field: string | undefined) => /^\d{1,10}$/.test(field ?? "");
  return lines.find(([name, , number]) => name === wanted && isNumber(number)) ??
    lines.find(([, , number]) => isNumber(number) && number === wanted) ?? null;
}

/** {@link findAccount} of this machine. @throws {CommandError} where there is none. */
export function readAccount(keys: AccountKeys): Account {
  const read = (path: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      throw new CommandError(EXIT.config, `user: ${describeError(error)}`, { cause: error });
    }
  };
  const groups = keys.group === undefined ? "" : read("/etc/group");
  const account = findAccount(keys, read("/etc/passwd"), groups);
  if (typeof account === "string") throw new CommandError(EXIT.config, account);
  return account;
}

/**
 * Becomes that user, for good. Whoever is that user already stays.
 *
 * @throws {CommandError} when it cannot, or some right would stay.
 */
export function becomeUser(account: Account): void {
  const { name, uid, gid } = account;
  if (process.getuid?.() === uid) return;
  if (!isRoot()) {
    throw new CommandError(
      EXIT.noPermission,
      `user: only root can become ${name}; start it as root, or as ${name}`,
    );
  }
  // Bun has it, Deno has not.
  if (process.setgroups !== undefined) process.setgroups([gid]);
  const left = (process.getgroups?.() ?? []).filter((group) => group !== gid);
  if (left.length > 0) {
    throw new CommandError(
      EXIT.noPermission,
      `user: the groups ${left.join(", ")} of who started this would stay; ` +
        `start it by: setpriv --clear-groups COMMAND`,
    );
  }
  process.setgid!(gid);
  process.setuid!(uid);
  demandGone(account);
}

/** Trust is good: a kernel or a container may have its own rules. */
function demandGone({ name, uid, gid }: Account): void {
  const ids = [process.getuid!(), process.geteuid!(), process.getgid!(), process.getegid!()];
  const isUser = ids.every((id, index) => id === (index < 2 ? uid : gid));
  if (isUser && !mayBecomeRoot()) return;
  throw new CommandError(EXIT.noPermission, `user: this did not become ${name} for good`);
}

function mayBecomeRoot(): boolean {
  try {
    process.setuid!(0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Folders on the way to `path` that are not there yet, uppermost first: who makes them as root gives them away
 * with {@link giveFolders}.
 */
export function missingFolders(path: string): string[] {
  const missing: string[] = [];
  for (let folder = path; folder !== "/" && folder !== "." && folder !== "";) {
    if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined) break;
    missing.unshift(folder);
    folder = folder.slice(0, Math.max(folder.lastIndexOf("/"), 0));
  }
  return missing;
}

/** Gives folders that were just made to the user. */
export function giveFolders(folders: readonly string[], { uid, gid }: Account): void {
  for (const folder of folders) chownSync(folder, uid, gid);
}

/**
 * Demands that a folder is the user's: in one of root's nothing could be kept, and what root left in it could not be
 * read.
 *
 * @throws {CommandError} with the command that mends it.
 */
export function demandOwner(key: string, path: string, { name, uid }: Account): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSymbolicLink() || found.uid === uid) return;
  throw new CommandError(
    EXIT.config,
    `${key}: ${path} belongs to user ${found.uid}, not to ${name}: chown -R ${name} ${path}`,
  );
}
