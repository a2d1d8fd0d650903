/**
 * The segments of a spool: small fresh messages, put there by group commit, read again from memory or from the
 * disk, what became of them noted in the journals, and each segment removed when all in it is done: the log
 * first, then, when that is durable, its journals.
 *
 * Of a message its place, id and time are held in memory for as long as it is here; its octets and its entry
 * only while a budget lasts. Mail is taken in the order in which it came, so what finds the budget spent is read
 * from the disk later, rather than pushing out what is wanted sooner.
 *
 * What fails: what the disk says. A message whose entry or octets cannot be read any more stays where it is.
 *
 * @module
 */

import type { EventSink } from "../../events.ts";
import { decodeStrict } from "../../bytes.ts";
import type { Files } from "../../runtime/files.ts";
import type { Clock, Random } from "../../runtime/runtime.ts";
import { SystemError } from "../../runtime/system_error.ts";
import { nextAttempt, type QueueEntry } from "../entry.ts";
import type { MessageSource } from "../local_delivery.ts";
import { formatEntry, parseEntry } from "./entry_text.ts";
import type { Folders } from "./folders.ts";
import { KeptSource } from "./kept_source.ts";
import type { KeptOctets, Segment, SegmentMessage } from "./segment.ts";
import { partLength, type RecordDraft, SMALL_ENTRY } from "./segment_record.ts";
import { recoverSegments } from "./segment_recovery.ts";
import { type Placing, SegmentWriter } from "./segment_writer.ts";

/** What segments are made of. */
export interface SegmentsOptions {
  readonly files: Files;
  readonly folders: Folders;
  readonly clock: Clock;
  readonly random: Random;
  /** The folder of the spool; `segments/` and `damaged/` are in it. */
  readonly directory: string;
  /** Is told `queue.damaged`. */
  readonly emit: EventSink;
  /** Something went wrong that nobody waits for. */
  readonly trouble: (error: unknown) => void;
  /** Octets at which a segment is full. */
  readonly segmentSize: number;
  /** Milliseconds after which a segment is full. */
  readonly segmentAge: number;
  /** Octets of messages held in memory. */
  readonly memory: number;
  /** A message is here, and durable. */
  readonly added: (message: SegmentMessage) => void;
}

/** Octets a journal may have: what changes in its segment then goes to files. */
const LONG_JOURNAL = 64 * 1024 * 1024;

/** Octets read at once. */
const BLOCK = 64 * 1024;

/** Octets of a body that is read together with its head. */
const SHORT = 16 * 1024;

/** What an entry takes in memory, beside the octets of its line. */
const ENTRY_MEMORY = 1024;

/** All segments of a spool. */
export class Segments {
  readonly #options: SegmentsOptions;
  readonly #segments = new Set<Segment>();
  #writer: SegmentWriter | null = null;
  #memory: number;
  #removing: Promise<void> = Promise.resolve();

  /** Of a folder; {@link recover} comes first. */
  constructor(options: SegmentsOptions) {
    this.#options = options;
    this.#memory = options.memory;
  }

  /** Reads what there is; gives what is to be done, by id. */
  async recover(): Promise<Map<string, SegmentMessage>> {
    const { directory, ...options } = this.#options;
    const folder = `${directory}/segments`;
    await options.folders.make(folder);
    const { segments, messages, next } = await recoverSegments({
      ...options,
      folder,
      directory: `${directory}/damaged`,
    });
    for (const segment of segments) this.#segments.add(segment);
    this.#writer = new SegmentWriter({
      ...options,
      folder,
      number: next,
      keep: (octets) => this.#keep(octets),
      release: (kept) => this.#release(kept),
      opened: (segment) => this.#segments.add(segment),
      ended: (segment) => this.#removeDone(segment),
    });
    for (const segment of segments) this.#removeDone(segment);
    return messages;
  }

  /** Whether nothing is left to be moved or removed. */
  get idle(): boolean {
    for (const { live, kept } of this.#segments) if (!kept || live.size > 0) return false;
    return true;
  }

  /** Puts messages, as one record; durable when this resolves, and each was told as added. */
  add(draft: RecordDraft): Promise<void> {
    return this.#writer!.append(draft, this.#take);
  }

  /** The entry of a message. */
  async entry(message: SegmentMessage): Promise<QueueEntry> {
    if (message.entry !== null) return message.entry;
    const { segment, place, lengths } = message;
    const line = await this.#read(segment.path, place, lengths.entry);
    const { entry, reason } = parseEntry(decodeStrict(line) ?? "");
    if (entry?.id === message.id) return entry;
    throw new SystemError(
      "EIO",
      `${segment.path}: no entry of ${message.id} at ${place}: ${reason}`,
    );
  }

  /** A message that is in memory, `null` for others. */
  inMemory({ kept, keptAt, lengths, received }: SegmentMessage): MessageSource | null {
    return kept && new KeptSource(kept.octets, keptAt, lengths, received);
  }

  /** A message's octets: its head, and its body from memory or, where it is long, from the disk. */
  async open(message: SegmentMessage): Promise<MessageSource> {
    const source = this.inMemory(message);
    if (source !== null) return source;
    const { received, segment, place, lengths } = message;
    const bodySize = lengths.body;
    const start = place + lengths.entry + 1;
    const toBody = lengths.head + 2;
    const short = bodySize <= SHORT;
    const read = await this.#read(segment.path, start, toBody + (short ? bodySize : 0));
    return {
      head: read.subarray(0, lengths.head),
      bodySize,
      received,
      openBody: () =>
        short ? once(read.subarray(toBody)) : this.#stream(segment.path, start + toBody, bodySize),
    };
  }

  /** Whether a changed entry may stay in the journal of its segment. */
  mayChange({ segment }: SegmentMessage, entry: QueueEntry): boolean {
    // A character is at most three octets of UTF-8.
    return formatEntry(entry).length * 3 <= SMALL_ENTRY && segment.journal.size < LONG_JOURNAL;
  }

  /** Notes, durably, that a message has another entry. */
  async change(message: SegmentMessage, entry: QueueEntry): Promise<void> {
    const { segment: { journal }, place } = message;
    await journal.append({ verb: "entry", place, text: formatEntry(entry) });
    message.entry = entry;
  }

  /** Notes, durably, that nothing is left to do for a message here; it is to be dropped then. */
  note({ segment, place, id }: SegmentMessage, verb: "done" | "moved"): Promise<void> {
    return segment.journal.append({ verb, place, text: id });
  }

  /** Nothing is left to do for a message. */
  drop(message: SegmentMessage): void {
    const { segment, kept } = message;
    this.#memory += message.memory;
    message.memory = 0;
    message.entry = null;
    message.kept = null;
    if (kept !== null) this.#release(kept);
    segment.live.delete(message);
    this.#removeDone(segment);
  }

  /** {@link note}, and {@link drop}; where it cannot be noted now it is owed. */
  async endOrOwe(message: SegmentMessage, verb: "done" | "moved"): Promise<void> {
    const { segment, place, id } = message;
    try {
      await this.note(message, verb);
    } catch (error) {
      segment.owed.push({ verb, place, text: id });
      this.#options.trouble(error);
    }
    this.drop(message);
  }

  /** Puts a message behind all others of its segment, for {@link olderThan}. */
  setBack(message: SegmentMessage): void {
    const { live } = message.segment;
    if (live.delete(message)) live.add(message);
  }

  /** Messages that came before `time`, the oldest first. */
  *olderThan(time: number): Generator<SegmentMessage> {
    for (const { live } of this.#segments) {
      for (const message of live) {
        if (message.added > time) break;
        yield message;
      }
    }
  }

  /** When the first message will be `age` old, or a segment is full; `Infinity` for never. */
  nextAged(age: number): number {
    let next = Infinity;
    for (const { live, writing, opened } of this.#segments) {
      if (writing) next = Math.min(next, opened + this.#options.segmentAge);
      for (const { added } of live) {
        next = Math.min(next, added + age);
        break;
      }
    }
    return next;
  }

  /** Ends what is full, pays what is owed, removes what is done. */
  async tidy(): Promise<void> {
    this.#writer!.endIfFull();
    // Each once: one that cannot be removed now comes back behind the others.
    for (const segment of [...this.#segments]) {
      const { owed, journal } = segment;
      if (owed.length > 0) {
        segment.owed = [];
        try {
          await Promise.all(owed.map((line) => journal.append(line)));
        } catch (error) {
          segment.owed.push(...owed);
          this.#options.trouble(error);
        }
      }
      this.#removeDone(segment);
    }
    await this.#removing;
  }

  /** Ends, when all that was asked for is durable or has failed. */
  async close(): Promise<void> {
    await this.#writer?.close();
    await this.tidy();
    await this.abandon();
  }

  /** Closes its files where a start comes to nothing: what was not noted will be, by the next one. */
  async abandon(): Promise<void> {
    await this.#writer?.close();
    await this.#removing;
    for (const { journal } of this.#segments) await journal.close();
  }

  /** Takes up a record that is durable. */
  readonly #take = ({ draft, place, kept, keptAt }: Placing, segment: Segment): void => {
    const added = this.#options.clock.now();
    let at = 0;
    for (const { entry, lengths } of draft.parts) {
      const message: SegmentMessage = {
        id: entry.id,
        segment,
        place: place! + at,
        lengths,
        added,
        received: entry.received,
        entry: null,
        kept,
        keptAt: keptAt + at,
        memory: 0,
        due: nextAttempt(entry),
        filed: false,
      };
      if (kept !== null) {
        kept.users++;
        this.#keepEntry(message, entry);
      }
      at += partLength(lengths);
      segment.live.add(message);
      this.#options.added(message);
    }
  };

  #keepEntry(message: SegmentMessage, entry: QueueEntry): void {
    const memory = ENTRY_MEMORY + 2 * message.lengths.entry;
    if (memory > this.#memory) return;
    this.#memory -= memory;
    message.memory = memory;
    message.entry = entry;
  }

  /** Memory for octets that are written now, if the budget has it. */
  #keep(octets: number): KeptOctets | null {
    if (octets > this.#memory) return null;
    this.#memory -= octets;
    return { octets: new Uint8Array(octets), users: 1 };
  }

  #release(kept: KeptOctets): void {
    if (--kept.users === 0) this.#memory += kept.octets.length;
  }

  #removeDone(segment: Segment): void {
    const { live, writing, pending, kept } = segment;
    if (writing || kept || pending > 0 || live.size > 0) return;
    if (!this.#segments.delete(segment)) return;
    this.#removing = this.#removing.then(async () => {
      try {
        await this.#remove(segment);
      } catch (error) {
        this.#segments.add(segment);
        this.#options.trouble(error);
      }
    });
  }

  async #remove({ path, journal }: Segment): Promise<void> {
    const { files, folders, directory } = this.#options;
    const folder = `${directory}/segments`;
    if (await files.stat(path) !== null) await files.remove(path, { large: true });
    // A journal that went first would give all its messages out again.
    await folders.sync(folder);
    await journal.close();
    for (const path of journal.paths) {
      if (await files.stat(path) !== null) await files.remove(path);
    }
  }

  async #read(path: string, place: number, length: number): Promise<Uint8Array> {
    const octets = new Uint8Array(length);
    let at = 0;
    for await (const chunk of this.#stream(path, place, length)) {
      octets.set(chunk, at);
      at += chunk.length;
    }
    return octets;
  }

  /** Octets of a segment; a chunk is valid until the next is asked for. */
  async *#stream(path: string, place: number, length: number): AsyncGenerator<Uint8Array> {
    if (length === 0) return;
    const file = await this.#options.files.open(path, { read: true });
    try {
      await file.seek(place);
      const buffer = new Uint8Array(Math.min(BLOCK, length));
      for (let left = length; left > 0;) {
        const read = await file.read(buffer.subarray(0, Math.min(left, BLOCK)));
        if (read === null) throw new SystemError("EIO", `${path}: ends before ${place + length}`);
        yield buffer.subarray(0, read);
        left -= read;
      }
    } finally {
      file.close();
    }
  }
}

async function* once(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  if (octets.length > 0) yield octets;
}
