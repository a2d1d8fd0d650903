/**
 * Writes segments. Records that come while a group is being synced are the next group: gathered into large
 * writes, one sync for all; it is written when the one before is, and need not wait until that is synced: each has a
 * handle of its own, which tells it of all that failed. A segment is full at a size and at an age; then the next one begins.
 *
 * After a write or sync that failed, or was short, nothing more goes to that segment: nobody knows what its
 * end looks like. All whose records were in the group are told; and since their records may be on the disk
 * all the same, the journal is told too that they were refused: nobody is told "no" and then has the
 * message delivered. Where even that cannot be written it stays owed, and only a restart before the debt is paid
 * (or the segment is empty, and removed) could deliver such a message.
 *
 * The folder is synced before the first record of a new segment is acknowledged.
 *
 * @module
 */

import type { Files } from "../../runtime/files.ts";
import type { Clock, Random } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { encode } from "../../bytes.ts";
import type { Folders } from "./folders.ts";
import { GroupCommit, type WrittenGroup } from "./group_commit.ts";
import { LogFile, type LogHandle } from "./log_file.ts";
import {
  formatSegmentHeader,
  formatSegmentNumber,
  type KeptOctets,
  type Segment,
} from "./segment.ts";
import { type JournalLine, SegmentJournal } from "./segment_journal.ts";
import { partLength, type RecordDraft, writeRecord } from "./segment_record.ts";

/** What a writer is made of. */
export interface SegmentWriterOptions {
  readonly files: Files;
  readonly folders: Folders;
  readonly clock: Clock;
  /** Makes nonces. */
  readonly random: Random;
  /** The folder of the segments; it is there. */
  readonly folder: string;
  /** The number of the first segment to write. */
  readonly number: number;
  /** Octets at which a segment is full. */
  readonly segmentSize: number;
  /** Milliseconds after which a segment is full. */
  readonly segmentAge: number;
  /** Memory for so many octets that are written, and kept then; `null` when there is none. */
  readonly keep: (octets: number) => KeptOctets | null;
  /** The writer is done with them. */
  readonly release: (kept: KeptOctets) => void;
  /** A new segment has begun. */
  readonly opened: (segment: Segment) => void;
  /** Nothing more goes to a segment. */
  readonly ended: (segment: Segment) => void;
  /** Something went wrong that nobody waits for. */
  readonly trouble: (error: unknown) => void;
}

/** A record on its way. */
export interface Placing {
  readonly draft: RecordDraft;
  /** It is durable. Whoever brought it takes it up, before anybody is told. */
  readonly placed: (record: Placing, segment: Segment) => void;
  /** The place in the segment of the first octet after the marker; `null` as long as it is not written. */
  place: number | null;
  /** The octets of its group where they are kept in memory. */
  kept: KeptOctets | null;
  /** Where the first octet after the marker is in them. */
  keptAt: number;
}

/** A group that is in its segment, or on its way there. */
interface Written {
  readonly current: Current;
  /** By which it is written, and synced. */
  readonly handle: LogHandle;
  readonly group: readonly Placing[];
  /** Those that cannot be written for what they are themselves. */
  readonly failed: Map<Placing, unknown>;
  /** What it was written from, where that is kept. */
  readonly kept: Set<KeptOctets>;
}

/** The segment that is written, and how long it is. */
interface Current {
  readonly segment: Segment;
  readonly file: LogFile;
  /** Its first line, until that is written: in one write with the first records, so that a crash leaves both or neither. */
  header: Uint8Array;
  /** Octets, the first line included. */
  size: number;
}

/** Octets gathered at most before they are written. */
const GATHER = 256 * 1024;

/** Groups that are synced at once at most. */
const SYNCS = 2;

/** Octets of the first line of a segment at most. */
const LONGEST_HEADER = 256;

const NOTHING = new Uint8Array(0);

/** Writes records into segments, one segment at a time. */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  readonly #group: GroupCommit<Placing>;
  /** Where records are gathered that are not kept. */
  #buffer = new Uint8Array(GATHER);
  #number: number;
  #current: Current | null = null;

  /** Writes into a folder. */
  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    this.#number = options.number;
    this.#group = new GroupCommit((group) => this.#write(group), SYNCS);
  }

  /** Resolves when the record is durable and was given to `placed`. Its bodies are in memory. */
  append(draft: RecordDraft, placed: Placing["placed"]): Promise<void> {
    return this.#group.add({ draft, placed, place: null, kept: null, keptAt: 0 });
  }

  /** Ends the segment if it is full, though nothing is to be written. */
  endIfFull(): void {
    if (this.#isFull()) this.#end();
  }

  /** Ends, when all that was asked for is durable or has failed. */
  async close(): Promise<void> {
    await this.#group.idle();
    this.#end();
  }

  async #write(group: readonly Placing[]): Promise<WrittenGroup<Placing>> {
    if (this.#isFull()) this.#end();
    const current = this.#current ??= await this.#open();
    const { segment, file } = current;
    const handle = file.take();
    const written: Written = { current, handle, group, failed: new Map(), kept: new Set() };
    // It must not be taken for done before those in the group are in it.
    segment.pending++;
    try {
      let room = current.header.length;
      for (const { draft } of group) room += draft.room;
      await file.prepare(handle, room);
      for (let done = 0; done < group.length;) {
        const batch = takeBatch(group, done);
        done += batch.length;
        await file.write(handle, this.#gather(written, batch));
      }
    } catch (error) {
      await this.#fail(written);
      throw error;
    }
    return { failed: written.failed, sync: () => this.#sync(written) };
  }

  async #sync(written: Written): Promise<void> {
    const { current: { segment }, handle, group, failed } = written;
    try {
      await handle.file.sync();
    } catch (error) {
      await this.#fail(written);
      throw error;
    }
    for (const record of group) if (!failed.has(record)) record.placed(record, segment);
    this.#release(written);
  }

  async #fail(written: Written): Promise<void> {
    const { current: { segment }, current, group } = written;
    if (this.#current === current) this.#end();
    await this.#refuse(segment, group);
    this.#release(written);
    this.#options.ended(segment);
  }

  #release({ current: { segment, file }, handle, kept }: Written): void {
    segment.pending--;
    file.give(handle);
    kept.forEach(this.#options.release);
  }

  /** Puts records into memory as they are to be written, one after the other. */
  #gather(
    { current, kept: keeping, failed }: Written,
    batch: readonly Placing[],
  ): Uint8Array {
    const { segment, header } = current;
    let room = header.length;
    for (const { draft } of batch) room += draft.room;
    // What is large would push much that is small out of memory, and is cheaper to read again.
    const kept = room > GATHER ? null : this.#options.keep(room);
    if (kept !== null) keeping.add(kept);
    if (room > this.#buffer.length) this.#buffer = new Uint8Array(room); // the longest record at most
    const octets = kept?.octets ?? this.#buffer;
    octets.set(header);
    let filled = header.length;
    current.header = NOTHING;
    for (const record of batch) {
      const { draft } = record;
      try {
        const marker = writeRecord(draft, segment.nonce, current.size, octets, filled);
        record.place = current.size + marker;
        record.kept = kept;
        record.keptAt = filled + marker;
        current.size = record.place + draft.payload;
        filled = record.keptAt + draft.payload;
      } catch (error) {
        failed.set(record, error);
      }
    }
    return octets.subarray(0, filled);
  }

  #isFull(): boolean {
    if (this.#current === null) return false;
    const { segmentSize, segmentAge, clock } = this.#options;
    const { size, segment } = this.#current;
    const age = clock.now() - segment.opened;
    return size >= segmentSize || age >= segmentAge || age < 0;
  }

  #end(): void {
    if (this.#current === null) return;
    const { segment, file } = this.#current;
    this.#current = null;
    file.close();
    segment.writing = false;
    this.#options.ended(segment);
  }

  async #open(): Promise<Current> {
    const { files, folders, folder, clock, random } = this.#options;
    const number = formatSegmentNumber(this.#number++);
    const nonce = random.bytes(16).toHex();
    const path = `${folder}/${number}.log`;
    const opened = clock.now();
    const header = encode(formatSegmentHeader(nonce, opened));
    const journal = new SegmentJournal({ files, folders, folder, number, nonce }, 0);
    let file: LogFile | null = null;
    try {
      file = await LogFile.create(files, path, SYNCS);
      await journal.create();
      await folders.sync(folder);
    } catch (error) {
      file?.close();
      await journal.close();
      // What is there already is not ours.
      const made = errorCode(error) === "EEXIST" && file === null ? [] : [path, ...journal.paths];
      for (const left of made) await files.remove(left).catch(() => {});
      throw error;
    }
    const segment: Segment = {
      number,
      nonce,
      path,
      opened,
      journal,
      live: new Set(),
      writing: true,
      pending: 0,
      kept: false,
      owed: [],
    };
    this.#options.opened(segment);
    return { segment, file, header, size: header.length };
  }

  /** Tells the journal that these records do not count. */
  async #refuse(segment: Segment, group: readonly Placing[]): Promise<void> {
    const lines: JournalLine[] = [];
    for (const { place, draft } of group) {
      if (place === null) continue;
      let at = place;
      for (const { lengths } of draft.parts) {
        lines.push({ verb: "refused", place: at, text: "-" });
        at += partLength(lengths);
      }
    }
    try {
      await Promise.all(lines.map((line) => segment.journal.append(line)));
    } catch (error) {
      segment.owed.push(...lines);
      this.#options.trouble(error);
    }
  }
}

/** The records from `start` on that are gathered together: at least one. */
function takeBatch(group: readonly Placing[], start: number): readonly Placing[] {
  let octets = LONGEST_HEADER;
  for (let end = start; end < group.length; end++) {
    octets += group[end]!.draft.room;
    if (octets > GATHER && end > start) return group.slice(start, end);
  }
  return start === 0 ? group : group.slice(start);
}
