/**
 * Encodes a message for DATA: doubles the dot that begins a line, ends the last line should it not be
 * ended, and closes with CRLF "." CRLF (RFC 5321 §4.5.2, §4.1.1.4), in any split.
 *
 * A bare CR or LF must not go out: a next hop that takes it for a line end would see `LF . LF` in the
 * middle of a message as its end and read what follows as commands in our name. So it is refused, or made
 * CRLF before dots are looked for. Nothing is thrown.
 *
 * @module
 */

import type { Cursor } from "./cursor.ts";
import { skipPlain } from "./simd_text.ts";
import { CR, DOT, LF, skipText, viewOf } from "./text_scan.ts";

/** What the encoder gives. */
export type EncodeResult =
  /** Octets for the wire, never none; the view holds until the next call. */
  | { readonly type: "bytes"; readonly bytes: Uint8Array }
  /** The message has a bare CR or LF and is refused: break off, do not end it. Said again and again. */
  | { readonly type: "bare-newline" };

/** What ends a message, by what its last octet was. */
const ENDS: Readonly<Record<"text" | "cr" | "line start", EncodeResult>> = {
  "line start": { type: "bytes", bytes: Uint8Array.of(DOT, CR, LF) },
  "text": { type: "bytes", bytes: Uint8Array.of(CR, LF, DOT, CR, LF) },
  "cr": { type: "bytes", bytes: Uint8Array.of(LF, DOT, CR, LF) },
};

const BARE_NEWLINE: EncodeResult = { type: "bare-newline" };

/** How an encoder is to work. */
export interface DataEncoderOptions {
  /** What becomes of bare CR and LF. */
  readonly newlines: "refuse" | "normalize";
}

/** Octets of a stretch from which on it goes out as a view; shorter ones are gathered into one buffer. */
const DIRECT = 1024;
/** The size of that buffer, in octets; it is made when first needed. */
const BUFFER = 16384;
/** Octets looked at one by one before, and after, a stretch is passed over in blocks. */
const BY_HAND = 128;
/** Octets that are passed over at most at first; twice as many as were passed over already later. */
const WINDOW = 16_384;
/** CR and LF as one number. */
const CRLF = 0x0d0a;
/** `#insert` when nothing is to be inserted. */
const NOTHING = -1;

/**
 * The incremental encoder for DATA.
 *
 * @example
 * ```ts
 * import { DataEncoder } from "./data_encoder.ts";
 * import { cursorOver } from "./cursor.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const encoder = new DataEncoder({ newlines: "refuse" });
 * const cursor = cursorOver(encode("Hello\r\n.signed"));
 * let wire = "";
 * for (let result; (result = encoder.next(cursor)) !== null;) {
 *   if (result.type === "bytes") wire += decode(result.bytes);
 * }
 * const last = encoder.finish();
 * if (last.type === "bytes") wire += decode(last.bytes);
 * assertEquals(wire, "Hello\r\n..signed\r\n.\r\n");
 * ```
 */
export class DataEncoder {
  readonly #refuse: boolean;
  #refused = false;
  /** What came before the octet that {@link DataEncoder.#scan} goes on with. */
  #state: "text" | "cr" | "line start" = "line start";
  /** Octets at the cursor that go as they are, already scanned. */
  #plain = 0;
  /** The octet to insert after them. */
  #insert = NOTHING;
  #buffer: Uint8Array | null = null;

  /** Made to stand before the first octet of a message. */
  constructor(options: DataEncoderOptions) {
    this.#refuse = options.newlines === "refuse";
  }

  /** The next octets for the wire, or `null` when the cursor is used up. */
  next(cursor: Cursor): EncodeResult | null {
    let filled = 0;
    while (cursor.at < cursor.end) {
      if (this.#plain === 0 && this.#insert === NOTHING) {
        if (this.#refused) break;
        this.#scan(cursor);
      }
      if (filled === 0 && this.#goesDirect(cursor)) return this.#direct(cursor);
      const buffer = this.#buffer ??= new Uint8Array(BUFFER);
      const length = Math.min(this.#plain, BUFFER - filled);
      copy(cursor.bytes, cursor.at, length, buffer, filled);
      filled += length;
      cursor.at += length;
      this.#plain -= length;
      if (filled === BUFFER) break;
      if (this.#insert !== NOTHING) buffer[filled++] = this.#insert;
      this.#insert = NOTHING;
    }
    if (filled > 0) return { type: "bytes", bytes: this.#buffer!.subarray(0, filled) };
    return this.#refused ? BARE_NEWLINE : null;
  }

  /** The message is whole: ends its last line if need be, and the message. To be called once. */
  finish(): EncodeResult {
    if (this.#refused || (this.#refuse && this.#state === "cr")) {
      this.#refused = true;
      return BARE_NEWLINE;
    }
    return ENDS[this.#state];
  }

  #goesDirect(cursor: Cursor): boolean {
    return this.#plain >= DIRECT || (this.#plain > 0 && this.#plain === cursor.end - cursor.at);
  }

  #direct(cursor: Cursor): EncodeResult {
    const bytes = cursor.bytes.subarray(cursor.at, cursor.at + this.#plain);
    cursor.at += this.#plain;
    this.#plain = 0;
    return { type: "bytes", bytes };
  }

  /** Finds how many octets go as they are, and the octet that has to come before the one after them. */
  #scan(cursor: Cursor): void {
    const { bytes, at: from, end } = cursor;
    const view = viewOf(bytes);
    let state = this.#state;
    let at = from;
    // A long stretch in which there is nothing to do is passed over faster.
    let simd = from + BY_HAND;
    for (; at < end; at++) {
      if (at >= simd && state !== "cr") {
        const most = Math.min(end, at + Math.max(WINDOW, at - from));
        const passed = skipPlain(bytes, at, most, state === "line start");
        if (passed > at) state = stateBefore(bytes, at = passed);
        simd = passed > most - 16 ? at : at + BY_HAND;
        if (at === end) break;
      }
      if (state === "text") {
        at = skipText(bytes, view, at, end);
        if (at === end) break;
        // the usual line end, without going octet by octet
        if (at + 3 <= end && view.getUint16(at) === CRLF && bytes[at + 2] !== DOT) {
          at++;
          continue;
        }
      }
      const octet = bytes[at];
      if (state === "cr" && octet !== LF) {
        state = this.#mend(LF, "line start");
        break;
      }
      if (octet === LF) {
        if (state !== "cr") {
          state = this.#mend(CR, "cr");
          break;
        }
        state = "line start";
      } else if (octet === DOT && state === "line start") {
        this.#insert = DOT;
        state = "text"; // the dot that is there is text now
        break;
      } else {
        state = octet === CR ? "cr" : "text";
      }
    }
    this.#state = state;
    this.#plain = at - from;
  }

  /** At a bare newline: has the missing octet inserted, or refuses; gives the state after that. */
  #mend(missing: number, then: "cr" | "line start"): "cr" | "line start" {
    if (this.#refuse) this.#refused = true;
    else this.#insert = missing;
    return then;
  }
}

/** What the last octet before `at` leaves one in, where no LF stands alone. */
function stateBefore(bytes: Uint8Array, at: number): "text" | "cr" | "line start" {
  const last = bytes[at - 1];
  return last === CR ? "cr" : last === LF ? "line start" : "text";
}

/** Copies octets; a short stretch by hand, since a view for each would cost more than the copying. */
function copy(from: Uint8Array, at: number, length: number, to: Uint8Array, into: number): void {
  if (length > 96) to.set(from.subarray(at, at + length), into);
  else for (let i = 0; i < length; i++) to[into + i] = from[at + i]!;
}
