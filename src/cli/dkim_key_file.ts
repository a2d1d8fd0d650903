/**
 * DKIM keys made as files: the key of a domain, in a folder of its own, for nobody but the server's user. A key that
 * is there stays as it is, whatever it is.
 *
 * What fails: what the disk says, as `Files` throws it; no half of a key is left then.
 *
 * @module
 */

import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import { encode } from "../bytes.ts";
import type { Files } from "../runtime/runtime.ts";
import { CommandError, EXIT } from "./exit.ts";

/** A new key in PEM. RSA: not everybody can check Ed25519 (RFC 8463) yet. */
export async function makeDkimKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  return String(privateKey.export({ type: "pkcs8", format: "pem" }));
}

/**
 * Writes a new key where none is. The folders and the file get the owner of the folder above, so that root can make
 * them for the server's user.
 *
 * @param keys the folder of all keys; made where it is missing. @param path of the key, in a folder in it.
 */
export async function writeDkimKey(files: Files, keys: string, path: string): Promise<void> {
  await makeFolder(files, keys);
  const folder = folderOf(path);
  await makeFolder(files, folder);
  const draft = `${path}.new`;
  // What a run left that the power ended.
  if (await files.stat(draft) !== null) await files.remove(draft);
  const handle = await files.open(draft, { write: true, createNew: true, mode: 0o600 });
  try {
    try {
      await handle.write(encode(await makeDkimKey()));
      await handle.sync();
    } finally {
      handle.close();
    }
    await files.copyAccess(folder, draft);
    await files.setMode(draft, 0o600);
    await files.rename(draft, path);
  } catch (error) {
    await files.remove(draft).catch(() => {});
    throw error;
  }
  await files.syncDirectory(folder);
}

async function makeFolder(files: Files, folder: string): Promise<void> {
  const found = await files.stat(folder, { follow: true });
  if (found?.kind === "directory") return;
  if (found !== null) throw new CommandError(EXIT.cantCreate, `${folder} is no folder`);
  const above = folderOf(folder);
  await files.makeDirectory(folder, 0o700);
  await files.copyAccess(above, folder);
  await files.setMode(folder, 0o700);
  await files.syncDirectory(above);
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}
