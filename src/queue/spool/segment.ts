/**
 * A segment: a file `N.log` of records and its journal, and the messages in it that are still to be done.
 * This holds what both its writer and its reader know: names, the first line, what lies where.
 *
 * @module
 */

import type { QueueEntry } from "../entry.ts";
import type { JournalLine, SegmentJournal } from "./segment_journal.ts";
import type { PartLengths } from "./segment_record.ts";

/** One segment. */
export interface Segment {
  /** As in its file name: eight digits. */
  readonly number: string;
  /** What its markers carry. */
  readonly nonce: string;
  /** The path of `N.log`. */
  readonly path: string;
  /** When it was begun, in milliseconds since the epoch. */
  readonly opened: number;
  readonly journal: SegmentJournal;
  /** The messages in it that are to be done, the oldest first. */
  readonly live: Set<SegmentMessage>;
  /** Records still go to it. */
  writing: boolean;
  /** Groups of records that are being made durable: their messages will be in `live`. */
  pending: number;
  /** Something in it could not be set aside: it must stay. */
  kept: boolean;
  /** What should stand in the journal but could not be written. */
  owed: JournalLine[];
}

/**
 * What a group of records was written from, kept for the first delivery: its memory is free again when nothing in it
 * is to be done.
 */
export interface KeptOctets {
  readonly octets: Uint8Array;
  /** Messages in it, and who is writing it. */
  users: number;
}

/** A message in a segment. */
export interface SegmentMessage {
  readonly id: string;
  readonly segment: Segment;
  /** The place of its entry line. */
  readonly place: number;
  readonly lengths: PartLengths;
  /** When it came into the segment, in milliseconds since the epoch. */
  readonly added: number;
  /** When it was accepted, in milliseconds since the epoch. */
  readonly received: number;
  /** Its entry; `null` where the one in the segment counts and is to be read there. */
  entry: QueueEntry | null;
  /** The octets of its group where they are in memory. */
  kept: KeptOctets | null;
  /** Where its entry line begins in them. */
  readonly keptAt: number;
  /** Octets of memory its entry was given. */
  memory: number;
  /** When it is to be tried, in milliseconds since the epoch. */
  due: number;
  /** It may lie in files of its own too. */
  filed: boolean;
}

/** A new number as a file name has it. */
export function formatSegmentNumber(number: number): string {
  return `${number}`.padStart(8, "0");
}

/** What a file in the folder of segments is; `null` for what does not belong there. */
export function parseSegmentName(
  name: string,
): { readonly number: number; readonly journal: number | null } | null {
  const match = /^(\d{8,15})\.(?:log|(?:([2-9]|[1-9]\d{1,8})\.)?done)$/.exec(name);
  if (match === null) return null;
  const journal = name.endsWith(".log") ? null : Number(match[2] ?? 1);
  return { number: Number(match[1]), journal };
}

/** The first line of a segment. */
export function formatSegmentHeader(nonce: string, opened: number): string {
  return `yizhan-segment 1 ${nonce} ${new Date(opened).toISOString()}\n`;
}

/** Reads the first line of a segment, without its line end. */
export function parseSegmentHeader(
  line: string,
): { readonly nonce: string; readonly opened: number } | null {
  const match = /^yizhan-segment 1 ([0-9a-f]{32}) (\S{1,30})$/.exec(line);
  if (match === null) return null;
  const opened = Date.parse(match[2]!);
  return Number.isNaN(opened) ? null : { nonce: match[1]!, opened };
}
