/**
 * The secret that rewritten senders are signed with: made once and kept in a file, since bounces come back
 * for weeks. Removing the file makes a new one; bounces to older mail are then refused.
 *
 * @module
 */

import { decode, encode } from "../bytes.ts";
import type { Files } from "../runtime/files.ts";
import { openFresh } from "../runtime/fresh_file.ts";
import type { Random } from "../runtime/runtime.ts";
import { errorCode } from "../runtime/system_error.ts";
import { readWholeFile } from "../runtime/whole_file.ts";

/** The secret in the file; made, durably and for nobody else to read, where there is none. */
export async function keepSrsSecret(files: Files, random: Random, path: string): Promise<string> {
  const folder = path.slice(0, path.lastIndexOf("/"));
  const known = await readSrsSecret(files, path);
  if (known !== null) {
    // Who made it may have died before its name was durable, and mail is to be signed with it.
    await files.syncDirectory(folder);
    return known;
  }
  const secret = random.bytes(24).toHex();
  const temporary = `${path}.new`;
  const file = await openFresh(files, temporary);
  try {
    await file.write(encode(`${secret}\n`));
    await file.sync();
  } finally {
    file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(folder);
  return secret;
}

/** The secret in the file; `null` where there is none yet. */
export async function readSrsSecret(files: Files, path: string): Promise<string | null> {
  try {
    const file = await files.open(path, { read: true, noFollow: true });
    try {
      const secret = decode(await readWholeFile(file, path, 4096)).trim();
      return secret.length >= 16 ? secret : null;
    } finally {
      file.close();
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}
