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
 * The checksum is CRC-32: it is there to find what a crash or a bad disk left, not what an attacker wrote,
 * who would have to write into the spool for that; and it costs a hundredth of a SHA-256.
 *
 * Pure. Whatever octets there are: {@link parseMarker} says `null`.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { decode, encode } from "../../bytes.ts";
import type { QueueEntry } from "../entry.ts";
import type { NewMessage } from "../store.ts";
import { formatEntry } from "./entry_text.ts";

/** Octets of head and body together up to which a message is small, and goes to a segment. */
export const SMALL_MESSAGE: number = 256 * 1024;

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

/** A record that has no place yet. */
export interface SegmentRecord {
  /** All that follows the marker. */
  readonly payload: Uint8Array;
  /** The messages in it. */
  readonly parts: readonly PartLengths[];
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

/**
 * The record of some messages; `null` when they are too much for one, or one of them is not small.
 * Reads their bodies.
 *
 * @throws {RangeError} when a body is not as long as its source says; and what reading it throws.
 */
export async function buildRecord(messages: readonly NewMessage[]): Promise<SegmentRecord | null> {
  const lines: Uint8Array[] = [];
  const parts: PartLengths[] = [];
  let length = 0;
  for (const { entry, source } of messages) {
    const { head, bodySize } = source;
    if (head.length + bodySize > SMALL_MESSAGE) return null;
    const line = encode(formatEntry(entry));
    if (line.length > SMALL_ENTRY) return null;
    const part = { entry: line.length, head: head.length, body: bodySize };
    lines.push(line);
    parts.push(part);
    length += partLength(part);
    if (length > LONGEST_RECORD || parts.length * 26 > LONGEST_MARKER - 100) return null;
  }
  const payload = new Uint8Array(length);
  let at = 0;
  for (const [index, { entry, source }] of messages.entries()) {
    at = await writePart(payload, at, lines[index]!, entry, source);
  }
  return { payload, parts };
}

async function writePart(
  payload: Uint8Array,
  start: number,
  line: Uint8Array,
  { id }: QueueEntry,
  source: NewMessage["source"],
): Promise<number> {
  const { head, bodySize } = source;
  let at = start;
  payload.set(line, at);
  at += line.length;
  payload[at++] = LF;
  payload.set(head, at);
  at += head.length;
  payload[at++] = 0x0d;
  payload[at++] = LF;
  const end = at + bodySize;
  for await (const chunk of source.openBody()) {
    if (at + chunk.length > end) throw wrongSize(id, bodySize);
    payload.set(chunk, at);
    at += chunk.length;
  }
  if (at !== end) throw wrongSize(id, bodySize);
  payload[at++] = LF;
  return at;
}

function wrongSize(id: string, size: number): RangeError {
  return new RangeError(`the body of ${id} is not of the ${size} octets it should have`);
}

/** The marker line of a record at a place of a segment. */
export function formatMarker(nonce: string, place: number, record: SegmentRecord): Uint8Array {
  let lengths = "";
  for (const { entry, head, body } of record.parts) lengths += ` ${entry}+${head}+${body}`;
  const sum = checksum(record.payload, place, lengths).toString(16).padStart(8, "0");
  return encode(`record ${nonce} ${place} crc32=${sum}${lengths}\n`);
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
  let lengths = "";
  for (const { entry, head, body } of marker.parts) lengths += ` ${entry}+${head}+${body}`;
  return payload.length === marker.payload &&
    checksum(payload, place, lengths) === marker.checksum;
}

/** Over the payload and what the marker says of it. */
function checksum(payload: Uint8Array, place: number, lengths: string): number {
  return crc32(encode(`${place}${lengths}`), crc32(payload));
}
