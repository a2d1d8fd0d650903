/**
 * The inner scan of the DATA decoder: takes out the dots that the client stuffed, in place, finds the
 * end of the message and notices CR and LF that stand alone, all in one pass over one read.
 *
 * It is a plain function of octets and a state of five values, so that another with the same signature
 * can stand in for it: `simd_scan.ts` does where it can, and leaves all that is not plain to this one, which
 * is the reference. The decoder around it does everything else. It cannot fail.
 *
 * @module
 */

import { CR, DOT, LF, skipText, viewOf } from "./text_scan.ts";

/** Within a line. */
export const IN_TEXT = 0;
/** After a CR that may begin a CRLF. */
export const AFTER_CR = 1;
/** After CRLF, or where the message begins: here a dot is transparency or the end. */
export const AT_LINE_START = 2;
/** After a dot that began a line; it was taken out. */
export const AFTER_DOT = 3;
/** After such a dot and a CR, which is kept back: with LF it is the end, else content. */
export const AFTER_DOT_CR = 4;
/** After the CRLF of the dot that stood alone in its line. */
export const AT_END = 5;

/** What came before the next octet. */
export type DataState =
  | typeof IN_TEXT
  | typeof AFTER_CR
  | typeof AT_LINE_START
  | typeof AFTER_DOT
  | typeof AFTER_DOT_CR
  | typeof AT_END;

/** What a scan goes on from and what it found. One is made for each decoder and used again. */
export interface DataScan {
  /** In: where the scan before ended, never {@link AFTER_DOT_CR} or {@link AT_END}. Out: where this one did. */
  state: DataState;
  /** Set when a CR was seen that no LF follows, or an LF that no CR precedes. Never cleared by a scan. */
  bare: boolean;
  /** Out: the first octet not read. It is `to`, less where a scanner reads so much at once only, or what follows the end. */
  read: number;
  /** Out: content is `bytes[start..end)`. */
  start: number;
  /** Out: see `start`. */
  end: number;
}

/** Reads `bytes[from..to)`; the octets from `from` to `scan.read` are the scanner's to move about. */
export type DataScanner = (bytes: Uint8Array, from: number, to: number, scan: DataScan) => void;

/**
 * The scanner in TypeScript.
 *
 * Only CRLF ends a line, and only CRLF "." CRLF ends the message (RFC 5321 §4.1.1.4): whoever takes a
 * bare LF or CR for a line end in either place lets one message carry a second one past a server that
 * read it otherwise (SMTP smuggling). Content between two dots is moved down over the first of them,
 * so that however many dots a read holds it yields one piece.
 */
export function scanData(bytes: Uint8Array, from: number, to: number, scan: DataScan): void {
  scan.read = scan.start = scan.end = from;
  resumeScan(bytes, to, scan);
}

/** Goes on to `to` with a scan that has read to `scan.read` and found the content `bytes[scan.start..scan.end)`. */
export function resumeScan(bytes: Uint8Array, to: number, scan: DataScan): void {
  const view = viewOf(bytes);
  let { state, bare, read: at, start, end } = scan; // content so far is bytes[start..end)
  let run = at; // and bytes[run..at), which has not been moved down to `end` yet
  while (at < to) {
    if (state === IN_TEXT) {
      at = skipText(bytes, view, at, to);
      if (at === to) break;
      if (at + 4 <= to) { // the usual line end, without going octet by octet
        const word = view.getInt32(at, true);
        if ((word & 0xffff) === 0x0a0d) {
          if ((word & 0xff0000) !== 0x2e0000) {
            at += 2;
            continue;
          }
          if (word >>> 24 !== CR) {
            at += 2;
            end = moveDown(bytes, view, end, run, at);
            run = ++at;
            continue;
          }
        }
      }
    }
    const octet = bytes[at++];
    if (octet === LF) {
      if (state === AFTER_DOT_CR) {
        state = AT_END;
        break;
      }
      if (state === AFTER_CR) {
        state = AT_LINE_START;
      } else {
        bare = true;
        state = IN_TEXT;
      }
      continue;
    }
    if (state === AFTER_CR || state === AFTER_DOT_CR) bare = true;
    if (octet === CR) {
      state = state === AFTER_DOT ? AFTER_DOT_CR : AFTER_CR;
    } else if (octet === DOT && state === AT_LINE_START) {
      end = moveDown(bytes, view, end, run, at - 1);
      run = at;
      if (end === start) start = end = run; // nothing to join it to: let the piece begin here
      state = AFTER_DOT;
    } else {
      state = IN_TEXT;
    }
  }
  // The CR after a dot stays out: it is the decoder's to give should no LF follow.
  if (state < AFTER_DOT_CR) end = moveDown(bytes, view, end, run, at);
  scan.state = state;
  scan.bare = bare;
  scan.read = at;
  scan.start = start;
  scan.end = end;
}

/** From this length on the engine's own move is faster than the loop. */
const LONG_RUN = 96;

/** Moves `bytes[from..to)` down to `into`, which is not above `from`; gives one past its last octet there. */
function moveDown(
  bytes: Uint8Array,
  view: DataView,
  into: number,
  from: number,
  to: number,
): number {
  const end = into + (to - from);
  if (into === from) return end;
  if (to - from >= LONG_RUN) {
    bytes.copyWithin(into, from, to);
    return end;
  }
  let at = from;
  for (const safe = to - 8; at <= safe; at += 8) {
    view.setInt32(into, view.getInt32(at, true), true);
    view.setInt32(into + 4, view.getInt32(at + 4, true), true);
    into += 8;
  }
  while (at < to) bytes[into++] = bytes[at++]!;
  return end;
}
