/**
 * The journal of a segment, `N.done`: what has become of the messages in it, a line each, group-synced. The
 * segment itself is never changed.
 *
 *     yizhan-journal 1 6f1c…(32 hex)
 *     1f2e3d4c done 1234 m1
 *     5a6b7c8d entry 7788 {"version":1,…}
 *
 * A line is a checksum over the nonce of the segment and the rest, what happened, and the place of the
 * message's entry line in the segment. `done`: nothing is left to do. `moved`: it lies in files of its own.
 * `entry`: this is its entry now. `refused`: whoever brought it was told that it could not be kept.
 *
 * After a write or sync that failed nothing more goes to that file: its end is unknown. The next line begins
 * another one, `N.2.done`, …; so does the first after a restart. A file of which no line counts is removed then, so
 * that a disk that is full for hours is not filled with them.
 *
 * What fails: what the disk says, for all whose lines were in that group. A line that a failed group left on the
 * disk all the same tells of what has happened, so it may well be believed.
 *
 * @module
 */

import { decodeStrict, encode } from "../../bytes.ts";
import type { Files } from "../../runtime/files.ts";
import type { Folders } from "./folders.ts";
import { checksumOf, NO_CHECKSUM, writeChecksum } from "./checksum.ts";
import { GroupCommit } from "./group_commit.ts";
import { LogFile } from "./log_file.ts";

/** What can become of a message in a segment. */
export type JournalVerb = "done" | "moved" | "entry" | "refused";

/** One line. */
export interface JournalLine {
  readonly verb: JournalVerb;
  /** The place of the message's entry line in the segment. */
  readonly place: number;
  /** The entry line with `entry`; else the id, for people. */
  readonly text: string;
}

/** What a journal file holds. */
export interface ParsedJournal {
  /** The nonce its first line names. */
  readonly nonce: string | null;
  readonly lines: readonly JournalLine[];
  /** What is no line though lines follow, from the first octet to after the last. */
  readonly damaged: readonly { readonly from: number; readonly to: number }[];
}

const HEADER = /^yizhan-journal 1 ([0-9a-f]{32})$/;
// To `.` also U+2028 ends a line, and JSON leaves it as it is.
const LINE = /^([0-9a-f]{8}) ((done|moved|entry|refused) (\d{1,15}) ([^\n]*))$/;
const LF = 0x0a;

/** The octets of some lines: for all of a group at once. */
export function formatJournalLines(nonce: string, lines: readonly JournalLine[]): Uint8Array {
  let text = "";
  for (const { verb, place, text: rest } of lines) {
    text += `${NO_CHECKSUM} ${verb} ${place} ${rest}\n`;
  }
  const octets = encode(text);
  const before = checksumOfText(nonce);
  for (let at = 0; at < octets.length;) {
    const end = octets.indexOf(LF, at);
    writeChecksum(octets, at, checksumOf(octets, at + NO_CHECKSUM.length + 1, end, before));
    at = end + 1;
  }
  return octets;
}

function checksumOfText(text: string): number {
  const octets = encode(text);
  return checksumOf(octets, 0, octets.length);
}

/**
 * Reads a journal file. `nonce` is the segment's, `null` where that could not be read: then the one in the
 * first line counts. Never throws.
 */
export function parseJournal(file: Uint8Array, nonce: string | null): ParsedJournal {
  const lines: JournalLine[] = [];
  const damaged: { from: number; to: number }[] = [];
  let named: string | null = null;
  /** Where the octets begin that are no lines, as long as no line follows. */
  let bad = -1;
  for (let at = 0; at < file.length;) {
    const end = file.indexOf(LF, at);
    if (end === -1) break;
    if (end === at) { // what was filled ahead, and many of them
      if (bad === -1) bad = at;
      while (file[at] === LF) at++;
      continue;
    }
    const text = decodeStrict(file.subarray(at, end)) ?? "";
    const header = at === 0 ? HEADER.exec(text)?.[1] : undefined;
    if (header !== undefined) named = header;
    const line = header === undefined ? parseLine(text, nonce ?? named) : null;
    if (line !== null) {
      lines.push(line);
      if (bad !== -1) damaged.push({ from: bad, to: at });
      bad = -1;
    } else if (header === undefined && bad === -1) {
      bad = at;
    }
    at = end + 1;
  }
  return { nonce: named, lines, damaged };
}

function parseLine(line: string, nonce: string | null): JournalLine | null {
  const [, sum, content, verb, place, text] = LINE.exec(line) ?? [];
  if (content === undefined || nonce === null) return null;
  if (checksumOfText(nonce + content) !== parseInt(sum!, 16)) return null;
  return { verb: verb as JournalVerb, place: Number(place), text: text! };
}

/** Where a journal lies. */
export interface JournalPlace {
  readonly files: Files;
  readonly folders: Folders;
  /** The folder of the segment. */
  readonly folder: string;
  /** The number of the segment, as in its file name. */
  readonly number: string;
  /** The nonce of the segment. */
  readonly nonce: string;
}

/** The name of the journal file of that count, from 1 on. */
export function journalName(number: string, count: number): string {
  return count === 1 ? `${number}.done` : `${number}.${count}.done`;
}

/** Writes the journal of one segment. */
export class SegmentJournal {
  readonly #place: JournalPlace;
  readonly #group: GroupCommit<JournalLine>;
  #file: LogFile | null = null;
  /** How many files there are. */
  #count: number;
  #size = 0;
  /** Whether a line of the present file is durable. */
  #counts = false;
  #closed = false;

  /** @param count journal files the segment has; none of them is written to any more. */
  constructor(place: JournalPlace, count: number) {
    this.#place = place;
    this.#count = count;
    // Written when it is synced: after one that failed the next is to go to another file.
    this.#group = new GroupCommit((lines) => Promise.resolve({ sync: () => this.#commit(lines) }));
  }

  /** Octets written since the start. */
  get size(): number {
    return this.#size;
  }

  /** The paths of its files. */
  get paths(): string[] {
    const { folder, number } = this.#place;
    return Array.from({ length: this.#count }, (_, i) => `${folder}/${journalName(number, i + 1)}`);
  }

  /** Makes the first file; its name is durable when the folder is synced. */
  async create(): Promise<void> {
    const { files, nonce, folder, number } = this.#place;
    const path = `${folder}/${journalName(number, this.#count + 1)}`;
    this.#file = await LogFile.create(files, path, 1);
    this.#count++;
    this.#counts = false;
    try {
      await this.#write(this.#file, encode(`yizhan-journal 1 ${nonce}\n`));
    } catch (error) {
      await this.#abandon();
      throw error;
    }
  }

  /** Resolves when the line is durable. */
  append(line: JournalLine): Promise<void> {
    if (this.#closed) return Promise.reject(new Error("the journal is closed"));
    return this.#group.add(line);
  }

  /** Ends, when all lines asked for are durable or have failed. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#group.idle();
    this.#file?.close();
    this.#file = null;
  }

  async #commit(lines: readonly JournalLine[]): Promise<void> {
    if (this.#file === null) {
      await this.create();
      try {
        await this.#place.folders.sync(this.#place.folder);
      } catch (error) {
        await this.#abandon();
        throw error;
      }
    }
    const octets = formatJournalLines(this.#place.nonce, lines);
    try {
      await this.#write(this.#file!, octets, true);
    } catch (error) {
      await this.#abandon();
      throw error;
    }
    this.#counts = true;
    this.#size += octets.length;
  }

  async #write(file: LogFile, octets: Uint8Array, sync = false): Promise<void> {
    const handle = file.take();
    try {
      await file.prepare(handle, octets.length);
      await file.write(handle, octets);
      if (sync) await handle.file.sync();
    } finally {
      file.give(handle);
    }
  }

  async #abandon(): Promise<void> {
    this.#file?.close();
    this.#file = null;
    if (this.#counts) return;
    try {
      await this.#place.files.remove(this.paths.at(-1)!);
      this.#count--;
    } catch {
      // It stays, and does no harm.
    }
  }
}
