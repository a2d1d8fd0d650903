/**
 * The packets of the milter protocol (version 6, as sendmail's libmilter and Postfix speak it): four octets of length,
 * big-endian, then so many octets, of which the first says what it is. Pure.
 *
 * A filter is a program of the operator's, but it may be ill, or not be a filter at all: nothing is read that is
 * longer than the caller allows, and memory is taken for what has come, not for what was announced.
 *
 * @module
 */

import { concat, encode } from "../../bytes.ts";

/** What a server says (mfdef.h of libmilter, SMFIC_). */
export const COMMANDS = {
  abort: "A",
  body: "B",
  connect: "C",
  macro: "D",
  endOfMessage: "E",
  hello: "H",
  quitNewConnection: "K",
  header: "L",
  mail: "M",
  endOfHeaders: "N",
  negotiate: "O",
  quit: "Q",
  recipient: "R",
  data: "T",
  unknown: "U",
} as const;

/** Octets behind the kind that every filter takes (MILTER_MAX_DATA_SIZE). */
export const MAX_DATA = 65_535;
/** Octets of a body in one packet (MILTER_CHUNK_SIZE). */
export const BODY_CHUNK: number = MAX_DATA;

/** One packet. */
export interface MilterPacket {
  /** The octet that says what it is, as a character. */
  readonly kind: string;
  /** What follows it. */
  readonly data: Uint8Array;
}

/** Octets of the length. */
const LENGTH = 4;

/**
 * The octets of a packet; texts are sent as C strings, a NUL behind them and none in them.
 *
 * @example
 * ```ts
 * import { formatPacket } from "./packet.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatPacket("H", "mail.example.org"), encode("\0\0\0\x12Hmail.example.org\0"));
 * ```
 */
export function formatPacket(kind: string, ...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const octets = parts.map((part) => typeof part === "string" ? formatString(part) : part);
  const length = octets.reduce((sum, part) => sum + part.length, 1);
  const lead = new Uint8Array(LENGTH + 1);
  new DataView(lead.buffer).setUint32(0, length);
  lead[LENGTH] = kind.charCodeAt(0);
  return concat([lead, ...octets]);
}

/** A text as a C string. A NUL in it would hide the rest from the filter, and not from the recipient. */
function formatString(text: string): Uint8Array {
  return encode(`${text.replaceAll("\0", "?")}\0`);
}

/** Takes packets apart, however their octets come. */
export class MilterPacketDecoder {
  readonly #limit: number;
  readonly #inPieces: string;
  #buffer = new Uint8Array(0);
  /** What is held: from here … */
  #start = 0;
  /** … to here. */
  #end = 0;
  /** Octets that are still to come of a packet that is given in pieces, and its kind. */
  #rest = 0;
  #kind = "";

  /**
   * Nothing has come yet.
   *
   * @param limit the most octets a packet may have, its kind included.
   * @param inPieces a kind of which each packet may be of any length, and is given as several, as its octets come.
   */
  constructor(limit: number, inPieces = "") {
    this.#limit = limit;
    this.#inPieces = inPieces;
  }

  /** Whether something has come that was not asked for yet. */
  get pending(): boolean {
    return this.#held > 0 || this.#rest > 0;
  }

  /** Octets as they came; they are copied. */
  receive(bytes: Uint8Array): void {
    const held = this.#held;
    if (this.#end + bytes.length > this.#buffer.length) {
      const buffer = held + bytes.length <= this.#buffer.length
        ? this.#buffer
        : new Uint8Array(Math.max(2 * held, held + bytes.length));
      buffer.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = buffer;
      this.#start = 0;
      this.#end = held;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** The next packet; `null` when it is not whole yet; a text that says why there will never be one. */
  next(): MilterPacket | string | null {
    if (this.#rest > 0) return this.#held === 0 ? null : this.#piece();
    if (this.#held < LENGTH) return null;
    const length = new DataView(this.#buffer.buffer, this.#start).getUint32(0);
    if (length === 0) return "a packet of no length";
    const kind = this.#held > LENGTH
      ? String.fromCharCode(this.#buffer[this.#start + LENGTH]!)
      : "";
    if (length > 1 && this.#inPieces !== "" && (kind === this.#inPieces || kind === "")) {
      if (kind === "") return null;
      this.#take(LENGTH + 1);
      this.#kind = kind;
      this.#rest = length - 1;
      return this.next();
    }
    if (length > this.#limit) return `a packet of ${length} octets, ${this.#limit} at most`;
    if (this.#held < LENGTH + length) return null;
    return { kind, data: this.#take(LENGTH + length).slice(LENGTH + 1) };
  }

  get #held(): number {
    return this.#end - this.#start;
  }

  #piece(): MilterPacket {
    const length = Math.min(this.#rest, this.#held);
    this.#rest -= length;
    return { kind: this.#kind, data: this.#take(length).slice() };
  }

  /** So many octets, which are there; a view until more are received. */
  #take(length: number): Uint8Array {
    const taken = this.#buffer.subarray(this.#start, this.#start + length);
    this.#start += length;
    if (this.#held > 0) return taken;
    // What was needed once is not kept while a session is idle.
    if (this.#buffer.length > KEPT) this.#buffer = new Uint8Array(0);
    this.#start = this.#end = 0;
    return taken;
  }
}

/** Octets of a buffer that is kept. */
const KEPT = 8192;
