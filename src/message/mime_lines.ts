/**
 * Cuts a body, as it streams, into lines for those who look for boundaries (RFC 2046 §5.1.1): only CRLF
 * ends a line. A line without end is handed on in pieces, so that memory stays bounded.
 *
 * @module
 */

import { concat } from "../bytes.ts";

/** Lines of up to so many octets, CRLF counted, always come in one piece. */
export const WHOLE_LINE = 1000;

const CR = 0x0d;
const LF = 0x0a;

/**
 * Gets a line or a piece of one.
 *
 * @param piece valid during the call.
 * @param starts whether it begins the line. @param ends whether it is the last of the line, CRLF included.
 */
export type PieceSink = (piece: Uint8Array, starts: boolean, ends: boolean) => void;

/**
 * Splits one body.
 *
 * @example
 * ```ts
 * import { LineSplitter } from "./mime_lines.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines: string[] = [];
 * const splitter = new LineSplitter((piece) => lines.push(decode(piece)));
 * splitter.write(encode("one\r"));
 * splitter.write(encode("\ntwo"));
 * splitter.end();
 * assertEquals(lines, ["one\r\n", "two"]);
 * ```
 */
export class LineSplitter {
  readonly #sink: PieceSink;
  /** The beginning of a line, or of what is left of a long one. */
  #kept: Uint8Array = new Uint8Array();
  #atStart = true;

  /** A splitter for one body. @param sink gets the pieces, in order, none of them empty. */
  constructor(sink: PieceSink) {
    this.#sink = sink;
  }

  /** The next octets. */
  write(chunk: Uint8Array): void {
    let start = 0;
    for (let lf = chunk.indexOf(LF); lf !== -1; lf = chunk.indexOf(LF, lf + 1)) {
      const before = lf > start ? chunk[lf - 1] : this.#kept.at(-1);
      if (before !== CR) continue;
      this.#give(this.#withKept(chunk.subarray(start, lf + 1)), true);
      start = lf + 1;
    }
    const rest = this.#withKept(chunk.subarray(start));
    if (rest.length <= WHOLE_LINE) {
      this.#kept = rest.slice();
      return;
    }
    const end = rest.at(-1) === CR ? rest.length - 1 : rest.length; // its LF may follow
    this.#give(rest.subarray(0, end), false);
    this.#kept = rest.slice(end);
  }

  /** The body is over: what was kept is its last line. */
  end(): void {
    if (this.#kept.length > 0) this.#give(this.#withKept(new Uint8Array()), false);
  }

  #withKept(octets: Uint8Array): Uint8Array {
    if (this.#kept.length === 0) return octets;
    const joined = octets.length === 0 ? this.#kept : concat([this.#kept, octets]);
    this.#kept = new Uint8Array();
    return joined;
  }

  #give(piece: Uint8Array, ends: boolean): void {
    const starts = this.#atStart;
    this.#atStart = ends;
    this.#sink(piece, starts, ends);
  }
}
