/**
 * CRLF line ends to the LF of files on disk, so that whoever turns LF back into CRLF (Dovecot, Courier)
 * gives the octets that came, one for one. That reader puts a CR before each LF that has none; hence a
 * CRLF that follows another CR keeps its own, and only a bare LF, which no such reader can give back,
 * comes out as CRLF. Pure; nothing fails.
 *
 * @module
 */

import { MOST_AT_ONCE, type UnixLines, unixLines } from "./unix_lines.ts";

const CR = 0x0d;
const LF = 0x0a;
/** From this length on the detour over WebAssembly is the shorter way. */
const LONG = 128;

/** One message on its way to LF line ends, chunk by chunk. */
export class UnixLineEncoder {
  readonly #lines: UnixLines | null;
  /** The last octet read, and the one before it. */
  #last = 0;
  #before = 0;
  #virtualSize = 0;

  /** Of one message. @param lines the fast loop; `null` for octet by octet. Both do the same. */
  constructor(lines: UnixLines | null = unixLines()) {
    this.#lines = lines;
  }

  /** Octets a reader with CRLF line ends will see. */
  get virtualSize(): number {
    return this.#virtualSize;
  }

  /**
   * Writes `from` into `into` beginning at `at`, where there must be room for one octet more than `from`
   * has. Gives how many were written. A CR at the end is held back until what follows is known.
   */
  encodeInto(from: Uint8Array, into: Uint8Array, at: number): number {
    if (this.#lines === null || from.length < LONG) return this.#encodeEach(from, into, at);
    let to = at;
    for (let start = 0; start < from.length; start += MOST_AT_ONCE) {
      const whole = from.length <= MOST_AT_ONCE;
      const part = whole ? from : from.subarray(start, start + MOST_AT_ONCE);
      to += this.#encodePart(this.#lines, part, into, to);
    }
    return to - at;
  }

  #encodePart(lines: UnixLines, from: Uint8Array, into: Uint8Array, at: number): number {
    const counts = { bare: 0 };
    const encoded = lines(from, this.#before, this.#last, counts);
    this.#before = from.length > 1 ? from[from.length - 2]! : this.#last;
    this.#last = from[from.length - 1]!;
    this.#virtualSize += from.length + counts.bare;
    into.set(encoded, at);
    return this.#last === CR ? encoded.length - 1 : encoded.length;
  }

  #encodeEach(from: Uint8Array, into: Uint8Array, at: number): number {
    let to = at;
    let bare = 0;
    let last = this.#last;
    let before = this.#before;
    if (last === CR) into[to++] = CR;
    for (let i = 0; i < from.length; i++) {
      const octet = from[i] as number;
      if (octet === LF) {
        if (last !== CR) bare++;
        else if (before !== CR) to--;
      }
      into[to++] = octet;
      before = last;
      last = octet;
    }
    if (last === CR) to--;
    this.#last = last;
    this.#before = before;
    this.#virtualSize += from.length + bare;
    return to - at;
  }

  /** Writes what is still held back, at most one octet; gives how many were written. */
  end(into: Uint8Array, at: number): number {
    if (this.#last !== CR) return 0;
    this.#last = 0;
    into[at] = CR;
    return 1;
  }
}
