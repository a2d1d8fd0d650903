/**
 * Replies that wait to be written: those of one group go out together (RFC 2920 §3.2).
 *
 * @module
 */

import { concat } from "../bytes.ts";
import { formatReply, type Reply } from "./reply.ts";

/** Replies in order, as octets. */
export class ReplyQueue {
  readonly #enhanced: boolean;
  #parts: Uint8Array[] = [];
  #length = 0;

  /** @param enhanced whether enhanced status codes are written (RFC 2034). */
  constructor(enhanced: boolean) {
    this.#enhanced = enhanced;
  }

  /** Octets that wait. */
  get length(): number {
    return this.#length;
  }

  /** Adds a reply. */
  put(given: Reply): void {
    const bytes = formatReply(given, this.#enhanced);
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  /** All octets that wait, which then wait no more. */
  take(): Uint8Array {
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return bytes;
  }
}
