/**
 * Hands a message to whoever sends it, in pieces fit for a socket: a small one whole, a large one through a
 * buffer of fixed size, its large chunks as they are; 64 KiB at most at once. Knows nothing of SMTP.
 *
 * What fails: reading the message, and a body that is longer or shorter than was said: the last piece is
 * not handed on then, so that half a message can never pass for a whole one.
 *
 * @module
 */

import { BufferPool } from "../buffer_pool.ts";
import type { MessageSource } from "../queue/local_delivery.ts";

/** Octets gathered before they are handed on; the buffers are used again. */
const PIECE = 64 * 1024;
const buffers = new BufferPool(PIECE, 64);
/** Octets of a chunk from which on it is not copied. */
const DIRECT = 16 * 1024;

/** Who takes the pieces. */
export interface PieceTaker {
  /** Whether more is wanted; once not, nothing more is read. */
  wanted(): boolean;
  /** Takes a piece, which is valid until the promise settles; `last` with the end of the message. */
  write(bytes: Uint8Array, last: boolean): Promise<void>;
}

/**
 * Hands on head, empty line and body.
 *
 * @throws what reading throws, and an `Error` when the body has not the size that was said.
 */
export async function writeMessage(source: MessageSource, taker: PieceTaker): Promise<void> {
  const size = source.head.length + 2 + source.bodySize;
  const pooled = size > PIECE ? buffers.take() : null;
  const piece = pooled ?? new Uint8Array(size);
  try {
    await write(source, piece, taker);
  } finally {
    if (pooled !== null) buffers.give(pooled);
  }
}

async function write(
  source: MessageSource,
  piece: Uint8Array,
  taker: PieceTaker,
): Promise<void> {
  const { head, bodySize } = source;
  let filled = 0;
  let left = bodySize;
  const flush = async () => {
    await taker.write(piece.subarray(0, filled), false);
    filled = 0;
  };
  const add = async (octets: Uint8Array) => {
    if (octets.length >= DIRECT && octets.length > piece.length - filled) {
      if (filled > 0) await flush();
      // Each write has its time: a whole message in one would not get through a slow line.
      for (let at = 0; at < octets.length && taker.wanted(); at += PIECE) {
        await taker.write(octets.subarray(at, at + PIECE), false);
      }
      return;
    }
    for (let at = 0; at < octets.length && taker.wanted();) {
      if (filled === piece.length) await flush();
      const part = octets.subarray(at, at + piece.length - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
    }
  };

  await add(head);
  await add(CRLF);
  for await (const chunk of source.openBody()) {
    if (!taker.wanted()) return;
    left -= chunk.length;
    if (left < 0) break;
    await add(chunk);
  }
  if (left !== 0) throw new Error(`the body is not the ${bodySize} octets it should be`);
  if (taker.wanted()) await taker.write(piece.subarray(0, filled), true);
}

const CRLF = Uint8Array.of(0x0d, 0x0a);
