/**
 * The files of a {@link MemoryDisk} as a machine sees them between two starts, with faults to order:
 * any call can be made to fail, and every call can be watched.
 *
 * What fails: what fails on a real disk, with the same errno names; and everything with EIO once the
 * disk has crashed.
 *
 * @module
 */

import type { FileHandle, FileIdentity, FileKind, Files, FileStat, OpenOptions } from "./files.ts";
import { type MemoryDisk, notFound } from "./memory_disk.ts";
import { DirectoryNode, type FileNode, type MemoryNode } from "./memory_node.ts";
import { errorCode, SystemError } from "./system_error.ts";

/** The calls of {@link Files} and {@link FileHandle} that touch the disk. */
export type FileOperation =
  | "open"
  | "read"
  | "write"
  | "seek"
  | "sync"
  | "rename"
  | "remove"
  | "copyAccess"
  | "setMode"
  | "identify"
  | "makeDirectory"
  | "list"
  | "stat"
  | "syncDirectory"
  | "space";

/** One call of an operation on a path. */
export interface FileCall {
  /** Which call. */
  readonly operation: FileOperation;
  /** On what; for a rename, the path it had; for access, whose is copied. */
  readonly path: string;
}

/** A fault to come. */
export interface FileFault {
  /** Which calls are counted. */
  readonly operation: FileOperation;
  /** Only calls on paths that match are counted and fail. */
  readonly path?: RegExp;
  /** Which of the calls from now on fails. Default 1, the next. */
  readonly call?: number;
  /** The errno name it fails with. */
  readonly code: string;
}

/** Files in memory. */
export class MemoryFiles implements Files {
  /** What they lie on. */
  readonly disk: MemoryDisk;
  /** Called before each call; what it throws, the call throws. */
  onCall: (call: FileCall) => void = () => {};
  /** How many calls there were. */
  calls: number = 0;
  /** How many files are open. */
  handles: number = 0;
  readonly #boot: number;
  readonly #faults: { fault: FileFault; left: number }[] = [];

  /** The disk as it is now; after its next crash this is cut off from it. */
  constructor(disk: MemoryDisk) {
    this.disk = disk;
    this.#boot = disk.boots;
  }

  /**
   * Orders a fault. A write that fails has written the first half; a sync that fails has made sure
   * that what it was to sync never becomes durable.
   */
  fail(fault: FileFault): void {
    this.#faults.push({ fault, left: fault.call ?? 1 });
  }

  // deno-lint-ignore require-await
  async open(path: string, options: OpenOptions): Promise<FileHandle> {
    this.begin("open", path);
    const place = this.disk.find(path);
    const { createNew = false, create = false } = options;
    if (createNew && place.node) throw new SystemError("EEXIST", `${path}: exists`);
    if (!place.node && !create && !createNew) throw notFound(path);
    const node = place.node ?? this.disk.create(place, "file");
    if (node.kind === "directory") throw new SystemError("EISDIR", `${path}: is a directory`);
    if (options.truncate) this.disk.truncate(node);
    this.handles++;
    return new MemoryFile(this, path, node, options);
  }

  async readFile(path: string, limit = Infinity): Promise<Uint8Array> {
    const file = await this.open(path, { read: true });
    try {
      const { size } = this.#node(path);
      if (size > limit) throw new SystemError("EFBIG", `${path} is longer than ${limit} octets`);
      const content = new Uint8Array(size);
      if (size > 0) await file.read(content);
      return content;
    } finally {
      file.close();
    }
  }

  // deno-lint-ignore require-await
  async rename(from: string, to: string): Promise<void> {
    this.begin("rename", from);
    const source = this.disk.find(from);
    const target = this.disk.find(to);
    if (!source.node) throw notFound(from);
    if (source.node === target.node) return;
    if (source.node.kind === "directory" && isBelow(source.node, target.directory)) {
      throw new SystemError("EINVAL", `${to}: lies in ${from}`);
    }
    if (target.node?.kind === "directory") {
      if (source.node.kind !== "directory") throw new SystemError("EISDIR", `${to}: a directory`);
      if (target.node.entries.size > 0) throw new SystemError("ENOTEMPTY", `${to}: not empty`);
    } else if (target.node && source.node.kind === "directory") {
      throw new SystemError("ENOTDIR", `${to}: not a directory`);
    }
    this.disk.move(source, target);
  }

  // deno-lint-ignore require-await
  async remove(path: string): Promise<void> {
    this.begin("remove", path);
    const place = this.disk.find(path);
    if (!place.node) throw notFound(path);
    if (place.node.kind === "directory" && place.node.entries.size > 0) {
      throw new SystemError("ENOTEMPTY", `${path}: not empty`);
    }
    this.disk.remove(place);
  }

  /** Nobody owns anything here: only whether both are there is seen. */
  // deno-lint-ignore require-await
  async copyAccess(from: string, to: string, _mode?: number): Promise<void> {
    this.begin("copyAccess", from);
    this.#node(from);
    this.#node(to);
  }

  /** There is nobody else here: only whether it is there is seen. */
  // deno-lint-ignore require-await
  async setMode(path: string, _mode: number): Promise<void> {
    this.begin("setMode", path);
    this.#node(path);
  }

  // deno-lint-ignore require-await
  async makeDirectory(path: string, _mode: number): Promise<void> {
    this.begin("makeDirectory", path);
    const place = this.disk.find(path);
    if (place.node) throw new SystemError("EEXIST", `${path}: exists`);
    this.disk.create(place, "directory");
  }

  async *list(path: string): AsyncIterable<{ readonly name: string; readonly kind: FileKind }> {
    this.begin("list", path);
    for (const [name, { kind }] of [...this.#directory(path).entries]) yield { name, kind };
  }

  // deno-lint-ignore require-await
  async stat(path: string): Promise<FileStat | null> {
    this.begin("stat", path);
    try {
      const { kind, size, modified } = this.#node(path);
      return { kind, size, modified, owner: 0 };
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return null;
      throw error;
    }
  }

  // deno-lint-ignore require-await
  async syncDirectory(path: string): Promise<void> {
    this.begin("syncDirectory", path);
    this.disk.syncDirectory(this.#directory(path));
  }

  // deno-lint-ignore require-await
  async space(path: string): Promise<{ readonly bytes: number; readonly inodes: number }> {
    this.begin("space", path);
    this.#node(path);
    return this.disk.space;
  }

  /** Before each call: is there still a disk, and is a fault due? Then `onFault` does its harm. */
  begin(operation: FileOperation, path: string, onFault?: () => void): void {
    this.calls++;
    this.onCall({ operation, path });
    if (this.#boot !== this.disk.boots) throw new SystemError("EIO", `${path}: the disk is gone`);
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (fault.operation !== operation || fault.path?.test(path) === false) continue;
      if (--entry.left > 0) continue;
      this.#faults.splice(this.#faults.indexOf(entry), 1);
      onFault?.();
      throw new SystemError(fault.code, `${path}: ${operation} was made to fail`);
    }
  }

  #node(path: string): MemoryNode {
    const { node } = this.disk.find(path);
    if (!node) throw notFound(path);
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#node(path);
    if (node instanceof DirectoryNode) return node;
    throw new SystemError("ENOTDIR", `${path}: not a directory`);
  }
}

/** An open file in memory. */
class MemoryFile implements FileHandle {
  readonly #files: MemoryFiles;
  readonly #path: string;
  readonly #node: FileNode;
  readonly #options: OpenOptions;
  #position = 0;
  #closed = false;

  constructor(files: MemoryFiles, path: string, node: FileNode, options: OpenOptions) {
    this.#files = files;
    this.#path = path;
    this.#node = node;
    this.#options = options;
  }

  // deno-lint-ignore require-await
  async identify(): Promise<FileIdentity> {
    this.#begin("identify");
    const { kind, size, modified, linked } = this.#node;
    const links = linked ? 1 : 0;
    return { kind, size, modified, owner: 0, group: 0, device: 0, links, mode: 0 };
  }

  // deno-lint-ignore require-await
  async read(into: Uint8Array): Promise<number | null> {
    this.#begin("read");
    if (!this.#options.read) throw this.#notOpenFor("reading");
    const length = this.#node.read(this.#position, into);
    this.#position += length;
    return length === 0 ? null : length;
  }

  // deno-lint-ignore require-await
  async write(bytes: Uint8Array): Promise<void> {
    const { write, append } = this.#options;
    const { disk } = this.#files;
    const offset = append ? this.#node.size : this.#position;
    this.#begin(
      "write",
      () => disk.write(this.#node, offset, bytes.subarray(0, bytes.length >> 1)),
    );
    if (!write && !append) throw this.#notOpenFor("writing");
    disk.write(this.#node, offset, bytes);
    this.#position = offset + bytes.length;
  }

  // deno-lint-ignore require-await
  async seek(offset: number): Promise<void> {
    this.#begin("seek");
    this.#position = offset;
  }

  // deno-lint-ignore require-await
  async sync(): Promise<void> {
    this.#begin("sync", () => this.#node.failSync());
    this.#node.sync();
  }

  close(): void {
    if (!this.#closed) this.#files.handles--;
    this.#closed = true;
  }

  #begin(operation: FileOperation, onFault?: () => void): void {
    if (this.#closed) throw new SystemError("EBADF", `${this.#path}: the file is closed`);
    this.#files.begin(operation, this.#path, onFault);
  }

  #notOpenFor(what: string): SystemError {
    return new SystemError("EBADF", `${this.#path}: not open for ${what}`);
  }
}

function isBelow(above: DirectoryNode, directory: DirectoryNode): boolean {
  if (above === directory) return true;
  return [...above.entries.values()].some((node) =>
    node.kind === "directory" && isBelow(node, directory)
  );
}
