/**
 * The disk by Deno. What only touches names and the page cache is done by the synchronous calls:
 * they cost a few microseconds, a half to a tenth of the asynchronous ones, which go through a
 * thread pool. What waits for the disk (sync) or moves much (over 64 KiB) is asynchronous.
 *
 * What fails: everything, with an errno `code`; see {@link Files}.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { rethrow, withErrorCode } from "./deno_errors.ts";
import type { FileHandle, FileIdentity, FileKind, Files, FileStat, OpenOptions } from "./files.ts";
import { openNodeFile } from "./node_file.ts";
import { errorCode } from "./system_error.ts";
import { readWholeFile } from "./whole_file.ts";

/** Octets moved in one synchronous call at most: about 7 µs into the page cache. */
const SYNCHRONOUS = 64 * 1024;

/** Files of this machine. */
export class DenoFiles implements Files {
  open(path: string, { noFollow, ...options }: OpenOptions): Promise<FileHandle> {
    // Deno's own call does not know O_NOFOLLOW.
    if (noFollow) return openNodeFile(path, { ...options, noFollow });
    return attempt(() => new DenoFile(Deno.openSync(path, { mode: 0o600, ...options })));
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
    return attempt(() => Deno.renameSync(from, to));
  }

  remove(path: string, { large = false }: { readonly large?: boolean } = {}): Promise<void> {
    return large ? Deno.remove(path).catch(rethrow) : attempt(() => Deno.removeSync(path));
  }

  copyAccess(from: string, to: string, mode?: number): Promise<void> {
    return attempt(() => {
      const { uid, gid, mode: theirs } = Deno.lstatSync(from);
      const own = Deno.lstatSync(to);
      if (uid !== own.uid || gid !== own.gid) Deno.chownSync(to, uid, gid);
      if (theirs !== null) Deno.chmodSync(to, mode ?? theirs & 0o777);
    });
  }

  setMode(path: string, mode: number): Promise<void> {
    return attempt(() => Deno.build.os === "windows" ? undefined : Deno.chmodSync(path, mode));
  }

  makeDirectory(path: string, mode: number): Promise<void> {
    return attempt(() => Deno.mkdirSync(path, { mode }));
  }

  async *list(path: string): AsyncIterable<{ readonly name: string; readonly kind: FileKind }> {
    try {
      for await (const entry of Deno.readDir(path)) {
        yield { name: entry.name, kind: fileKind(entry) };
      }
    } catch (error) {
      rethrow(error);
    }
  }

  async stat(
    path: string,
    { follow = false }: { readonly follow?: boolean } = {},
  ): Promise<FileStat | null> {
    try {
      return await attempt(() => {
        const info = follow ? Deno.statSync(path) : Deno.lstatSync(path);
        const { size, mtime, uid } = info;
        return { kind: fileKind(info), size, modified: mtime?.getTime() ?? 0, owner: uid ?? 0 };
      });
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return null;
      throw error;
    }
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = await attempt(() => Deno.openSync(path, { read: true }));
    try {
      await directory.sync();
    } catch (error) {
      rethrow(error);
    } finally {
      directory.close();
    }
  }

  async space(path: string): Promise<{ readonly bytes: number; readonly inodes: number }> {
    const { bavail, bsize, files, ffree } = await statfs(path).catch(rethrow);
    // A file system that makes inodes as it needs them (btrfs) says it has none at all.
    return { bytes: bavail * bsize, inodes: files === 0 ? Infinity : ffree };
  }
}

/** An open file of Deno. */
class DenoFile implements FileHandle {
  readonly #file: Deno.FsFile;
  #closed = false;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  identify(): Promise<FileIdentity> {
    return attempt(() => {
      const info = this.#file.statSync();
      const { size, mtime, uid, gid, dev: device, nlink } = info;
      return {
        ...{ kind: fileKind(info), size, device },
        modified: mtime?.getTime() ?? 0,
        owner: uid ?? 0,
        group: gid ?? 0,
        links: nlink ?? 1,
        mode: (info.mode ?? 0) & 0o7777,
      };
    });
  }

  read(into: Uint8Array): Promise<number | null> {
    return into.length <= SYNCHRONOUS
      ? attempt(() => this.#file.readSync(into))
      : this.#file.read(into).catch(rethrow);
  }

  write(bytes: Uint8Array): Promise<void> {
    return bytes.length <= SYNCHRONOUS
      ? attempt(() => {
        for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
      })
      : this.#writeLarge(bytes);
  }

  seek(offset: number): Promise<void> {
    return attempt(() => void this.#file.seekSync(offset, Deno.SeekMode.Start));
  }

  sync(): Promise<void> {
    return this.#file.syncData().catch(rethrow);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }

  async #writeLarge(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
    } catch (error) {
      rethrow(error);
    }
  }
}

function fileKind(
  entry: { readonly isFile: boolean; readonly isDirectory: boolean; readonly isSymlink: boolean },
): FileKind {
  if (entry.isSymlink) return "link";
  if (entry.isDirectory) return "directory";
  return entry.isFile ? "file" : "other";
}

/** A synchronous call as a promise. */
function attempt<T>(call: () => T): Promise<T> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    return Promise.reject(withErrorCode(error));
  }
}
