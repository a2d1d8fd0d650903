/**
 * The entries, `deferred/BUCKET/ID.json` and `held/ID.json`: where each belongs, where it is, and how it gets from
 * one folder to another. What is to be done at once lies in the bucket `19700101T0000`, what waits for
 * something other than time in `99991231T2350`.
 *
 * A replaced entry changes its content and its folder by two renames. The folder it is in between them is the
 * one that is looked at first, so that it is met there, and moved to where its content belongs: there are never
 * two files of one entry to choose from.
 *
 * Whoever calls has the turn of that id. What cannot be read is set aside; what fails is what the disk says.
 *
 * @module
 */

import type { Files } from "../../runtime/files.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { nextAttempt, type QueueEntry } from "../entry.ts";
import type { BodyFiles } from "./body_files.ts";
import { bucketOf, formatBucket, parseBucket } from "./bucket.ts";
import { type Damaged, isPassing } from "./damaged.ts";
import { Buckets } from "./due_window.ts";
import { isEntryId } from "./entry_check.ts";
import type { Folders } from "./folders.ts";
import { type MessageRecord, parseMessageJson } from "./message_json.ts";

/** Octets of a file that is read: the largest head, and thousands of recipients with their history. */
const MAX_FILE = 64 * 1024 * 1024;

/** What ails a disk, or the way to it, and may pass or not. */
const MAY_HEAL = new Set(["EIO", "ESTALE", "ETIMEDOUT"]);

/** Times that a file cannot be read for such a reason before it is set aside. */
const READINGS = 10;

/** Ids whose folder is remembered. */
const PLACES = 10_000;

const SUFFIX = ".json";

/** When an entry is to be worked on; `Infinity` while it is held. */
export function dueTime(entry: QueueEntry): number {
  return entry.held === undefined ? nextAttempt(entry) : Infinity;
}

/** Entries in files. */
export class EntryFiles {
  /** The folders of those that are not held. */
  readonly buckets: Buckets = new Buckets();
  /** Is told of each that goes from one folder to another, or comes or goes (`null`). */
  onMove: (id: string, from: string | null, to: string | null) => void = () => {};
  readonly #files: Files;
  readonly #folders: Folders;
  readonly #bodies: BodyFiles;
  readonly #damaged: Damaged;
  readonly #held: string;
  readonly #deferred: string;
  /** The folders of entries met last, so that most are found without a search. */
  readonly #places = new Map<string, string>();
  /** How often each could not be read. */
  readonly #unread = new Map<string, number>();

  /** Below `directory`. */
  constructor(
    files: Files,
    folders: Folders,
    bodies: BodyFiles,
    damaged: Damaged,
    directory: string,
  ) {
    this.#files = files;
    this.#folders = folders;
    this.#bodies = bodies;
    this.#damaged = damaged;
    this.#held = `${directory}/held`;
    this.#deferred = `${directory}/deferred`;
  }

  /** Makes the folders and reads the names of the buckets. */
  async prepare(): Promise<void> {
    await this.#folders.make(this.#held);
    await this.#folders.make(this.#deferred);
    for await (const { name, kind } of this.#files.list(this.#deferred)) {
      const start = parseBucket(name);
      if (start !== null && kind === "directory") {
        this.buckets.add(start, `${this.#deferred}/${name}`);
      }
    }
  }

  /** The folder an entry belongs into. */
  home(entry: QueueEntry): string {
    if (entry.held !== undefined) return this.#held;
    return `${this.#deferred}/${formatBucket(bucketOf(nextAttempt(entry)))}`;
  }

  /** All folders, the held ones first. */
  folders(): readonly string[] {
    return [this.#held, ...this.buckets.all().map(({ folder }) => folder)];
  }

  /** The ids of the entries in a folder. Needs no turn. */
  async *ids(folder: string): AsyncGenerator<string> {
    try {
      for await (const { name } of this.#files.list(folder)) {
        const id = name.slice(0, -SUFFIX.length);
        if (name.endsWith(SUFFIX) && isEntryId(id)) yield id;
      }
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error; // emptied and removed meanwhile
    }
  }

  /** The file of an entry in a folder. */
  path(id: string, folder: string): string {
    return `${folder}/${id}${SUFFIX}`;
  }

  /** The folder an entry is in; `null` where there is none, or only a body or an entry without one. */
  async find(id: string): Promise<string | null> {
    // One look tells of almost all that are not here.
    if (!isEntryId(id) || (await this.#bodies.size(id)) === null) return null;
    const likely = this.#places.get(id);
    for (const folder of likely === undefined ? this.folders() : [likely, ...this.folders()]) {
      if ((await this.#files.stat(this.path(id, folder))) !== null) {
        this.#remember(id, folder);
        return folder;
      }
    }
    return null;
  }

  /**
   * Reads an entry; `null` where it is not in that folder, or had to be set aside.
   *
   * @throws what the disk says, until it has said so many times.
   */
  async read(id: string, folder: string): Promise<MessageRecord | null> {
    let file;
    try {
      const path = this.path(id, folder);
      const kind = (await this.#files.stat(path))?.kind;
      if (kind === "link" || kind === "other") {
        // None of ours; and to open a FIFO would wait for ever.
        await this.setAside(id, folder, "it is no file");
        return null;
      }
      file = await this.#files.readFile(path, MAX_FILE);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return null;
      const code = errorCode(error);
      if (isPassing(error) || (MAY_HEAL.has(code!) && !this.#isBeyondHope(id))) throw error;
      await this.setAside(id, folder, `cannot be read: ${code}`);
      return null;
    }
    this.#unread.delete(id);
    const record = parseMessageJson(file);
    const reason = record.entry === undefined
      ? record.reason
      : record.entry.id === id
      ? null
      : `it is the entry of ${record.entry.id}`;
    if (reason === null) return record as MessageRecord;
    await this.setAside(id, folder, reason);
    return null;
  }

  /** Whether a file that could not be read has had its chances. */
  #isBeyondHope(id: string): boolean {
    const times = (this.#unread.get(id) ?? 0) + 1;
    if (times < READINGS && this.#unread.size < PLACES) {
      this.#unread.set(id, times);
      return false;
    }
    this.#unread.delete(id);
    return true;
  }

  /** Sets an entry and its body aside. */
  async setAside(id: string, folder: string, reason: string): Promise<void> {
    await this.#damaged.setAside([this.path(id, folder), this.#bodies.path(id)], reason);
    this.left(id, folder);
  }

  /** Renames an entry that was written elsewhere to where it belongs; gives the folder, to be synced. */
  async accept(entry: QueueEntry, from: string): Promise<string> {
    const folder = this.home(entry);
    await this.#folders.moveInto(folder, from, this.path(entry.id, folder));
    this.#moved(entry, null, folder);
    return folder;
  }

  /** Replaces an entry that is in `from` by what was written to `next`; gives the folder, to be synced. */
  async exchange(entry: QueueEntry, from: string, next: string): Promise<string> {
    const to = this.home(entry);
    const path = this.path(entry.id, from);
    if (to === from || this.#isBefore(from, to)) {
      await this.#files.rename(next, path);
      return await this.relocate(entry, from) ? to : from;
    }
    const moved = this.path(entry.id, to);
    await this.#folders.moveInto(to, path, moved);
    try {
      await this.#files.rename(next, moved);
    } catch (error) {
      await this.#folders.moveInto(from, moved, path);
      throw error;
    }
    this.#moved(entry, from, to);
    return to;
  }

  /** Moves an entry to where it belongs; `false` when it has to stay, which does no harm: it will be met again. */
  async relocate(entry: QueueEntry, from: string): Promise<boolean> {
    const to = this.home(entry);
    try {
      if (to !== from) {
        await this.#folders.moveInto(to, this.path(entry.id, from), this.path(entry.id, to));
      }
      this.#moved(entry, from, to);
      return true;
    } catch {
      this.#moved(entry, from, from);
      return false;
    }
  }

  /** Makes durable that an entry is in a folder. */
  async sync(folder: string): Promise<void> {
    await this.#folders.make(folder);
    await this.#folders.sync(folder);
  }

  /** An entry was taken out of a folder. */
  left(id: string, folder: string): void {
    this.#places.delete(id);
    this.buckets.find(folder)?.window?.delete(id);
    this.onMove(id, folder, null);
  }

  #moved(entry: QueueEntry, from: string | null, to: string): void {
    const { id } = entry;
    if (from !== null && from !== to) this.buckets.find(from)?.window?.delete(id);
    const start = parseBucket(to.slice(to.lastIndexOf("/") + 1));
    if (start !== null) this.buckets.add(start, to).window?.set(id, dueTime(entry));
    this.#remember(id, to);
    this.onMove(id, from, to);
  }

  /** Bucket names sort as their times do, and after all of them what is held. */
  #isBefore(a: string, b: string): boolean {
    return a !== this.#held && (b === this.#held || a < b);
  }

  #remember(id: string, folder: string): void {
    this.#places.delete(id);
    this.#places.set(id, folder);
    if (this.#places.size <= PLACES) return;
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest);
      break;
    }
  }
}
