/**
 * Splits a message, as it streams in, into its head (the header section, kept in memory and bounded)
 * and its body (handed on as it comes).
 *
 * The head ends at the first empty line, which belongs to neither part, or before the first line that
 * can be neither a field nor a continuation (RFC 5322 §2.2): then there was no empty line, and the body
 * begins with that line. Either way the message is written again as head, CRLF, body. A first line
 * `From …` of a mailbox file is no field.
 *
 * Lines end with CRLF only: whoever reads the message off the wire refuses bare newlines. A head over
 * the limit is reported, not thrown, and the rest of the message is swallowed.
 *
 * @module
 */

import { concat, encode } from "../bytes.ts";

/** The greatest head that is kept, in octets. */
export const HEAD_LIMIT = 256 * 1024;

/** RFC 5322 §2.1.1. */
const LINE_LIMIT = 998;

const HT = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;
const DEL = 0x7f;

const EMPTY = new Uint8Array(0);

/** Where in a line the next octet stands. */
type Place = "line start" | "name" | "before colon" | "value" | "after CR";

/**
 * Collects the head of one message.
 *
 * @example
 * ```ts
 * import { HeadCollector } from "./head_collector.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const collector = new HeadCollector();
 * assertEquals(collector.write(encode("Subject: hi\r\n\r")), null);
 * assertEquals(decode(collector.write(encode("\nHello"))!), "Hello");
 * assertEquals(decode(collector.head), "Subject: hi\r\n");
 * ```
 */
export class HeadCollector {
  readonly #limit: number;
  #state: "collecting" | "complete" | "too-large" = "collecting";
  #place: Place = "line start";
  /** What was written, while the end is not found: one growing buffer, for clients that dribble. */
  #kept: Uint8Array = EMPTY;
  #keptLength = 0;
  /** Where the current line starts, in octets from the start of the message. */
  #lineStart = 0;
  #head: Uint8Array = EMPTY;

  /**
   * A collector for one message.
   *
   * @param limit octets the head may have.
   */
  constructor(limit = HEAD_LIMIT) {
    this.#limit = limit;
  }

  /** `complete`: {@link head} is final, all else is body. `too-large`: refuse with 552 5.3.4. */
  get state(): "collecting" | "complete" | "too-large" {
    return this.#state;
  }

  /** The fields with their line ends, without the empty line. Empty until `complete`. */
  get head(): Uint8Array {
    return this.#head;
  }

  /**
   * Takes the next octets of the message. Gives what of them is body (perhaps no octet), or `null`
   * while the head goes on or is too large. The body is a view of `chunk`; only where a line that
   * turned out not to be a field began in an earlier chunk it is a copy. Once complete, every chunk
   * comes straight back.
   */
  write(chunk: Uint8Array): Uint8Array | null {
    if (this.#state === "complete") return chunk;
    if (this.#state === "too-large") return null;
    if (this.#keptLength === 0) {
      const end = endOfWholeHead(chunk);
      if (end !== -1 && end <= this.#limit) return this.#takeWhole(chunk, end);
    }
    for (let at = 0; at < chunk.length; at++) {
      if (this.#place === "value") {
        at = chunk.indexOf(LF, at);
        if (at === -1) break;
        const previous = at > 0 ? chunk[at - 1] : this.#kept[this.#keptLength - 1];
        if (previous === CR) this.#startLine(at + 1);
        continue;
      }
      const next = this.#step(chunk[at] ?? 0);
      if (next === "blank line") return this.#finish(chunk, at + 1);
      if (next === "no field") return this.#finish(chunk, this.#lineStart - this.#keptLength);
      this.#place = next;
    }
    this.#keep(chunk);
    return this.#isTooLarge() ? this.#giveUp() : null;
  }

  /**
   * The message is over. Gives what body was still held back: the last line, where it is no field
   * and has no line end. A last field without line end gets one.
   */
  end(): Uint8Array {
    if (this.#state !== "collecting") return EMPTY;
    if (this.#place !== "value") {
      return this.#finish(EMPTY, this.#lineStart - this.#keptLength) ?? EMPTY;
    }
    this.#keep(encode("\r\n"));
    this.#head = this.#kept.subarray(0, this.#keptLength);
    this.#state = "complete";
    return EMPTY;
  }

  /** The usual case: all of the head in the first chunk. */
  #takeWhole(chunk: Uint8Array, end: number): Uint8Array {
    this.#state = "complete";
    this.#head = chunk.slice(0, end);
    return chunk.subarray(end + 2);
  }

  #keep(octets: Uint8Array): void {
    const length = this.#keptLength + octets.length;
    if (length > this.#kept.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#kept.length, 1024));
      grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(octets, this.#keptLength);
    this.#keptLength = length;
  }

  #startLine(offset: number): void {
    this.#lineStart = this.#keptLength + offset;
    this.#place = "line start";
  }

  #step(octet: number): Place | "blank line" | "no field" {
    const white = octet === SP || octet === HT;
    switch (this.#place) {
      case "line start":
        if (octet === CR) return "after CR";
        if (white && this.#lineStart > 0) return "value";
        return isNameOctet(octet) ? "name" : "no field";
      case "name":
        if (octet === COLON) return "value";
        if (white) return "before colon"; // obs-optional, RFC 5322 §4.5
        return isNameOctet(octet) ? "name" : "no field";
      case "before colon":
        if (octet === COLON) return "value";
        return white ? "before colon" : "no field";
      case "after CR":
        return octet === LF ? "blank line" : "no field";
      case "value":
        return "value";
    }
  }

  /**
   * The head ends where the current line starts, the body begins at `bodyStart` of `chunk`; negative
   * where that is in what was kept.
   */
  #finish(chunk: Uint8Array, bodyStart: number): Uint8Array | null {
    if (this.#lineStart > this.#limit) return this.#giveUp();
    this.#state = "complete";
    if (bodyStart < 0) {
      const kept = this.#kept.subarray(0, this.#keptLength);
      this.#head = kept.subarray(0, this.#lineStart);
      return concat([kept.subarray(this.#lineStart), chunk]);
    }
    if (this.#lineStart > this.#keptLength) {
      this.#keep(chunk.subarray(0, this.#lineStart - this.#keptLength));
    }
    this.#head = this.#kept.subarray(0, this.#lineStart);
    return chunk.subarray(bodyStart);
  }

  /**
   * A line that may yet turn out to be body, or the empty line, does not count; but what does not come
   * to its colon within the length of a line (RFC 5322 §2.1.1) is not kept for ever.
   */
  #isTooLarge(): boolean {
    if (this.#place === "value") return this.#keptLength > this.#limit;
    return this.#lineStart > this.#limit || this.#keptLength > this.#limit + LINE_LIMIT;
  }

  #giveUp(): null {
    this.#kept = EMPTY;
    this.#state = "too-large";
    return null;
  }
}

/** Where the empty line stands when all lines up to it are those of a head; else -1. */
function endOfWholeHead(octets: Uint8Array): number {
  for (let at = 0; at < octets.length;) {
    const first = octets[at]!;
    if (first === CR && octets[at + 1] === LF) return at;
    if (at === 0 || first !== SP && first !== HT) {
      const name = at;
      while (at < octets.length && isNameOctet(octets[at]!)) at++;
      if (at === name) return -1;
      while (octets[at] === SP || octets[at] === HT) at++; // obs-optional, RFC 5322 §4.5
      if (octets[at] !== COLON) return -1;
    }
    do {
      at = octets.indexOf(LF, at) + 1;
      if (at === 0) return -1;
    } while (octets[at - 2] !== CR);
  }
  return -1;
}

/** ftext of RFC 5322 §3.6.8: printable ASCII but the colon. */
function isNameOctet(octet: number): boolean {
  return octet > SP && octet < DEL && octet !== COLON;
}
