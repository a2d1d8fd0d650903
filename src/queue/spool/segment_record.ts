/**
 * The record: what one `add` puts into a segment, one message or several that stand or fall together. A
 * marker line, then each message as its entry line, its head, an empty line and its body:
 *
 *     record 6f1c…(32 hex) 1234 crc32=9a0b1c2d 512+840+5000
 *     {"version":1,"id":"…",…}
 *     Received: from …
 *
 *     the body
 *
 * The marker holds the nonce of the segment, its own place in the file, the checksum and, for each message,
 * the octets of entry, head and body. The nonce is random and never leaves the spool, so nobody can put a
 * marker into a mail; and what was a record somewhere else (a spool file sent by mail) is none here, since
 * nonce and place are others. One checksum over the whole record makes a group of messages atomic.
 *
 * The checksum goes over the payload, then the place, then the lengths as the marker has them.
 *
 * Pure. Whatever octets there are: {@link parseMarker} says `null`.
 *
 * @module
 */

import { decode, encode } from "../../bytes.ts";
import type { QueueEntry } from "../entry.ts";
import type { MessageSource } from "../local_delivery.ts";
import type { NewMessage } from "../store.ts";
import { checksumOf, NO_CHECKSUM, writeChecksum } from "./checksum.ts";
import { formatEntry } from "./entry_text.ts";

/** Octets of head and body together up to which a message is small, and goes to a segment. */
export const SMALL_MESSAGE: number = 256 * 1024;

/** The same where its body is in memory: written once, it costs a sync that is shared; in files two, and four of folders. */
export const SMALL_IN_MEMORY: number = 2 * 1024 * 1024;

/** Octets of an entry line up to which an entry goes to a segment or journal. */
export const SMALL_ENTRY: number = 64 * 1024;

/** Octets of one record at most: a reader needs to hold no more. */
export const LONGEST_RECORD: number = 4 * 1024 * 1024;

/** Octets of a marker line at most, its line end included. */
export const LONGEST_MARKER: number = 16 * 1024;

/** Octets of the parts of one message in a record. */
export interface PartLengths {
  /** The entry line, without its line end. */
  readonly entry: number;
  /** The header section. */
  readonly head: number;
  /** The body. */
  readonly body: number;
}

/** What a marker line says. */
export interface Marker {
  /** The checksum of the record. */
  readonly checksum: number;
  /** The messages in it. */
  readonly parts: readonly PartLengths[];
  /** Octets of the marker line with its line end. */
  readonly length: number;
  /** Octets of what follows the marker. */
  readonly payload: number;
}

/** One message of a record that has no place yet. */
export interface DraftPart {
  readonly entry: QueueEntry;
  /** The entry as it is written. */
  readonly line: string;
  readonly lengths: PartLengths;
  readonly source: MessageSource;
  /** Its body, read before the record is written, where the source has it not in memory. */
  body: Uint8Array | null;
}

/** A record that has no place yet: the messages in it, and how long it will be. */
export interface RecordDraft {
  readonly parts: readonly DraftPart[];
  /** Octets of all that follows the marker. */
  readonly payload: number;
  /** Octets of the marker line and what follows it, at most. */
  readonly room: number;
}

const LF = 0x0a;
const MARKER =
  /^record ([0-9a-f]{32}) (\d{1,15}) crc32=([0-9a-f]{8})((?: \d{1,7}\+\d{1,7}\+\d{1,7})+)\n$/;

/** What a marker of the segment begins with. */
export function markerStart(nonce: string): Uint8Array {
  return encode(`record ${nonce} `);
}

/** Octets of one message in the payload: entry line, LF, head, CRLF, body, LF. */
export function partLength({ entry, head, body }: PartLengths): number {
  return entry + 1 + head + 2 + body + 1;
}

/** Octets of a marker line with its line end, less the lengths; the place has 15 digits at most. */
const MARKER_FRAME = "record  ".length + 32 + 15 + " crc32=".length + 8 + 1;

/** Octets of the lengths of one message in a marker line at most. */
const MARKER_LENGTHS = 26;

const encoder = new TextEncoder();

/** Where the length of an entry line is found out. */
const scratch = new Uint8Array(SMALL_ENTRY);

/** The record of some messages; `null` when they are too much for one, or one of them is not small. */
export function draftRecord(messages: readonly NewMessage[]): RecordDraft | null {
  const parts: DraftPart[] = [];
  let payload = 0;
  for (const { entry, source } of messages) {
    const { head: { length: head }, bodySize: body } = source;
    if (head + body > SMALL_IN_MEMORY) return null;
    if (head + body > SMALL_MESSAGE && !isInMemory(source)) return null;
    const line = formatEntry(entry);
    const { read, written } = encoder.encodeInto(line, scratch);
    if (read < line.length) return null; // longer than a small entry
    const lengths = { entry: written, head, body };
    parts.push({ entry, line, lengths, source, body: null });
    payload += partLength(lengths);
    if (payload > LONGEST_RECORD) return null;
  }
  const marker = MARKER_FRAME + parts.length * MARKER_LENGTHS;
  return marker > LONGEST_MARKER ? null : { parts, payload, room: marker + payload };
}

/**
 * Reads the bodies that are not in memory; `undefined` when all of them are.
 *
 * @throws {RangeError} when a body is not as long as its source says; and what reading it throws.
 */
export function readBodies({ parts }: RecordDraft): Promise<void> | undefined {
  return parts.every(({ source }) => isInMemory(source)) ? undefined : readAll(parts);
}

function isInMemory(source: MessageSource): boolean {
  return (source.bodyParts?.() ?? null) !== null;
}

async function readAll(parts: readonly DraftPart[]): Promise<void> {
  for (const part of parts) {
    const { source, entry } = part;
    if (isInMemory(source)) continue;
    const body = new Uint8Array(source.bodySize);
    let at = 0;
    for await (const chunk of source.openBody()) {
      if (at + chunk.length > body.length) throw wrongSize(entry, source);
      body.set(chunk, at);
      at += chunk.length;
    }
    if (at !== body.length) throw wrongSize(entry, source);
    part.body = body;
  }
}

function wrongSize({ id }: QueueEntry, { bodySize }: MessageSource): RangeError {
  return new RangeError(`the body of ${id} is not of the ${bodySize} octets it should have`);
}

/**
 * Writes a record for that place of a segment into an array, from `at` on, where there must be the room it asks
 * for; gives the octets of its marker line. Its bodies must be in memory.
 *
 * @throws {RangeError} when a body is not as long as its source says, or is gone.
 */
export function writeRecord(
  { parts, payload }: RecordDraft,
  nonce: string,
  place: number,
  into: Uint8Array,
  at: number,
): number {
  const lengths = formatLengths(parts.map(({ lengths }) => lengths));
  const start = `record ${nonce} ${place} crc32=`;
  const text = `${start}${NO_CHECKSUM}${lengths}\n`;
  encoder.encodeInto(text, into.subarray(at));
  const body = at + text.length;
  let end = body;
  for (const part of parts) end = writePart(into, end, part);
  const sumAt = at + start.length;
  const placeAt = at + "record  ".length + nonce.length;
  const sum = checksumOf(into, body, body + payload);
  const withPlace = checksumOf(into, placeAt, sumAt - " crc32=".length, sum);
  const lengthsAt = sumAt + NO_CHECKSUM.length;
  writeChecksum(into, sumAt, checksumOf(into, lengthsAt, lengthsAt + lengths.length, withPlace));
  return text.length;
}

/** Gives the place after it. */
function writePart(into: Uint8Array, start: number, part: DraftPart): number {
  const { entry, line, source, lengths } = part;
  let at = start + encoder.encodeInto(line, into.subarray(start)).written;
  into[at++] = LF;
  into.set(source.head, at);
  at += lengths.head;
  into[at++] = 0x0d;
  into[at++] = LF;
  const end = at + lengths.body;
  for (const chunk of part.body !== null ? [part.body] : source.bodyParts?.() ?? []) {
    if (at + chunk.length > end) throw wrongSize(entry, source);
    into.set(chunk, at);
    at += chunk.length;
  }
  if (at !== end) throw wrongSize(entry, source);
  into[at++] = LF;
  return at;
}

/**
 * Reads the marker line that `bytes` begins with: one of this segment, at this place, of a record that is
 * not too long.
 */
export function parseMarker(bytes: Uint8Array, nonce: string, place: number): Marker | null {
  const end = bytes.subarray(0, LONGEST_MARKER).indexOf(LF);
  if (end === -1) return null;
  const match = MARKER.exec(decode(bytes.subarray(0, end + 1)));
  if (match === null || match[1] !== nonce || match[2] !== `${place}`) return null;
  const parts = match[4]!.slice(1).split(" ").map((lengths) => {
    const [entry = 0, head = 0, body = 0] = lengths.split("+").map(Number);
    return { entry, head, body };
  });
  const payload = parts.reduce((sum, part) => sum + partLength(part), 0);
  if (payload > LONGEST_RECORD) return null;
  return { checksum: parseInt(match[3]!, 16), parts, length: end + 1, payload };
}

/** Whether the octets after a marker are those it was written for. */
export function isIntact(marker: Marker, place: number, payload: Uint8Array): boolean {
  if (payload.length !== marker.payload) return false;
  const text = encode(`${place}${formatLengths(marker.parts)}`);
  const sum = checksumOf(text, 0, text.length, checksumOf(payload, 0, payload.length));
  return sum === marker.checksum;
}

/** Of each message, as a marker says it. */
function formatLengths(parts: readonly PartLengths[]): string {
  let text = "";
  for (const { entry, head, body } of parts) text += ` ${entry}+${head}+${body}`;
  return text;
}
