/**
 * The drop folder: where every program of this machine may leave mail, and none may list, read, replace or
 * remove what others left. It belongs to the server's user and has mode 3733: all may write and search, only its
 * owner may list (no read), and only the owner of a file or of the folder may rename or remove it (sticky). What
 * is made in it gets the folder's group (setgid), which is one of the server's: so a mail of mode 0640 is read by
 * its owner and the server and nobody else, and a file that was made elsewhere and moved or linked here, perhaps
 * by another than its owner, is known by its group. Where the system does not allow setgid the mode is 1733: then
 * mail is guarded by its name alone, which nobody guesses, lists or is told of. The folder that this one lies in
 * must let others through (0711), and must not be theirs to write.
 *
 * A file is written under an unguessable name that begins with `tmp-` and renamed when it is whole and synced,
 * so half a mail is never taken. What a program left unfinished is removed after a day.
 *
 * What fails: {@link DropFolderError} where the folder is not what it must be and cannot be made so, and
 * what the disk says.
 *
 * @module
 */

import type { FileHandle, Files } from "../../runtime/files.ts";
import type { Random } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { BULLETIN_NAME, type DropBulletin, formatBulletin } from "./drop_bulletin.ts";
import { MAIL_NAME, UNFINISHED } from "./drop_file.ts";

/** The mode of the folder. */
export const DROP_MODE = 0o3733;

/** The same where there can be no setgid. */
export const DROP_MODE_WITHOUT_GROUP = 0o1733;

/** The mode of the bulletin, which is for all. */
const BULLETIN_MODE = 0o644;

/** The mode of the folder of what was refused. */
const REFUSED_MODE = 0o700;

/** Milliseconds after which what is unfinished, or no mail, is removed. */
const UNFINISHED_AGE = 24 * 3_600_000;

/** The folder cannot be used; the message says why and what to do. */
export class DropFolderError extends Error {
  /** @param message what, where, and what to do. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DropFolderError";
  }
}

/** Which folders, and whose. */
export interface DropFolderOptions {
  readonly files: Files;
  /** Where programs leave mail. The folder it lies in is there. */
  readonly directory: string;
  /** Where refused mail is kept: a folder of the server's own. The folder it lies in is there. */
  readonly refused: string;
  /** The user this process runs as. */
  readonly uid: number;
}

/** By what files that were made in the folder are known. */
export interface DropOrigin {
  /** The number of their file system. */
  readonly device: number;
  /** The number of their group; `null` where it says nothing. */
  readonly group: number | null;
}

/** A folder that is in order. */
export interface OpenedDropFolder {
  readonly origin: DropOrigin;
  /** What was found wrong and is right now, or is not ours to mend, in words. */
  readonly notes: readonly string[];
}

/**
 * Makes both folders where they are missing, and mends their modes.
 *
 * @throws {DropFolderError}
 */
export async function openDropFolder(options: DropFolderOptions): Promise<OpenedDropFolder> {
  const { files, directory, refused, uid } = options;
  const notes: string[] = [];
  const origin = await openToAll(files, directory, await openFolder(files, directory, uid), notes);
  const before = await openFolder(files, refused, uid);
  await files.setMode(refused, REFUSED_MODE);
  noteMode(notes, refused, before, REFUSED_MODE);
  const parent = folderOf(directory);
  const { mode, owner } = await identify(files, parent);
  if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) {
    const advice = `others could put another folder in its place; run: chmod go-w ${parent}`;
    throw new DropFolderError(`${parent} holds the drop folder and is open to write: ${advice}`);
  }
  if (owner !== uid && owner !== 0) {
    throw new DropFolderError(
      `${parent} holds the drop folder and belongs to user ${owner}; run: chown ${uid} ${parent}`,
    );
  }
  if ((mode & 0o001) === 0) {
    const advice = `run: chmod go+x ${parent}`;
    notes.push(`${parent} lets no other user through, so only this one can leave mail; ${advice}`);
  }
  return { origin, notes };
}

/** Gives the drop folder its mode. @param before what it had; `null` where it is new. */
async function openToAll(
  files: Files,
  path: string,
  before: number | null,
  notes: string[],
): Promise<DropOrigin> {
  // A system drops the bit, or says no, where the group is none of ours (chmod(2)): so it is set each time.
  await files.setMode(path, DROP_MODE).catch((error) => {
    if (errorCode(error) !== "EPERM") throw error;
  });
  const { mode, group, device } = await identify(files, path);
  if (mode === DROP_MODE) {
    noteMode(notes, path, before, mode);
    // Until now what was made in it had another group.
    return { device, group: before === null || before === mode ? group : null };
  }
  await files.setMode(path, DROP_MODE_WITHOUT_GROUP);
  noteMode(notes, path, before, DROP_MODE_WITHOUT_GROUP);
  const advice = `give it to a group of the user this runs as (chgrp), and let setgid be set`;
  notes.push(`${path} can have no mode 3733, so mail in it is readable to all (0644); ${advice}`);
  return { device, group: null };
}

function noteMode(notes: string[], path: string, before: number | null, mode: number): void {
  if (before === null || before === mode) return;
  notes.push(`${path} had mode ${octal(before)}; it has ${octal(mode)} now`);
}

/** Makes a folder where it is missing; gives the mode that it had where it is not. */
async function openFolder(files: Files, path: string, uid: number): Promise<number | null> {
  const made = await files.makeDirectory(path, 0o700).then(() => true, (error) => {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  });
  const { kind, mode, owner } = await identify(files, path);
  if (kind !== "directory") throw new DropFolderError(`${path} is no folder; remove it`);
  if (owner !== uid) {
    const advice = `give it to the user this runs as: chown ${uid} ${path}`;
    throw new DropFolderError(`${path} belongs to user ${owner}; ${advice}`);
  }
  if (!made) return mode;
  await files.syncDirectory(folderOf(path));
  return null;
}

/** What a path leads to, which must not be a link. */
async function identify(files: Files, path: string) {
  let handle: FileHandle;
  try {
    handle = await files.open(path, { read: true, noFollow: true });
  } catch (error) {
    // EMLINK is FreeBSD's word for it.
    if (!["ELOOP", "EMLINK"].includes(errorCode(error) ?? "")) throw error;
    const advice = "name the folder that it leads to";
    throw new DropFolderError(`${path} is a link; ${advice}`, { cause: error });
  }
  try {
    return await handle.identify();
  } finally {
    handle.close();
  }
}

/** Removes what never became a mail in a day. What cannot be removed (a folder that somebody filled) stays. */
export async function cleanDropFolder(
  { files, directory }: DropFolderOptions,
  now: number,
): Promise<void> {
  for await (const { name } of files.list(directory)) {
    if (MAIL_NAME.test(name) || name === BULLETIN_NAME) continue;
    const path = `${directory}/${name}`;
    const found = await files.stat(path).catch(() => null);
    // Its owner may have set any time, also one to come.
    if (found === null || Math.abs(now - found.modified) < UNFINISHED_AGE) continue;
    await files.remove(path).catch(() => {});
  }
}

/**
 * Puts the bulletin where programs find it; the one that is there is replaced. Gives the number of the file system
 * that files made in the folder are on, which need not be the folder's own (overlayfs).
 */
export async function postBulletin(
  { files, directory }: DropFolderOptions,
  random: Random,
  bulletin: DropBulletin,
  onTrouble: (error: unknown) => void,
): Promise<number> {
  const path = `${directory}/${UNFINISHED}${random.bytes(16).toHex()}`;
  const file = await files.open(path, { write: true, createNew: true });
  let device: number;
  try {
    await file.write(formatBulletin(bulletin));
    await file.sync();
    ({ device } = await file.identify());
  } finally {
    file.close();
  }
  await files.setMode(path, BULLETIN_MODE);
  // Without it programs do with what they know; somebody may have put a folder in its place.
  await files.rename(path, `${directory}/${BULLETIN_NAME}`).catch(onTrouble);
  return device;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

/** What a path lies in. */
function folderOf(path: string): string {
  const bare = path.replace(/\/+$/, "");
  const slash = bare.lastIndexOf("/");
  return slash < 0 ? "." : bare.slice(0, slash).replace(/\/+$/, "") || "/";
}
