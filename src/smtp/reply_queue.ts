/**
 * Replies that wait to be written: those of one group go out together (RFC 2920 §3.2).
 *
 * @module
 */

import { concatBrief } from "../bytes.ts";
import { formatReply, type Reply } from "./reply.ts";

const NOTHING = new Uint8Array(0);

/** Replies in order, as octets. */
export class ReplyQueue {
  readonly #enhanced: boolean;
  /** The first reply that waits: mostly the only one, which then is written as it is. */
  #first: Uint8Array = NOTHING;
  #rest: Uint8Array[] | null = null;
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
    if (this.#length === 0) this.#first = bytes;
    else (this.#rest ??= []).push(bytes);
    this.#length += bytes.length;
  }

  /** All octets that wait, which then wait no more. They are to be written, not changed. */
  take(): Uint8Array {
    const bytes = this.#rest === null ? this.#first : concatBrief([this.#first, ...this.#rest]);
    this.#first = NOTHING;
    this.#rest = null;
    this.#length = 0;
    return bytes;
  }
}
