/**
 * Writes one message into an open file: head, then body, with the line ends of files. All goes through a
 * buffer of fixed size, so a small message goes in one write. Syncing, closing and what becomes of the file
 * when something fails are the caller's.
 *
 * @module
 */

import { BufferPool } from "../../buffer_pool.ts";
import type { MessageSource } from "../../queue/local_delivery.ts";
import type { FileHandle } from "../../runtime/files.ts";
import { UnixLineEncoder } from "./unix_line_encoder.ts";

/** Octets gathered before they are written; the buffers of large messages are used again. */
const BUFFER_SIZE = 64 * 1024;
const buffers = new BufferPool(BUFFER_SIZE, 64);

/** How much was written. */
export interface WrittenMessage {
  /** Octets of the file. */
  readonly size: number;
  /** Octets of the message when every line ends in CRLF. */
  readonly virtualSize: number;
}

/**
 * Writes `head` (as it shall be stored, empty line included) and the source's body.
 *
 * @throws what writing and reading throw, and an `Error` when the body is not as long as the source says.
 */
export async function writeMessage(
  file: FileHandle,
  head: Uint8Array,
  source: MessageSource,
): Promise<WrittenMessage> {
  const buffer = buffers.take();
  try {
    const writer = new MessageWriter(file, buffer);
    await writer.add(head);
    let left = source.bodySize;
    // In one go, or as a reader: parts that are looked at after a wait may hold another message by then.
    const parts = writer.fits(left) ? source.bodyParts?.() ?? null : null;
    if (parts !== null) {
      for (const part of parts) if ((left -= part.length) >= 0) writer.take(part);
    } else {
      for await (const chunk of source.openBody()) {
        left -= chunk.length;
        if (left < 0) break;
        await writer.add(chunk);
      }
    }
    if (left !== 0) throw new Error(`the body is not the ${source.bodySize} octets it should be`);
    return await writer.end();
  } finally {
    buffers.give(buffer);
  }
}

/** Gathers what is to be written. */
class MessageWriter {
  readonly #file: FileHandle;
  readonly #buffer: Uint8Array;
  readonly #encoder = new UnixLineEncoder();
  #filled = 0;
  #size = 0;

  constructor(file: FileHandle, buffer: Uint8Array) {
    this.#file = file;
    this.#buffer = buffer;
  }

  /** Whether so many octets can be taken without a write. */
  fits(octets: number): boolean {
    // The encoder may give one octet more than it takes, and another at the end.
    return octets + 2 <= BUFFER_SIZE - this.#filled;
  }

  /** Takes octets that fit. */
  take(octets: Uint8Array): void {
    this.#filled += this.#encoder.encodeInto(octets, this.#buffer, this.#filled);
  }

  /** Takes octets; the view is free again when this settles, or at once when nothing is returned. */
  add(octets: Uint8Array): void | Promise<void> {
    if (!this.fits(octets.length)) return this.#addInParts(octets);
    this.take(octets);
  }

  async end(): Promise<WrittenMessage> {
    this.#filled += this.#encoder.end(this.#buffer, this.#filled);
    await this.#flush();
    return { size: this.#size, virtualSize: this.#encoder.virtualSize };
  }

  async #addInParts(octets: Uint8Array): Promise<void> {
    for (let at = 0; at < octets.length;) {
      if (BUFFER_SIZE - this.#filled < 3) await this.#flush();
      const part = octets.subarray(at, at + BUFFER_SIZE - this.#filled - 2);
      this.#filled += this.#encoder.encodeInto(part, this.#buffer, this.#filled);
      at += part.length;
    }
  }

  async #flush(): Promise<void> {
    if (this.#filled === 0) return;
    await this.#file.write(this.#buffer.subarray(0, this.#filled));
    this.#size += this.#filled;
    this.#filled = 0;
  }
}
