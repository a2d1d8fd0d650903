/**
 * Reads a segment from its beginning, as a start does after a crash: the records in it, and what is none.
 *
 * An invalid record is a torn tail, of which nobody was told that it is safe, when no valid one follows. Else
 * it may have been damaged later (or what came behind it reached the disk before a crash, and it did not: nobody can
 * tell): its range is reported, and reading goes on at the next record. The next record is found by its marker, which
 * nothing but a record of this segment can hold, and only at its own place.
 *
 * What fails: what the disk says.
 *
 * @module
 */

import { decode, decodeStrict } from "../../bytes.ts";
import type { FileWindow } from "./file_window.ts";
import { parseSegmentHeader } from "./segment.ts";
import {
  isIntact,
  LONGEST_MARKER,
  type Marker,
  markerStart,
  parseMarker,
} from "./segment_record.ts";

/** What lies at a place of a segment. */
export type SegmentFinding =
  | {
    readonly kind: "record";
    /** The place of the first octet after the marker. */
    readonly place: number;
    readonly marker: Marker;
    /** All that follows the marker; valid until the next finding is asked for. */
    readonly payload: Uint8Array;
  }
  /** Not as it was written, though records follow: from the first octet to after the last. */
  | { readonly kind: "damaged"; readonly from: number; readonly to: number };

/** Octets of the first line of a segment at most. */
const LONGEST_HEADER = 256;

/** Octets searched at once. */
const SEARCHED = 256 * 1024;

/** The first line of a segment: what it says, and its octets; `null` where it cannot be read. */
export async function readSegmentHeader(
  window: FileWindow,
): Promise<{ readonly nonce: string; readonly opened: number; readonly length: number } | null> {
  const octets = await window.octets(0, LONGEST_HEADER);
  const end = octets.indexOf(0x0a);
  const header = parseSegmentHeader(decodeStrict(octets.subarray(0, Math.max(0, end))) ?? "");
  return header && { ...header, length: end + 1 };
}

/** What a marker of any segment begins with. */
const ANY_START = /^record ([0-9a-f]{32}) /;

/**
 * The nonce of a segment, where that in its first line may be damaged: there is no record of that one, and behind the
 * first line stands a whole one of another, which then counts. (What stands there was written by us; a mail has no say
 * in it.) `null` where there is neither, though what stands there is something else than the beginning of a record that
 * was never finished.
 *
 * @param start the end of the first line.
 */
export async function trueNonce(
  window: FileWindow,
  nonce: string,
  start: number,
): Promise<string | null> {
  const octets = await window.octets(start, LONGEST_MARKER);
  const [, other] = ANY_START.exec(decode(octets.subarray(0, 40))) ?? [];
  if (octets.length === 0 || other === nonce) return nonce;
  const found = other !== undefined && await readRecord(window, other, start) !== null;
  if (await findRecord(window, nonce, start) !== null) return nonce;
  return found ? other : null;
}

/** The records of a segment from `start` on, the end of its first line, and the damages between them. */
export async function* readSegment(
  window: FileWindow,
  nonce: string,
  start: number,
): AsyncGenerator<SegmentFinding> {
  for (let at: number | null = start; at !== null;) {
    const record: RecordFinding | null = await readRecord(window, nonce, at);
    if (record === null) {
      const next = await findRecord(window, nonce, at + 1);
      if (next !== null) yield { kind: "damaged", from: at, to: next };
      at = next;
    } else {
      yield record;
      at = record.place + record.marker.payload;
    }
  }
}

type RecordFinding = Extract<SegmentFinding, { kind: "record" }>;

async function readRecord(
  window: FileWindow,
  nonce: string,
  at: number,
): Promise<RecordFinding | null> {
  const marker = parseMarker(await window.octets(at, LONGEST_MARKER), nonce, at);
  if (marker === null) return null;
  const place = at + marker.length;
  const payload = await window.octets(place, marker.payload);
  return isIntact(marker, at, payload) ? { kind: "record", place, marker, payload } : null;
}

/** The place of the next valid record, `null` where none follows. */
async function findRecord(
  window: FileWindow,
  nonce: string,
  from: number,
): Promise<number | null> {
  const start = markerStart(nonce);
  for (let at = from;;) {
    const octets = await window.octets(at, SEARCHED);
    const found = indexOf(octets, start);
    if (found !== -1) {
      at += found;
      if (await readRecord(window, nonce, at) !== null) return at;
      at++;
    } else if (octets.length < SEARCHED) {
      return null;
    } else {
      // The beginning of a marker may be the end of what was searched.
      at += octets.length - start.length + 1;
    }
  }
}

function indexOf(octets: Uint8Array, wanted: Uint8Array): number {
  const last = octets.length - wanted.length;
  for (let at = octets.indexOf(wanted[0]!); at !== -1 && at <= last;) {
    let same = 1;
    while (same < wanted.length && octets[at + same] === wanted[same]) same++;
    if (same === wanted.length) return at;
    at = octets.indexOf(wanted[0]!, at + 1);
  }
  return -1;
}
