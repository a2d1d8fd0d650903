/**
 * What a start makes of the segments it finds: which messages in them are still to be done. Each segment is
 * read once, record by record; of a message only its place, its id and its time stay in memory.
 *
 * What is damaged is set aside and passed over (see `segment_reader.ts`). A segment whose first line cannot be
 * read is read by the nonce that its journal names; where that is gone too, the whole of it is set aside,
 * unless it holds no record at all: then a crash came before its first one.
 *
 * A file that cannot be read, or not to its end, is told as `queue.damaged` and left where it is, and the start goes
 * on without what is missing: of a log that mail waits for a start that can read it, of a journal the mail it
 * called done is done again.
 *
 * What fails: what the disk says of anything but a single file.
 *
 * @module
 */

import { concat, decodeStrict } from "../../bytes.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { nextAttempt } from "../entry.ts";
import { Damaged, isPassing } from "./damaged.ts";
import { type DamagedRangeOptions, setRangeAside } from "./damaged_range.ts";
import { parseEntry } from "./entry_text.ts";
import { FileWindow } from "./file_window.ts";
import { parseSegmentName, type Segment, type SegmentMessage } from "./segment.ts";
import { formatSegmentNumber } from "./segment.ts";
import { type JournalLine, journalName, parseJournal, SegmentJournal } from "./segment_journal.ts";
import {
  readSegment,
  readSegmentHeader,
  type SegmentFinding,
  trueNonce,
} from "./segment_reader.ts";
import { partLength } from "./segment_record.ts";

/** What recovery takes. */
export interface SegmentRecoveryOptions extends DamagedRangeOptions {
  /** The folder of the segments; it is there. */
  readonly folder: string;
  /** Something could not be set aside, and stays where it is. */
  readonly trouble: (error: unknown) => void;
}

/** What was found. */
export interface RecoveredSegments {
  /** All segments there are, the oldest first; none of them is written to any more. */
  readonly segments: readonly Segment[];
  /** What is to be done, by id. */
  readonly messages: Map<string, SegmentMessage>;
  /** A number that no segment has, nor any after it. */
  readonly next: number;
}

/** The files of one number. */
interface Found {
  log: boolean;
  /** Counts of its journal files. */
  readonly journals: number[];
}

/** Octets of a journal that are read: the store lets none grow so long. */
const LONGEST_JOURNAL = 1024 * 1024 * 1024;

/** Octets of a journal read at once. */
const BLOCK = 64 * 1024;

/** A marker of any segment. */
const ANY_MARKER = /record [0-9a-f]{32} \d+ crc32=/;

/** Reads all segments. */
export async function recoverSegments(options: SegmentRecoveryOptions): Promise<RecoveredSegments> {
  const found = await listSegments(options);
  const segments: Segment[] = [];
  const messages = new Map<string, SegmentMessage>();
  let next = 1;
  for (const [number, { log, journals }] of [...found].sort(([a], [b]) => a - b)) {
    next = number + 1;
    const reader = new SegmentRecovery(options, formatSegmentNumber(number), messages);
    if (!log) await reader.removeJournals(journals);
    else segments.push(...await reader.read(journals));
  }
  return { segments, messages, next };
}

async function listSegments(
  { files, folder }: SegmentRecoveryOptions,
): Promise<Map<number, Found>> {
  const found = new Map<number, Found>();
  for await (const { name, kind } of files.list(folder)) {
    const parsed = parseSegmentName(name);
    if (parsed === null || kind !== "file") continue;
    const { number, journal } = parsed;
    const of = found.get(number) ?? { log: false, journals: [] };
    if (journal === null) of.log = true;
    else of.journals.push(journal);
    found.set(number, of);
  }
  return found;
}

/** Reads one segment. */
class SegmentRecovery {
  readonly #options: SegmentRecoveryOptions;
  readonly #number: string;
  readonly #path: string;
  readonly #messages: Map<string, SegmentMessage>;
  #kept = false;

  constructor(
    options: SegmentRecoveryOptions,
    number: string,
    messages: Map<string, SegmentMessage>,
  ) {
    this.#options = options;
    this.#number = number;
    this.#path = `${options.folder}/${number}.log`;
    this.#messages = messages;
  }

  /** Journals whose segment is gone: a crash came between the two. */
  async removeJournals(counts: readonly number[]): Promise<void> {
    for (const count of counts) await this.#options.files.remove(this.#journalPath(count));
  }

  /** The segment, or nothing where nothing of it is left. */
  async read(journals: readonly number[]): Promise<Segment[]> {
    const found: Segment[] = [];
    try {
      const log = await this.#options.files.open(this.#path, { read: true });
      try {
        await this.#readLog(new FileWindow(log), journals, found);
      } finally {
        log.close();
      }
    } catch (error) {
      // What was read counts; the rest stays where it is, for a person, or for another start.
      this.#tellUnreadable(this.#path, error);
      for (const segment of found) segment.kept = true;
    }
    return found;
  }

  /** Adds the segment to `found` before its records are read. */
  async #readLog(
    window: FileWindow,
    journals: readonly number[],
    found: Segment[],
  ): Promise<void> {
    const { files, folders, folder } = this.#options;
    const header = await readSegmentHeader(window);
    const known = header && await trueNonce(window, header.nonce, header.length);
    const { nonce, outcomes } = await this.#readJournals(journals, known);
    if (nonce === null) return await this.#giveUp(window, journals);
    const segment: Segment = {
      number: this.#number,
      nonce,
      path: this.#path,
      opened: header?.opened ?? this.#options.clock.now(),
      journal: new SegmentJournal(
        { files, folders, folder, number: this.#number, nonce },
        Math.max(0, ...journals),
      ),
      live: new Set(),
      writing: false,
      pending: 0,
      kept: false,
      owed: [],
    };
    found.push(segment);
    for await (const finding of readSegment(window, nonce, header?.length ?? 0)) {
      if (finding.kind === "damaged") {
        await this.#setAside(this.#path, finding.from, finding.to, "no record");
      } else {
        await this.#readRecord(segment, finding, outcomes);
      }
    }
    segment.kept = this.#kept;
  }

  async #readRecord(
    segment: Segment,
    { place, marker, payload }: Extract<SegmentFinding, { kind: "record" }>,
    outcomes: ReadonlyMap<number, JournalLine>,
  ): Promise<void> {
    let at = 0;
    for (const lengths of marker.parts) {
      const from = place + at;
      const line = payload.subarray(at, at + lengths.entry);
      at += partLength(lengths);
      const outcome = outcomes.get(from);
      if (outcome !== undefined && outcome.verb !== "entry") {
        if (outcome.verb !== "refused") this.#forget(outcome.text);
        continue;
      }
      const text = outcome?.text ?? decodeStrict(line) ?? "";
      const { entry, reason } = parseEntry(text);
      if (entry === undefined) {
        await this.#setAside(this.#path, from, place + at, reason);
        continue;
      }
      this.#forget(entry.id);
      const message: SegmentMessage = {
        id: entry.id,
        segment,
        place: from,
        lengths,
        added: segment.opened,
        received: entry.received,
        entry: outcome === undefined ? null : entry,
        kept: null,
        keptAt: 0,
        memory: 0,
        due: entry.held === undefined ? nextAttempt(entry) : Infinity,
        filed: false,
      };
      this.#messages.set(entry.id, message);
      segment.live.add(message);
    }
  }

  /** What was said of an id before counts no more: it was refused, and came again. */
  #forget(id: string): void {
    const earlier = this.#messages.get(id);
    if (earlier === undefined) return;
    this.#messages.delete(id);
    earlier.segment.live.delete(earlier);
  }

  /** The last word on each message, by its place. */
  async #readJournals(
    counts: readonly number[],
    known: string | null,
  ): Promise<{ nonce: string | null; outcomes: Map<number, JournalLine> }> {
    const outcomes = new Map<number, JournalLine>();
    let nonce = known;
    for (const count of counts.toSorted((a, b) => a - b)) {
      const path = this.#journalPath(count);
      const journal = parseJournal(await this.#readJournal(path), nonce);
      nonce ??= journal.nonce;
      for (const line of journal.lines) {
        const before = outcomes.get(line.place);
        if (before === undefined || before.verb === "entry") outcomes.set(line.place, line);
      }
      for (const { from, to } of journal.damaged) {
        await this.#setAside(path, from, to, "no line of a journal");
      }
    }
    return { nonce, outcomes };
  }

  /** A journal, or what can be read of it: of what stood in the rest some will be done twice. */
  async #readJournal(path: string): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    try {
      const file = await this.#options.files.open(path, { read: true });
      try {
        for (let octets = 0; octets < LONGEST_JOURNAL;) {
          const block = new Uint8Array(BLOCK);
          const length = await file.read(block);
          if (length === null) break;
          parts.push(block.subarray(0, length));
          octets += length;
        }
      } finally {
        file.close();
      }
    } catch (error) {
      this.#tellUnreadable(path, error);
    }
    return concat(parts);
  }

  /** @throws the error, when it has nothing to do with the file. */
  #tellUnreadable(path: string, error: unknown): void {
    if (isPassing(error)) throw error;
    const { emit, clock } = this.#options;
    const reason = `cannot be read: ${errorCode(error)}`;
    emit({ type: "queue.damaged", time: clock.now(), path, reason });
  }

  async #setAside(path: string, from: number, to: number, reason: string): Promise<void> {
    try {
      await setRangeAside(this.#options, path, from, to, reason);
    } catch (error) {
      this.#kept = true;
      this.#options.trouble(error);
    }
  }

  /** Of a segment whose nonce nobody knows. */
  async #giveUp(window: FileWindow, journals: readonly number[]): Promise<void> {
    const { files, clock, folders, directory, emit } = this.#options;
    const journalPaths = journals.map((count) => this.#journalPath(count));
    if (await holdsMarker(window)) {
      const damaged = new Damaged(files, clock, folders, directory, emit);
      await damaged.setAside([this.#path, ...journalPaths], "its first line cannot be read");
      return;
    }
    await files.remove(this.#path);
    await folders.sync(this.#options.folder);
    await this.removeJournals(journals);
  }

  #journalPath(count: number): string {
    return `${this.#options.folder}/${journalName(this.#number, count)}`;
  }
}

async function holdsMarker(window: FileWindow): Promise<boolean> {
  const size = 256 * 1024;
  const latin1 = new TextDecoder("latin1");
  for (let at = 0;; at += size - 128) {
    const octets = await window.octets(at, size);
    if (ANY_MARKER.test(latin1.decode(octets))) return true;
    if (octets.length < size) return false;
  }
}
