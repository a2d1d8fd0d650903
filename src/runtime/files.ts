/**
 * The disk, as the rest of the program sees it. Types only.
 *
 * What fails: as `runtime.ts` says of all that touches the machine.
 *
 * @module
 */

/** The disk. Paths are absolute or relative to the process. */
export interface Files {
  /** Opens a file. @throws `EEXIST` with `createNew`, `ENOENT`, `ENOSPC`, … */
  open(path: string, options: OpenOptions): Promise<FileHandle>;
  /** The whole of a file. @throws `EFBIG` when it is longer than `limit` octets. */
  readFile(path: string, limit?: number): Promise<Uint8Array>;
  /** Renames, replacing what is at the new path. */
  rename(from: string, to: string): Promise<void>;
  /**
   * Removes one file or one empty folder. With `large` others are not held up meanwhile: to give back the blocks of a
   * large file takes a disk tens of milliseconds.
   */
  remove(path: string, options?: { readonly large?: boolean }): Promise<void>;
  /**
   * Gives a file of ours the owner, group and mode of another file, where the system has such.
   *
   * @param mode that it gets in place of the other's, which it does not have for a moment then.
   * @throws `EPERM` when the owner or group is not this process's to give.
   */
  copyAccess(from: string, to: string, mode?: number): Promise<void>;
  /** Gives a file or folder this mode, whatever the umask; does nothing where the system has none. */
  setMode(path: string, mode: number): Promise<void>;
  /** Makes one folder. @throws `EEXIST`, `ENOENT` when the parent is missing. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /** The entries of a folder, in no order. */
  list(path: string): AsyncIterable<{ readonly name: string; readonly kind: FileKind }>;
  /**
   * What lies there, or `null` when nothing does: a link itself, or with `follow` what it leads to.
   */
  stat(path: string, options?: { readonly follow?: boolean }): Promise<FileStat | null>;
  /** Makes the names in a folder durable. */
  syncDirectory(path: string): Promise<void>;
  /** What is left on the file system that holds `path`. */
  space(path: string): Promise<{ readonly bytes: number; readonly inodes: number }>;
}

/** How a file is opened. */
export interface OpenOptions {
  /** For reading. */
  readonly read?: boolean;
  /** For writing, at the position. */
  readonly write?: boolean;
  /** For writing, always at the end. */
  readonly append?: boolean;
  /** Makes the file; `EEXIST` when something is there. */
  readonly createNew?: boolean;
  /** Makes the file where it is missing. */
  readonly create?: boolean;
  /** Empties the file. */
  readonly truncate?: boolean;
  /** The mode of a file that is made. Default 0o600. */
  readonly mode?: number;
  /**
   * For a folder where others write: a link at the path is not followed (`ELOOP`), and nothing that lies there
   * (a FIFO, a device) makes us wait. What was opened, {@link FileHandle.identify} tells.
   */
  readonly noFollow?: boolean;
}

/** What kind of thing lies at a path. */
export type FileKind = "file" | "directory" | "link" | "other";

/** What is known of a file. */
export interface FileStat {
  /** What it is. */
  readonly kind: FileKind;
  /** Octets. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** The number of the user it belongs to; 0 where the system has none. */
  readonly owner: number;
}

/** What is known of a file that is open, whatever its name leads to by now. */
export interface FileIdentity extends FileStat {
  /** The number of the group it belongs to; 0 where the system has none. */
  readonly group: number;
  /** The number of the file system it is on. */
  readonly device: number;
  /** How many names it has. */
  readonly links: number;
  /** The twelve bits of its mode (such as 0o3733); 0 where the system has none. */
  readonly mode: number;
}

/** An open file. */
export interface FileHandle {
  /** What it is, and whose. */
  identify(): Promise<FileIdentity>;
  /** Reads at the file's position; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes all of it at the file's position. */
  write(bytes: Uint8Array): Promise<void>;
  /** Moves the position, in octets from the start. */
  seek(offset: number): Promise<void>;
  /** Resolves when all that was written survives a power cut (fdatasync). */
  sync(): Promise<void>;
  /** Closes. Harmless when already closed. */
  close(): void;
}
