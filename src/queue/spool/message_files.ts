/**
 * Messages as two files each: those that are large, deferred or held. Below the folder of the spool:
 *
 *     deferred/20261122T2010/ID.json   entry and head, in folders by next attempt (UTC, ten minutes each)
 *     held/ID.json                     those an operator stopped
 *     bodies/7/ID.msg                  the body, written once, never moved
 *     transit/                         what is under way, see transit.ts
 *     damaged/                         what was set aside
 *
 * A million messages cost names on the disk: held in memory are the names of folders, a window of the
 * names of what is due, and those somebody works on. A start counts names, and reads no file.
 *
 * Putting a message: its entry is written to `transit/`, then its body is made durable, then the entry is renamed
 * into its folder, which is the commit. Removing goes the other way round. Everything is 0600, folders are 0700.
 *
 * What fails: what the disk says; a message is then not there (`put`), or as before. An entry that is not as it
 * was written, or has no body, is set aside with `queue.damaged` when it is met, and is no more; so is one that could not be
 * read ten times. Who works on what, and small
 * fresh mail, are left to the store above.
 *
 * @module
 */

import { describeError, type EventSink } from "../../events.ts";
import type { Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { SystemError } from "../../runtime/system_error.ts";
import type { QueueEntry } from "../entry.ts";
import type { MessageSource } from "../local_delivery.ts";
import type { NewMessage } from "../store.ts";
import { BodyFiles } from "./body_files.ts";
import { Breath } from "./breath.ts";
import { Damaged } from "./damaged.ts";
import { DueReader, type DueVisitor } from "./due_reader.ts";
import { EntryFiles } from "./entry_files.ts";
import { Folders } from "./folders.ts";
import { formatMessageJson, type MessageRecord } from "./message_json.ts";
import { Transit } from "./transit.ts";
import { Turns } from "./turns.ts";

/** What {@link MessageFiles} is made of. */
export interface MessageFilesOptions {
  /** The disk. */
  readonly files: Files;
  /** Gives events their time. */
  readonly clock: Clock;
  /** The folder of the spool; what is missing in it is made. */
  readonly directory: string;
  /** Is told `queue.damaged` and `queue.trouble`. */
  readonly events: EventSink;
  /** Names of one folder held in memory that nobody works on. Default 50,000. */
  readonly window?: number;
}

/** Somebody who lists: what is moved behind its back is shown in the end. */
interface Listing {
  readonly visited: Set<string>;
  readonly missed: Set<string>;
}

/** The files. Every change of one message waits for the one before it. */
export class MessageFiles {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #events: EventSink;
  readonly #directory: string;
  readonly #folders: Folders;
  readonly #bodies: BodyFiles;
  readonly #transit: Transit;
  readonly #entries: EntryFiles;
  readonly #due: DueReader;
  readonly #turns = new Turns();
  readonly #visits = new Turns();
  readonly #listings = new Set<Listing>();

  /** `prepare()` comes before anything else. */
  constructor({ files, clock, directory, events, window = 50_000 }: MessageFilesOptions) {
    const folders = new Folders(files);
    const damaged = new Damaged(files, clock, folders, `${directory}/damaged`, events);
    this.#files = files;
    this.#clock = clock;
    this.#events = events;
    this.#directory = directory;
    this.#folders = folders;
    this.#bodies = new BodyFiles(files, folders, `${directory}/bodies`);
    this.#transit = new Transit(files, folders, this.#bodies, `${directory}/transit`);
    this.#entries = new EntryFiles(files, folders, this.#bodies, damaged, directory);
    this.#entries.onMove = (id, from, to) => {
      for (const { visited, missed } of this.#listings) {
        if (from !== null && to !== null && !visited.has(from) && visited.has(to)) missed.add(id);
      }
    };
    this.#due = new DueReader({
      entries: this.#entries,
      folders,
      trouble: (error, id) => this.#trouble(error, id),
      turns: this.#turns,
      checkBody: (entry, folder) => this.#checkBody(entry, folder),
      window,
    });
  }

  /** Makes the folders, ends what a crash left half done, reads the names of folders. Before anything else. */
  async prepare(): Promise<void> {
    await this.#folders.makeAll(this.#directory);
    await this.#bodies.prepare();
    await this.#transit.prepare();
    await this.#entries.prepare();
  }

  /** Messages, durable when this resolves; those that are there already are passed over. All or none when it throws. */
  put(...messages: readonly NewMessage[]): Promise<void> {
    return this.#turns.runAll(messages.map(({ entry }) => entry.id), async () => {
      const staged = new Map<string, QueueEntry>();
      const put = new Map<string, string>();
      try {
        for (const message of messages) {
          const { entry } = message;
          if (staged.has(entry.id) || await this.#hasDurably(entry.id)) continue;
          staged.set(entry.id, entry);
          await this.#stage(message);
        }
        for (const [id, entry] of staged) {
          put.set(id, await this.#entries.accept(entry, this.#transit.path(id, "new")));
        }
        for (const folder of new Set(put.values())) await this.#entries.sync(folder);
      } catch (error) {
        for (const id of staged.keys()) await this.#withdraw(id, put.get(id));
        throw error;
      }
    });
  }

  /** Whether there is a message of that id, durably; one look at the disk where there is none. */
  has(id: string): Promise<boolean> {
    return this.#turns.run(id, () => this.#hasDurably(id));
  }

  /** Another entry for a message that is there, moved to where it will be looked for, durable. @throws `ENOENT` */
  replace(entry: QueueEntry): Promise<void> {
    const { id } = entry;
    return this.#turns.run(id, async () => {
      const from = await this.#entries.find(id);
      const record = from === null ? null : await this.#entries.read(id, from);
      if (from === null || record === null) throw notThere(id);
      const content = formatMessageJson({ entry, head: record.head });
      const next = await this.#transit.write(id, "next", content);
      try {
        await this.#entries.sync(await this.#entries.exchange(entry, from, next));
      } catch (error) {
        await this.#transit.forget(id, "next");
        throw error;
      }
    });
  }

  /** Removes a message, durably; harmless when there is none. */
  remove(id: string): Promise<void> {
    return this.#turns.run(id, async () => {
      const folder = await this.#entries.find(id);
      if (folder === null) return;
      const path = this.#entries.path(id, folder);
      const gone = this.#transit.path(id, "gone");
      await this.#files.rename(path, gone);
      try {
        await this.#transit.sync();
      } catch (error) {
        await this.#folders.moveInto(folder, gone, path);
        throw error;
      }
      this.#entries.left(id, folder);
      await this.#transit.wipe(id);
    });
  }

  /** One entry; `null` when there is none. */
  async get(id: string): Promise<QueueEntry | null> {
    return (await this.#turns.run(id, () => this.#read(id)))?.entry ?? null;
  }

  /** A message. @throws `ENOENT` when there is none; one whose body is not as it was is set aside. */
  async open(id: string): Promise<MessageSource> {
    const record = await this.#turns.run(id, async () => {
      const found = await this.#read(id);
      return found !== null && await this.#checkBody(found.entry, found.folder) ? found : null;
    });
    if (record === null) throw notThere(id);
    const { head, entry: { bodySize, received } } = record;
    return { head, bodySize, received, openBody: () => this.#bodies.read(id, bodySize) };
  }

  /** Shows what is due at `now`, most overdue folder first, reading no more than the visitor takes. */
  due(now: number, visitor: DueVisitor): Promise<void> {
    return this.#visits.run("", () => this.#due.visit(now, visitor));
  }

  /** When something that is not skipped may be due: maybe too early, never too late; `Infinity` for never. */
  nextDue(skip: (id: string) => boolean): number {
    return this.#entries.buckets.nextDue(skip);
  }

  /** An entry that was skipped is not any more. */
  free(id: string): void {
    this.#entries.buckets.free(id);
  }

  /** All entries, held ones too, while they change. One that changes folders meanwhile may come twice. */
  async *list(): AsyncGenerator<QueueEntry> {
    const listing: Listing = { visited: new Set(), missed: new Set() };
    this.#listings.add(listing);
    try {
      const breath = new Breath(this.#files, this.#directory);
      for (const folder of this.#entries.folders()) {
        listing.visited.add(folder);
        for await (const id of this.#entries.ids(folder)) {
          await breath.take();
          const entry = await this.#listed(id, folder);
          if (entry !== null) yield entry;
        }
      }
      for (const id of listing.missed) {
        const entry = await this.#listed(id);
        if (entry !== null) yield entry;
      }
    } finally {
      this.#listings.delete(listing);
    }
  }

  /** An entry to be listed: one that cannot be read now must not end the list. */
  async #listed(id: string, folder?: string): Promise<QueueEntry | null> {
    try {
      return (await this.#turns.run(id, () => this.#read(id, folder)))?.entry ?? null;
    } catch (error) {
      this.#trouble(error, id);
      return null;
    }
  }

  /** How many messages there are: counts names. A folder that cannot be read counts as one, and is told. */
  async count(): Promise<number> {
    let count = 0;
    for (const folder of this.#entries.folders()) {
      try {
        for await (const _ of this.#entries.ids(folder)) count++;
      } catch (error) {
        count++;
        this.#trouble(error);
      }
    }
    return count;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#visits.idle();
    await this.#turns.idle();
    await this.#transit.flush();
  }

  async #hasDurably(id: string): Promise<boolean> {
    const folder = await this.#entries.find(id);
    if (folder === null) return false;
    // Whoever put it may have died before it was.
    await this.#entries.sync(folder);
    return true;
  }

  /** All that comes before the commit. */
  async #stage({ entry, source }: NewMessage): Promise<void> {
    const { id } = entry;
    await this.#transit.clear(id);
    await this.#transit.write(id, "new", formatMessageJson({ entry, head: source.head }));
    await this.#transit.sync();
    await this.#bodies.write(id, source);
  }

  /** Takes back a message that could not be put. What cannot be done now, a start will do. */
  async #withdraw(id: string, folder: string | undefined): Promise<void> {
    if (folder !== undefined) {
      try {
        const path = this.#entries.path(id, folder);
        await this.#files.rename(path, this.#transit.path(id, "new"));
        this.#entries.left(id, folder);
        await this.#transit.sync(); // before its body goes
      } catch {
        return;
      }
    }
    await this.#transit.undo(id);
  }

  /** An entry, which was in `folder` a moment ago or is wherever it is. */
  async #read(id: string, likely?: string): Promise<MessageRecord & { folder: string } | null> {
    const record = likely === undefined ? null : await this.#entries.read(id, likely);
    if (record !== null) return { ...record, folder: likely! };
    const folder = await this.#entries.find(id);
    const found = folder === null ? null : await this.#entries.read(id, folder);
    return found === null ? null : { ...found, folder: folder! };
  }

  /** Whether the body is as it should be; else the message is set aside. */
  async #checkBody({ id, bodySize }: QueueEntry, folder: string): Promise<boolean> {
    const size = await this.#bodies.size(id);
    if (size === bodySize) return true;
    const reason = size === null
      ? "it has no body"
      : `the body has ${size} octets, not ${bodySize}`;
    await this.#entries.setAside(id, folder, reason);
    return false;
  }

  #trouble(error: unknown, message?: string): void {
    this.#events({
      type: "queue.trouble",
      time: this.#clock.now(),
      where: "files",
      error: describeError(error),
      ...(message !== undefined && { message }),
    });
  }
}

function notThere(id: string): SystemError {
  return new SystemError("ENOENT", `no message ${id} in the queue`);
}
