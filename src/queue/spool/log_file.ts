/**
 * The file of a segment or journal while it is written: only added to, through several handles. A handle is told of
 * every write that failed since its own last sync, whoever wrote, so with one for each sync under way no failure can be
 * told to one and missed by another.
 *
 * While groups are small, and come one after the other, the file is filled with line ends ahead of them: a sync that
 * makes the file longer has to change the file system's own records too, which takes it twice as long as one of octets
 * that lie where there were some before. What is filled and not used is no record, as a torn end is none.
 *
 * What fails: what the disk says; what cannot be filled is left.
 *
 * @module
 */

import type { FileHandle, Files } from "../../runtime/files.ts";

/** A handle, and where it would write. */
export interface LogHandle {
  /** To be synced by; to write use {@link LogFile.write}. */
  readonly file: FileHandle;
  /** Its position. */
  at: number;
}

/** Octets filled at once. */
const AHEAD = 256 * 1024;

/** Octets of a group that is small: there the time goes into the sync, not into what is written. */
const SMALL_GROUP = AHEAD / 4;

/** Groups after which a file is worth it: where there is little mail nobody waits for long, and files stay small. */
const BUSY = 16;

/** Octets written at once: what goes into the page cache at a time without waiting. */
const SLICE = 64 * 1024;

/** Octets written by a thread of its own, and not in slices, where there are more. */
const LARGE = 256 * 1024;

const FILLING = new Uint8Array(SLICE).fill(0x0a);

/** A file and its handles. */
export class LogFile {
  readonly #free: LogHandle[] = [];
  #closed = false;
  #groups = 0;
  /** Where the next octets go. */
  #end = 0;
  /** Up to where it is filled. */
  #filled = 0;

  private constructor() {}

  /** Makes the file. @throws `EEXIST`; a file that was made and could not be opened again is left behind. */
  static async create(files: Files, path: string, handles: number): Promise<LogFile> {
    const log = new LogFile();
    try {
      for (let i = 0; i < handles; i++) {
        const file = await files.open(path, { write: true, createNew: i === 0 });
        log.#free.push({ file, at: 0 });
      }
    } catch (error) {
      log.close();
      throw error;
    }
    return log;
  }

  /** A handle to write a group with, and then to sync: there must be one that is not taken. */
  take(): LogHandle {
    return this.#free.pop()!;
  }

  /** Gives a handle back. */
  give(handle: LogHandle): void {
    if (this.#closed) handle.file.close();
    else this.#free.push(handle);
  }

  /** A group of so many octets comes. */
  async prepare(handle: LogHandle, octets: number): Promise<void> {
    this.#groups++;
    if (octets > SMALL_GROUP || this.#groups <= BUSY || this.#end + octets <= this.#filled) return;
    const from = Math.max(this.#end, this.#filled);
    try {
      handle.at = -1;
      await handle.file.seek(from);
      for (let at = 0; at < AHEAD; at += SLICE) await handle.file.write(FILLING);
      this.#filled = from + AHEAD;
    } catch {
      this.#groups = -Infinity; // a disk that is full, or worse: what must be written will tell
    }
  }

  /** Writes behind all that was written before. After a failure nothing more may be written. */
  async write(handle: LogHandle, octets: Uint8Array): Promise<void> {
    const { file } = handle;
    if (handle.at !== this.#end) await file.seek(this.#end);
    const step = octets.length > LARGE ? octets.length : SLICE;
    for (let at = 0; at < octets.length; at += step) {
      await file.write(octets.subarray(at, at + step));
    }
    this.#end += octets.length;
    handle.at = this.#end;
  }

  /** Closes all handles, those that are taken when they are given back. */
  close(): void {
    this.#closed = true;
    for (const { file } of this.#free.splice(0)) file.close();
  }
}
