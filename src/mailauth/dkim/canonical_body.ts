/**
 * Message bodies as DKIM and ARC hash them (RFC 6376 §3.4.3, §3.4.4), while they stream: chunks in, octets of the
 * canonical body out. Empty lines are counted until it is known that more follows, so that nothing is buffered,
 * however many there are.
 *
 * A line ends with CRLF; CR or LF alone, which a body with BINARYMIME can have, is text. Nothing fails.
 *
 * @module
 */

import { isBlank, SPACE } from "./canonical_blanks.ts";
import type { Canonicalization } from "./canonical_field.ts";
import { blankMemory } from "./simd_blanks.ts";

const LF = 0x0a;
const CR = 0x0d;

/** What is held back of a relaxed line, at most. */
const SPACE_CR = new Uint8Array([SPACE, CR]);
/** Many line ends. */
const lineEnds = new Uint8Array(4096).map((_, index) => index % 2 === 0 ? CR : LF);

/** Takes octets of the canonical body. The view is not to be kept. */
export type OctetSink = (octets: Uint8Array) => void;

/**
 * One body on its way to one canonical form.
 *
 * @example
 * ```ts
 * import { CanonicalBody } from "./canonical_body.ts";
 * import { decode, encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 6376 §3.4.5
 * let text = "";
 * const body = new CanonicalBody("relaxed", (octets) => text += decode(octets));
 * for (const chunk of [" C \r\nD \t", " E\r\n\r", "\n\r\n"]) body.write(encode(chunk));
 * body.end();
 * assertEquals(text, " C\r\nD E\r\n");
 * ```
 */
export class CanonicalBody {
  readonly #relaxed: boolean;
  readonly #sink: OctetSink;
  /** Relaxed: of a space (1), or a space and a CR (2), what follows decides whether it is in the line. */
  #blank: 0 | 1 | 2 = 0;
  /** Line ends that are not passed on yet: there the body may end. */
  #lines = 0;
  /** A CR behind those. */
  #cr = false;
  /** Whether the sink was given anything. */
  #begun = false;

  /** @param sink is given all octets, in pieces of any length. */
  constructor(canonicalization: Canonicalization, sink: OctetSink) {
    this.#relaxed = canonicalization === "relaxed";
    this.#sink = sink;
  }

  /** Takes a piece of the body. The view is not kept. */
  write(chunk: Uint8Array): void {
    if (this.#relaxed) this.#reduce(chunk);
    else this.#pass(chunk);
  }

  /** The end of the body. */
  end(): void {
    if (this.#blank === 2) this.#pass(SPACE_CR);
    if (this.#cr) this.#passHeld();
    // RFC 6376 §3.4.3: no body is a line end; §3.4.4: no body is nothing.
    if (this.#begun || !this.#relaxed) this.#sink(lineEnds.subarray(0, 2));
  }

  #reduce(chunk: Uint8Array): void {
    const { octets, size, reduce } = blankMemory();
    for (let from = 0; from < chunk.length;) {
      const start = this.#blank;
      octets.set(SPACE_CR);
      const whole = from === 0 && chunk.length <= size - start;
      const part = whole ? chunk : chunk.subarray(from, from + size - start);
      octets.set(part, start);
      from += part.length;
      let end = start + part.length;
      this.#blank = blankAtEnd(octets, end);
      if (this.#blank === 2) end--;
      this.#pass(octets.subarray(0, reduce(octets, end, this.#blank === 0 ? 0 : SPACE)));
    }
  }

  /** Passes octets on, but for the line ends behind them. */
  #pass(octets: Uint8Array): void {
    if (octets.length === 0) return;
    let start = 0;
    if (this.#cr) {
      if (octets[0] === LF) {
        this.#cr = false;
        this.#lines++;
        start = 1;
      } else {
        this.#passHeld();
      }
    }
    let end = octets.length;
    const cr = end > start && octets[end - 1] === CR;
    if (cr) end--;
    let lines = 0;
    while (end - start >= 2 && octets[end - 1] === LF && octets[end - 2] === CR) {
      end -= 2;
      lines++;
    }
    if (end > start) {
      this.#passHeld();
      this.#begun = true;
      this.#sink(octets.subarray(start, end));
    }
    this.#lines += lines;
    this.#cr = cr;
  }

  /** Passes on the line ends that were held back, and a CR behind them. */
  #passHeld(): void {
    while (this.#lines > 0) {
      const lines = Math.min(this.#lines, lineEnds.length / 2);
      this.#sink(lineEnds.subarray(0, lines * 2));
      this.#lines -= lines;
    }
    if (!this.#cr) return;
    this.#cr = false;
    this.#begun = true;
    this.#sink(SPACE_CR.subarray(1));
  }
}

/** How `octets[0..end)` ends: in white space (1), in white space and a CR (2), or in text. */
function blankAtEnd(octets: Uint8Array, end: number): 0 | 1 | 2 {
  if (isBlank(octets[end - 1])) return 1;
  return octets[end - 1] === CR && isBlank(octets[end - 2]) ? 2 : 0;
}
