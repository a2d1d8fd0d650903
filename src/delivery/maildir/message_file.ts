/**
 * Writes one message into an open file: head, then body, with the line ends of files. A small message is
 * joined and goes in one write; a large one goes through a buffer of fixed size. Syncing, closing and what
 * becomes of the file when something fails are the caller's.
 *
 * @module
 */

import { BufferPool } from "../../buffer_pool.ts";
import type { MessageSource } from "../../queue/local_delivery.ts";
import type { FileHandle } from "../../runtime/runtime.ts";
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
  const size = head.length + source.bodySize + 1;
  if (size < BUFFER_SIZE) return await write(file, head, source, new Uint8Array(size));
  const buffer = buffers.take();
  try {
    return await write(file, head, source, buffer);
  } finally {
    buffers.give(buffer);
  }
}

async function write(
  file: FileHandle,
  head: Uint8Array,
  source: MessageSource,
  buffer: Uint8Array,
): Promise<WrittenMessage> {
  const encoder = new UnixLineEncoder();
  let filled = 0;
  let size = 0;
  const flush = async () => {
    await file.write(buffer.subarray(0, filled));
    size += filled;
    filled = 0;
  };
  const add = async (octets: Uint8Array) => {
    for (let at = 0; at < octets.length;) {
      // The encoder may give one octet more than it takes.
      if (buffer.length - filled < 2) await flush();
      const part = octets.subarray(at, at + buffer.length - filled - 1);
      filled += encoder.encodeInto(part, buffer, filled);
      at += part.length;
    }
  };

  await add(head);
  let bodySize = 0;
  for await (const chunk of source.openBody()) {
    bodySize += chunk.length;
    if (bodySize > source.bodySize) break;
    await add(chunk);
  }
  if (bodySize !== source.bodySize) {
    throw new Error(`the body is not the ${source.bodySize} octets it should be`);
  }
  filled += encoder.end(buffer, filled);
  await flush();
  return { size, virtualSize: encoder.virtualSize };
}
