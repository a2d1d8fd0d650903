/**
 * Writes segments. Records that come while a group is being synced are the next group: gathered into large
 * writes, one sync for all. A segment is full at a size and at an age; then the next one begins.
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

import type { Clock, FileHandle, Files, Random } from "../../runtime/runtime.ts";
import { encode } from "../../bytes.ts";
import type { Folders } from "./folders.ts";
import { GroupCommit } from "./group_commit.ts";
import { formatSegmentHeader, formatSegmentNumber, type Segment } from "./segment.ts";
import { type JournalLine, SegmentJournal } from "./segment_journal.ts";
import { formatMarker, partLength, type SegmentRecord } from "./segment_record.ts";

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
  /** A new segment has begun. */
  readonly opened: (segment: Segment) => void;
  /** Nothing more goes to a segment. */
  readonly ended: (segment: Segment) => void;
  /** Something went wrong that nobody waits for. */
  readonly trouble: (error: unknown) => void;
}

/** A record that is durable. */
export interface PlacedRecord {
  readonly segment: Segment;
  /** The place of the first octet after the marker. */
  readonly place: number;
}

/** A record on its way. */
interface Placing {
  readonly record: SegmentRecord;
  segment: Segment | null;
  place: number;
}

/** The segment that is written, and how long it is. */
interface Current {
  readonly segment: Segment;
  readonly file: FileHandle;
  size: number;
}

/** Octets written at once. */
const GATHER = 256 * 1024;

/** Writes records into segments, one segment at a time. */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  readonly #group: GroupCommit<Placing>;
  readonly #buffer = new Uint8Array(GATHER);
  #filled = 0;
  #number: number;
  #current: Current | null = null;

  /** Writes into a folder. */
  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    this.#number = options.number;
    this.#group = new GroupCommit((group) => this.#commit(group));
  }

  /**
   * Resolves when the record is durable. Until whoever asked has taken it up, the segment counts it as
   * pending: `segment.pending` is to be lowered then.
   */
  async append(record: SegmentRecord): Promise<PlacedRecord> {
    const placing: Placing = { record, segment: null, place: 0 };
    await this.#group.add(placing);
    return { segment: placing.segment!, place: placing.place };
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

  async #commit(group: readonly Placing[]): Promise<void> {
    if (this.#isFull()) this.#end();
    const current = this.#current ??= await this.#open();
    current.segment.pending += group.length;
    try {
      for (const placing of group) await this.#write(placing);
      await this.#flush();
      await current.file.sync();
    } catch (error) {
      this.#filled = 0;
      this.#end();
      await this.#refuse(current.segment, group);
      current.segment.pending -= group.length;
      this.#options.ended(current.segment);
      throw error;
    }
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
    const file = await files.open(path, { append: true, createNew: true });
    try {
      await journal.create();
      await folders.sync(folder);
    } catch (error) {
      file.close();
      await journal.close();
      for (const left of [path, ...journal.paths]) await files.remove(left).catch(() => {});
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
    // In one write with the first records: a crash leaves both or neither.
    this.#buffer.set(header);
    this.#filled = header.length;
    return { segment, file, size: header.length };
  }

  /** Puts a record into the buffer, and what does not fit into the file. */
  async #write(placing: Placing): Promise<void> {
    const { record } = placing;
    const current = this.#current!;
    const marker = formatMarker(current.segment.nonce, current.size, record);
    placing.segment = current.segment;
    placing.place = current.size + marker.length;
    current.size = placing.place + record.payload.length;
    for (const part of [marker, record.payload]) {
      if (this.#filled + part.length > GATHER) await this.#flush();
      if (part.length > GATHER) {
        await current.file.write(part);
      } else {
        this.#buffer.set(part, this.#filled);
        this.#filled += part.length;
      }
    }
  }

  async #flush(): Promise<void> {
    if (this.#filled === 0) return;
    const octets = this.#buffer.subarray(0, this.#filled);
    this.#filled = 0;
    await this.#current!.file.write(octets);
  }

  /** Tells the journal that these records do not count. */
  async #refuse(segment: Segment, group: readonly Placing[]): Promise<void> {
    const lines: JournalLine[] = [];
    for (const { segment: reached, place, record } of group) {
      if (reached === null) continue;
      let at = place;
      for (const part of record.parts) {
        lines.push({ verb: "refused", place: at, text: "-" });
        at += partLength(part);
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
