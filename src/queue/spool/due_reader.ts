/**
 * Finds what is due: the most overdue bucket first, and of a folder no more names and files than are wanted. Of the
 * bucket that lies partly in the future, entries are given when their own time has come; to learn it they are
 * read once, a few at a visit.
 *
 * Where more than a window full of entries is to come within the same ten minutes, those that found no room in
 * memory may come up to ten minutes late.
 *
 * @module
 */

import type { QueueEntry } from "../entry.ts";
import { BUCKET_MS } from "./bucket.ts";
import { type Bucket, DueWindow } from "./due_window.ts";
import { dueTime, type EntryFiles } from "./entry_files.ts";
import type { Folders } from "./folders.ts";
import type { Turns } from "./turns.ts";

/** Who looks for entries that are due. Both are called synchronously. */
export interface DueVisitor {
  /**
   * Whether nobody wants to see this entry now: it is claimed, or was given back for later. When that is over
   * `MessageFiles.free` is to be told.
   */
  skip(id: string): boolean;
  /**
   * An entry that is due, as it is on the disk at this very moment, and that is not skipped. Whoever wants it
   * claims it here and now. `false` ends the visit.
   */
  take(entry: QueueEntry): boolean;
}

/** What a {@link DueReader} is made of. */
export interface DueReaderOptions {
  readonly entries: EntryFiles;
  readonly folders: Folders;
  /** An entry, or a folder, could not be read, and is passed over for a while. */
  readonly trouble: (error: unknown, id?: string) => void;
  /** Whose turn it is to work on an id. */
  readonly turns: Turns;
  /** Whether the body of an entry is as it should be; else it is set aside. */
  readonly checkBody: (entry: QueueEntry, folder: string) => Promise<boolean>;
  /** Names of one folder held in memory that nobody works on. */
  readonly window: number;
}

/** Entries of the present bucket that one visit reads to learn their times. */
const READS = 256;

/** Troubles that a visit bears: one message must not hold up the others, but with more the disk is ill. */
const TROUBLES = 8;

/** Milliseconds for which what could not be read is left alone. */
const PAUSE = 30_000;

/** Reads buckets as they become due. One visit at a time. */
export class DueReader {
  readonly #options: DueReaderOptions;
  /** Folders that are empty of entries but cannot be removed: something else is in them. */
  readonly #stuck = new Set<string>();

  /** Of entries that are ready. */
  constructor(options: DueReaderOptions) {
    this.#options = options;
  }

  /** Shows what is due at `now`. @throws what the disk says, when it says so of too much. */
  async visit(now: number, visitor: DueVisitor): Promise<void> {
    let troubles = 0;
    const bear = (error: unknown, id?: string) => {
      if (++troubles > TROUBLES) throw error;
      this.#options.trouble(error, id);
    };
    for (const bucket of this.#options.entries.buckets.all()) {
      if (bucket.start > now || !await this.#visitBucket(bucket, now, visitor, bear)) return;
    }
  }

  /** `false` when the visit is over. */
  async #visitBucket(
    bucket: Bucket,
    now: number,
    visitor: DueVisitor,
    bear: (error: unknown, id?: string) => void,
  ): Promise<boolean> {
    const { start, folder } = bucket;
    const window = bucket.window ??= new DueWindow(start, this.#options.window);
    const end = start + BUCKET_MS;
    const skip = (id: string) => visitor.skip(id);
    let reads = READS;
    for (;;) {
      for (const [id, time] of window.entries()) {
        if (time !== null && time > now) continue;
        if (skip(id)) {
          window.putAside(id);
          continue;
        }
        if (time === null && end > now && reads-- <= 0) return true;
        try {
          if (!await this.#offer(id, bucket, window, now, visitor)) return false;
        } catch (error) {
          bear(error, id);
          window.set(id, now + PAUSE);
        }
      }
      if (window.rest > now) break;
      let added = false;
      try {
        added = await window.load(this.#options.entries.ids(folder), skip);
      } catch (error) {
        bear(error);
        window.rest = now + PAUSE;
        return true;
      }
      // The window is full of what is not due yet.
      if (!added && window.rest !== Infinity) window.rest = Math.max(end, now + 1);
    }
    if (window.empty && end <= now) await this.#retire(bucket);
    return true;
  }

  #offer(
    id: string,
    { folder }: Bucket,
    window: DueWindow,
    now: number,
    visitor: DueVisitor,
  ): Promise<boolean> {
    const { entries, turns, checkBody } = this.#options;
    return turns.run(id, async () => {
      const entry = (await entries.read(id, folder))?.entry;
      if (entry === undefined) {
        window.delete(id);
        return true;
      }
      const due = dueTime(entry);
      window.set(id, due);
      if (due > now) {
        await entries.relocate(entry, folder);
        return true;
      }
      if (!await checkBody(entry, folder)) return true;
      return visitor.skip(id) || visitor.take(entry);
    });
  }

  async #retire(bucket: Bucket): Promise<void> {
    const { entries: { buckets }, folders } = this.#options;
    if (this.#stuck.has(bucket.folder)) return;
    // Before it is removed: an entry may come into it at this moment, and makes it known again.
    buckets.delete(bucket);
    if (await folders.removeEmpty(bucket.folder)) return;
    this.#stuck.add(bucket.folder);
    buckets.add(bucket.start, bucket.folder);
  }
}
