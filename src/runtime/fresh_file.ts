/**
 * Opens a file to be written from its beginning, under a name of ours that nothing should have: a draft that is renamed
 * when it is whole. What lies there is of a process that died, or was put there: a link would have us write elsewhere, a
 * second name of another file would have us empty that one, and a FIFO would have us wait. It is removed, not opened.
 *
 * What fails: what {@link Files.open} and {@link Files.remove} throw, such as for a folder that is not empty.
 *
 * @module
 */

import type { FileHandle, Files } from "./files.ts";
import { errorCode } from "./system_error.ts";

/** A new file at the path, of mode 0600, in place of what is there. */
export async function openFresh(files: Files, path: string): Promise<FileHandle> {
  const options = { write: true, createNew: true, mode: 0o600 } as const;
  try {
    return await files.open(path, options);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
  await files.remove(path);
  return await files.open(path, options);
}
