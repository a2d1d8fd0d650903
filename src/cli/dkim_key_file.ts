/**
 * DKIM keys made as files: the keys of a domain, and the list of what they do, in a folder of its own, for nobody but
 * the server's user. A key that is there stays as it is, whatever it is.
 *
 * What fails: what the disk says, as `Files` throws it; no half of a file is left then.
 *
 * @module
 */

import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import { encode } from "../bytes.ts";
import type { FileHandle, Files } from "../runtime/files.ts";
import { errorCode } from "../runtime/system_error.ts";
import { CommandError, EXIT } from "./exit.ts";

/** A kind of key. */
export type DkimAlgorithm = "rsa" | "ed25519";

/** All kinds; the first is what everybody can check, not everybody can check the others (RFC 8463) yet. */
export const ALGORITHMS: readonly DkimAlgorithm[] = ["rsa", "ed25519"];

/** Bits of an RSA key: RFC 8301 §3.2 wants 2048, and a record of more is often cut. */
export const RSA_BITS = 2048;

/** A new key in PEM. @param bits of RSA. */
export async function makeDkimKey(algorithm: DkimAlgorithm, bits = RSA_BITS): Promise<string> {
  const { privateKey } = algorithm === "rsa"
    ? await promisify(generateKeyPair)("rsa", { modulusLength: bits })
    : await promisify(generateKeyPair)("ed25519");
  return String(privateKey.export({ type: "pkcs8", format: "pem" }));
}

/**
 * Writes a new key where none is. The folders and the file get the owner of the folder above, so that root can make
 * them for the server's user.
 *
 * @param keys the folder of all keys; made where it is missing. @param path of the key, in a folder in it.
 * @throws {CommandError} where something is at that path already.
 */
export async function writeDkimKey(
  files: Files,
  keys: string,
  path: string,
  pem: string,
): Promise<void> {
  await makeKeyFolder(files, keys, folderOf(path));
  if (await files.stat(path) !== null) {
    throw new CommandError(EXIT.cantCreate, `${path} is there already, and stays as it is`);
  }
  await replacePrivateFile(files, path, pem);
}

/** Makes the folder of a domain, and that of all keys, where they are missing. */
export async function makeKeyFolder(files: Files, keys: string, folder: string): Promise<void> {
  await makeFolder(files, keys);
  await makeFolder(files, folder);
}

/** Milliseconds after which a draft is what a run left that the power ended: none is written for so long. */
const STALE = 60_000;

/**
 * Writes a file in place of what is there, or not at all: whoever reads it has the one or the other, and of two that
 * write at once one gives up.
 *
 * @param check throws where what is there is not to be replaced after all; nobody else can while it looks.
 * @throws {CommandError} where another command writes it.
 */
export async function replacePrivateFile(
  files: Files,
  path: string,
  text: string,
  check: () => Promise<void> = async () => {},
): Promise<void> {
  const folder = folderOf(path);
  const draft = `${path}.new`;
  const left = await files.stat(draft);
  if (left !== null && Date.now() - left.modified > STALE) await files.remove(draft);
  const handle = await openNew(files, draft);
  try {
    try {
      await check();
      await handle.write(encode(text));
      await handle.sync();
    } finally {
      handle.close();
    }
    await files.copyAccess(folder, draft, 0o600);
    await files.rename(draft, path);
  } catch (error) {
    await files.remove(draft).catch(() => {});
    throw error;
  }
  await files.syncDirectory(folder);
}

async function openNew(files: Files, draft: string): Promise<FileHandle> {
  try {
    return await files.open(draft, { write: true, createNew: true, mode: 0o600 });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    const what = `${draft} is there: another command is at work, or was stopped just now`;
    throw new CommandError(EXIT.temporary, `${what}; try again in a minute`);
  }
}

async function makeFolder(files: Files, folder: string): Promise<void> {
  const found = await files.stat(folder, { follow: true });
  if (found?.kind === "directory") return;
  if (found !== null) throw new CommandError(EXIT.cantCreate, `${folder} is no folder`);
  const above = folderOf(folder);
  await files.makeDirectory(folder, 0o700);
  await files.copyAccess(above, folder, 0o700);
  await files.syncDirectory(above);
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}
