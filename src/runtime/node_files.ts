/**
 * The disk by `node:fs`. What only touches names and the page cache is done by the synchronous calls, see
 * `deno_files.ts`; what waits for the disk is asynchronous.
 *
 * What fails: everything, with an errno `code`, as `node:fs` gives it; see {@link Files}.
 *
 * @module
 */

import {
  chmodSync,
  chownSync,
  closeSync,
  type Dirent,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  type Stats,
  statSync,
  unlinkSync,
} from "node:fs";
import { opendir, statfs, unlink } from "node:fs/promises";
import process from "node:process";
import { promisify } from "node:util";
import type { FileHandle, FileKind, Files, FileStat, OpenOptions } from "./files.ts";
import { openNodeFile } from "./node_file.ts";
import { errorCode } from "./system_error.ts";
import { readWholeFile } from "./whole_file.ts";

const fsyncLater = promisify(fsync);

/** Files of this machine. */
export class NodeFiles implements Files {
  open(path: string, options: OpenOptions): Promise<FileHandle> {
    return openNodeFile(path, options);
  }

  async readFile(path: string, limit = Infinity): Promise<Uint8Array> {
    const file = await this.open(path, { read: true });
    try {
      return await readWholeFile(file, path, limit);
    } finally {
      file.close();
    }
  }

  rename(from: string, to: string): Promise<void> {
    return attempt(() => renameSync(from, to));
  }

  remove(path: string, { large = false }: { readonly large?: boolean } = {}): Promise<void> {
    if (large) return unlink(path);
    return attempt(() => {
      if (lstatSync(path).isDirectory()) rmdirSync(path);
      else unlinkSync(path);
    });
  }

  copyAccess(from: string, to: string, mode?: number): Promise<void> {
    return attempt(() => {
      const { uid, gid, mode: theirs } = lstatSync(from);
      const own = lstatSync(to);
      if (uid !== own.uid || gid !== own.gid) chownSync(to, uid, gid);
      chmodSync(to, mode ?? theirs & 0o777);
    });
  }

  setMode(path: string, mode: number): Promise<void> {
    return attempt(() => process.platform === "win32" ? undefined : chmodSync(path, mode));
  }

  makeDirectory(path: string, mode: number): Promise<void> {
    return attempt(() => mkdirSync(path, { mode }));
  }

  async *list(path: string): AsyncIterable<{ readonly name: string; readonly kind: FileKind }> {
    for await (const entry of await opendir(path)) {
      yield { name: entry.name, kind: fileKind(entry) };
    }
  }

  stat(
    path: string,
    { follow = false }: { readonly follow?: boolean } = {},
  ): Promise<FileStat | null> {
    return attempt(() => {
      const info = statOrNull(path, follow);
      if (info === null) return null;
      const { size, uid: owner, mtimeMs } = info;
      return { kind: fileKind(info), size, modified: Math.floor(mtimeMs), owner };
    });
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = openSync(path, "r");
    try {
      await fsyncLater(directory);
    } finally {
      closeSync(directory);
    }
  }

  async space(path: string): Promise<{ readonly bytes: number; readonly inodes: number }> {
    const { bavail, bsize, files, ffree } = await statfs(path);
    // A file system that makes inodes as it needs them (btrfs) says it has none at all.
    return { bytes: bavail * bsize, inodes: files === 0 ? Infinity : ffree };
  }
}

function statOrNull(path: string, follow: boolean): Stats | null {
  try {
    return (follow ? statSync : lstatSync)(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}

function fileKind(entry: Dirent | Stats): FileKind {
  if (entry.isSymbolicLink()) return "link";
  if (entry.isDirectory()) return "directory";
  return entry.isFile() ? "file" : "other";
}

/** A synchronous call as a promise. */
function attempt<T>(call: () => T): Promise<T> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    return Promise.reject(error);
  }
}
