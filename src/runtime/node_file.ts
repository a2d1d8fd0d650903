/**
 * An open file by `node:fs`, for what the adapters' own calls cannot do, such as `O_NOFOLLOW`, and for
 * runtimes that have no others. Small reads and writes are synchronous, see `deno_files.ts`.
 *
 * What fails: everything, with an errno `code`, as `node:fs` gives it.
 *
 * @module
 */

import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  lstatSync,
  openSync,
  read,
  readSync,
  write,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import type { FileHandle, FileIdentity, OpenOptions } from "./files.ts";
import { SystemError } from "./system_error.ts";

/** Octets moved in one synchronous call at most: about 7 µs into the page cache. */
const SYNCHRONOUS = 64 * 1024;

const readLater = promisify(read);
const writeLater = promisify(write);
const syncLater = promisify(fdatasync);

/** Opens a file; see {@link Files.open}. */
// deno-lint-ignore require-await
export async function openNodeFile(path: string, options: OpenOptions): Promise<FileHandle> {
  const open = options.noFollow ? openUnfollowed : openSync;
  return new NodeFile(path, open(path, flagsOf(options), options.mode ?? 0o600));
}

/**
 * Opens what lies at the path itself. The flag is not enough: unless Deno has every permission it follows links
 * before it opens, to see whether what they lead to is allowed. So whoever may write in the folder could have us
 * read what only we may. What lies there is looked at before, and must be what was opened.
 */
function openUnfollowed(path: string, flags: number, mode: number): number {
  const look = () => lstatSync(path, { throwIfNoEntry: false });
  const refuse = (): never => {
    throw new SystemError("ELOOP", `ELOOP: a link is not followed, open '${path}'`);
  };
  if (look()?.isSymbolicLink()) refuse();
  const file = openSync(path, flags, mode);
  const opened = fstatSync(file);
  const there = look();
  if (there?.ino === opened.ino && there.dev === opened.dev) return file;
  closeSync(file);
  if (there !== undefined) refuse();
  throw new SystemError("ENOENT", `ENOENT: it was there a moment ago, open '${path}'`);
}

function flagsOf(options: OpenOptions): number {
  const { read, write, append, createNew, create, truncate, noFollow } = options;
  const writes = write === true || append === true;
  const access = !writes ? constants.O_RDONLY : read ? constants.O_RDWR : constants.O_WRONLY;
  return access |
    (append ? constants.O_APPEND : 0) |
    (create || createNew ? constants.O_CREAT : 0) |
    (createNew ? constants.O_EXCL : 0) |
    (truncate ? constants.O_TRUNC : 0) |
    (noFollow ? constants.O_NOFOLLOW | constants.O_NONBLOCK : 0);
}

class NodeFile implements FileHandle {
  readonly #path: string;
  readonly #file: number;
  #position = 0;
  #closed = false;

  constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  // deno-lint-ignore require-await
  async identify(): Promise<FileIdentity> {
    const info = fstatSync(this.#open());
    const kind = info.isFile() ? "file" : info.isDirectory() ? "directory" : "other";
    const { size, uid: owner, gid: group, dev: device, nlink: links } = info;
    const modified = Math.floor(info.mtimeMs);
    return { kind, size, modified, owner, group, device, links, mode: info.mode & 0o7777 };
  }

  async read(into: Uint8Array): Promise<number | null> {
    const file = this.#open();
    const position = this.#position;
    const length = into.length <= SYNCHRONOUS
      ? readSync(file, into, 0, into.length, position)
      : (await readLater(file, into, 0, into.length, position)).bytesRead;
    this.#position = position + length;
    return length === 0 && into.length > 0 ? null : length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const file = this.#open();
      const rest = bytes.subarray(at);
      const length = rest.length <= SYNCHRONOUS
        ? writeSync(file, rest, 0, rest.length, this.#position)
        : (await writeLater(file, rest, 0, rest.length, this.#position)).bytesWritten;
      this.#position += length;
      at += length;
    }
  }

  // deno-lint-ignore require-await
  async seek(offset: number): Promise<void> {
    this.#open();
    this.#position = offset;
  }

  async sync(): Promise<void> {
    await syncLater(this.#open());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#file);
  }

  #open(): number {
    if (!this.#closed) return this.#file;
    throw new SystemError("EBADF", `${this.#path}: the file is closed`);
  }
}
