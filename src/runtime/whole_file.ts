/**
 * Reads a file to its end, not to its size: a file can grow, or (in /proc) say it is empty. Opening and closing
 * are for others.
 *
 * @module
 */

import { BufferPool } from "../buffer_pool.ts";
import { type FileHandle, SystemError } from "./runtime.ts";

/** What small files are read into: a hundred thousand of them in a row must not fill the memory. */
const FIRST_READS = new BufferPool(16 * 1024, 16);

/**
 * All that is left of an open file.
 *
 * @param path for the message of an error.
 * @throws `EFBIG` where that is more than `limit` octets, and what reading throws.
 */
export async function readWholeFile(
  file: FileHandle,
  path: string,
  limit: number,
): Promise<Uint8Array> {
  const first = FIRST_READS.take();
  let buffer = first.subarray(0, limit + 1);
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      const larger = new Uint8Array(Math.min(buffer.length * 4, limit + 1));
      larger.set(buffer);
      buffer = larger;
    }
    const read = await file.read(buffer.subarray(length));
    if (read === null) break;
    length += read;
    if (length > limit) throw new SystemError("EFBIG", `${path} is longer than ${limit} octets`);
  }
  const content = buffer.slice(0, length);
  // Not after an error: a read that failed may not be over.
  FIRST_READS.give(first);
  return content;
}
