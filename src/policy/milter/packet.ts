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

/** Octets of a body in one packet (MILTER_CHUNK_SIZE). */
export const BODY_CHUNK = 65_535;

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
  /** The most octets a packet may have, its kind included. */
  limit: number;
  readonly #chunks: Uint8Array[] = [];
  #held = 0;
  #length: number | null = null;

  /** Nothing has come yet. @param limit see {@link MilterPacketDecoder.limit}. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Whether something has come that was not asked for yet. */
  get pending(): boolean {
    return this.#held > 0 || this.#length !== null;
  }

  /** Octets as they came; they are copied. */
  receive(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes.slice());
    this.#held += bytes.length;
  }

  /** The next packet; `null` when it is not whole yet; a text that says why there will never be one. */
  next(): MilterPacket | string | null {
    if (this.#length === null) {
      if (this.#held < LENGTH) return null;
      const lead = this.#take(LENGTH);
      this.#length = new DataView(lead.buffer, lead.byteOffset).getUint32(0);
    }
    if (this.#length === 0) return "a packet of no length";
    if (this.#length > this.limit) {
      return `a packet of ${this.#length} octets, ${this.limit} at most`;
    }
    if (this.#held < this.#length) return null;
    const packet = this.#take(this.#length);
    this.#length = null;
    return { kind: String.fromCharCode(packet[0]!), data: packet.subarray(1) };
  }

  /** So many octets, which are there. */
  #take(length: number): Uint8Array {
    const first = this.#chunks[0]!;
    const whole = first.length >= length ? first : concat(this.#chunks.splice(0));
    if (whole !== first) this.#chunks.push(whole);
    if (whole.length === length) this.#chunks.shift();
    else this.#chunks[0] = whole.subarray(length);
    this.#held -= length;
    return whole.subarray(0, length);
  }
}
