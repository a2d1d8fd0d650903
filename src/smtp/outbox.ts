/**
 * Octets on their way out of a session: command lines and pieces of messages, gathered in one buffer that is used
 * again and again, so that a group of them is one write and a message is copied once.
 *
 * @module
 */

import { encode } from "../bytes.ts";

/** What a buffer has at first, and after a message that was larger than usual. */
const SMALL = 1024;
/** A larger buffer than this is not kept. */
const USUAL = 96 * 1024;

/** What one session has to say. */
export class Outbox {
  #buffer = new Uint8Array(SMALL);
  #length = 0;

  /** Octets that wait to be taken. */
  get length(): number {
    return this.#length;
  }

  /** Adds a line, without its CRLF. */
  line(text: string): void {
    const { length } = text;
    let at = this.#length;
    const buffer = this.#room(length + 2);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 127) return this.octets(encode(`${text}\r\n`));
      buffer[at++] = unit;
    }
    buffer[at] = 0x0d;
    buffer[at + 1] = 0x0a;
    this.#length = at + 2;
  }

  /** Adds octets, which are copied. */
  octets(bytes: Uint8Array): void {
    this.#room(bytes.length).set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Takes back all but the first `length` octets. */
  cut(length: number): void {
    this.#length = length;
  }

  /** All that was added; valid until more is. */
  take(): Uint8Array {
    const octets = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    if (this.#buffer.length > USUAL) this.#buffer = new Uint8Array(SMALL);
    return octets;
  }

  /** The buffer, with room for so many octets more. */
  #room(more: number): Uint8Array {
    const needed = this.#length + more;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(2 * this.#buffer.length, needed));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    return this.#buffer;
  }
}
