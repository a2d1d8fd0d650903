/**
 * The folder `yizhan dev` keeps everything in: made where it is missing, with its names durable before
 * any mail is taken. Mail in a folder whose own name a power cut takes away is lost all the same.
 *
 * A folder that is there stays as it is. To sync the name of one that is made, the folder it lies in
 * must be opened, so that much has to be readable; nothing is written there but the name.
 *
 * @module
 */

import type { Files } from "../runtime/files.ts";
import { errorCode } from "../runtime/system_error.ts";

/** Owner only: mail is private. */
const FOLDER_MODE = 0o700;

/** Which folders must be readable and writable to {@link makeFolders} a path. */
export interface FolderNeeds {
  readonly read: string;
  readonly write: string;
}

/**
 * What making a folder needs, asking for one look at a time.
 *
 * @param mayRead whether a path may be looked at; called before each look.
 * @param demand called before each look that cannot be done without; throws where it is not allowed.
 */
export async function folderNeeds(
  files: Files,
  path: string,
  mayRead: (path: string) => boolean,
  demand: (needs: FolderNeeds) => void,
): Promise<FolderNeeds> {
  if (mayRead(path) && await files.stat(path) !== null) return { read: path, write: path };
  let write = path;
  for (;;) {
    const read = folderOf(write);
    demand({ read, write });
    if (read === write || await files.stat(read) !== null) return { read, write };
    write = read;
  }
}

/**
 * Makes a folder, and those it lies in, where they are missing; resolves when their names are durable.
 *
 * @throws what {@link Files} throws, also when something else than a folder is in the way.
 */
export async function makeFolders(files: Files, path: string): Promise<void> {
  if (await files.stat(path) !== null) return;
  const above = folderOf(path);
  if (above !== path) await makeFolders(files, above);
  await files.makeDirectory(path, FOLDER_MODE).catch((error) => {
    // Another process was quicker, and may not have come to the sync.
    if (errorCode(error) !== "EEXIST") throw error;
  });
  await files.syncDirectory(above);
}

/** What a path lies in; the uppermost lies in itself. */
function folderOf(path: string): string {
  if (path === ".") return path;
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash).replace(/\/+$/, "") || "/";
}
