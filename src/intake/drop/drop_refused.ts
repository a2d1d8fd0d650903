/**
 * What was refused: kept for a month in a folder of the server's own, under a name that says when and whose, so
 * that an administrator can look at it, or move it back into the drop folder (by a copy: what is moved was not
 * made there).
 *
 * What fails: what the disk says.
 *
 * @module
 */

import type { Files } from "../../runtime/files.ts";
import { errorCode } from "../../runtime/system_error.ts";

/** Milliseconds for which it is kept. */
const AGE = 30 * 24 * 3_600_000;

const CHUNK = 64 * 1024;

/** The name of what was refused at a time. @param chance no two have the same. */
export function refusedName(now: number, uid: number | null, chance: string): string {
  return `${now.toString(36)}-${uid ?? "unknown"}-${chance}`;
}

/**
 * Moves a file there; to another file system at most `limit` octets of it.
 */
export async function moveRefused(
  files: Files,
  from: string,
  to: string,
  limit: number,
): Promise<void> {
  try {
    return await files.rename(from, to);
  } catch (error) {
    if (errorCode(error) !== "EXDEV") throw error;
  }
  await copyFile(files, from, to, limit);
  await files.remove(from);
}

/** Removes what was refused long ago, by its name: its owner may have set any time. */
export async function cleanRefused(files: Files, refused: string, now: number): Promise<void> {
  for await (const { name } of files.list(refused)) {
    const at = parseInt(name, 36);
    if (!(now - at > AGE)) continue;
    await files.remove(`${refused}/${name}`).catch(() => {});
  }
}

async function copyFile(files: Files, from: string, to: string, limit: number): Promise<void> {
  const source = await files.open(from, { read: true, noFollow: true });
  try {
    const target = await files.open(to, { write: true, createNew: true });
    try {
      const buffer = new Uint8Array(CHUNK);
      for (let rest = limit; rest > 0;) {
        const length = await source.read(buffer.subarray(0, Math.min(rest, CHUNK)));
        if (length === null) break;
        await target.write(buffer.subarray(0, length));
        rest -= length;
      }
      await target.sync();
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}
