/**
 * The drop folder: where every program of this machine may leave mail, and none may list, read, replace or
 * remove what others left. It belongs to the server's user and has mode 1733: all may write and search, only its
 * owner may list (no read), and only the owner of a file or of the folder may rename or remove it (sticky). The
 * folder it lies in must let others through (0711), and must not be theirs to write.
 *
 * A file is written under an unguessable name that begins with `tmp-` and renamed when it is whole and synced,
 * so half a mail is never taken. What a program left unfinished is removed after a day.
 *
 * What fails: {@link DropFolderError} where the folder is not what it must be and cannot be made so, and
 * what the disk says.
 *
 * @module
 */

import { errorCode, type FileHandle, type Files, type Random } from "../../runtime/runtime.ts";
import { BULLETIN_NAME, type DropBulletin, formatBulletin } from "./drop_bulletin.ts";
import { MAIL_MODE, MAIL_NAME, UNFINISHED } from "./drop_file.ts";

/** The mode of the folder. */
export const DROP_MODE = 0o1733;

/** The mode of the folder of what was refused. */
const REFUSED_MODE = 0o700;

/** Milliseconds after which what is unfinished, or no mail, is removed. */
const UNFINISHED_AGE = 24 * 3_600_000;

/** Milliseconds for which refused mail is kept. */
const REFUSED_AGE = 30 * 24 * 3_600_000;

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

/**
 * Makes both folders where they are missing, and mends their modes; gives what was found wrong and is right
 * now, or is not ours to mend, in words.
 *
 * @throws {DropFolderError}
 */
export async function openDropFolder(options: DropFolderOptions): Promise<string[]> {
  const { files, directory, refused, uid } = options;
  const notes = await openFolder(files, directory, DROP_MODE, uid);
  notes.push(...await openFolder(files, refused, REFUSED_MODE, uid));
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
  return notes;
}

async function openFolder(
  files: Files,
  path: string,
  wanted: number,
  uid: number,
): Promise<string[]> {
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
  if (made) {
    await files.setMode(path, wanted);
    await files.syncDirectory(folderOf(path));
    return [];
  }
  if (mode === wanted) return [];
  await files.setMode(path, wanted);
  return [`${path} had mode ${octal(mode)}; it has ${octal(wanted)} now`];
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

/**
 * Removes what is old: from the folder what never became a mail, from the other what was refused long ago.
 * What cannot be removed (a folder that somebody filled) stays.
 */
export async function cleanDropFolder(
  { files, directory, refused }: DropFolderOptions,
  now: number,
): Promise<void> {
  await removeOld(files, directory, now - UNFINISHED_AGE, (name) => {
    return !MAIL_NAME.test(name) && name !== BULLETIN_NAME;
  });
  await removeOld(files, refused, now - REFUSED_AGE, () => true);
}

/** Puts the bulletin where programs find it; the one that is there is replaced. */
export async function postBulletin(
  { files, directory }: DropFolderOptions,
  random: Random,
  bulletin: DropBulletin,
): Promise<void> {
  const path = `${directory}/${UNFINISHED}${random.bytes(16).toHex()}`;
  const file = await files.open(path, { write: true, createNew: true });
  try {
    await file.write(formatBulletin(bulletin));
  } finally {
    file.close();
  }
  await files.setMode(path, MAIL_MODE);
  await files.rename(path, `${directory}/${BULLETIN_NAME}`);
}

async function removeOld(
  files: Files,
  directory: string,
  before: number,
  isWanted: (name: string) => boolean,
): Promise<void> {
  for await (const { name } of files.list(directory)) {
    if (!isWanted(name)) continue;
    const path = `${directory}/${name}`;
    const found = await files.stat(path).catch(() => null);
    if (found !== null && found.modified < before) await files.remove(path).catch(() => {});
  }
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
