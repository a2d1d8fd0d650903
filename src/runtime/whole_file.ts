/**
 * Reads a file to its end, not to its size: a file can grow, or (in /proc) say it is empty. Opening and closing
 * are for others.
 *
 * @module
 */

import { BufferPool } from "../buffer_pool.ts";
import type { FileHandle, Files } from "./files.ts";
import { SystemError } from "./system_error.ts";

/** What small files are read into: a hundred thousand of them in a row must not fill the memory. */
const FIRST_READS = new BufferPool(16 * 1024, 16);

/**
 * All of a file of ours, in a folder where a link may have been put in its place: that is not followed.
 *
 * @throws `ENOENT` where there is none, `ELOOP` for a link, `EFBIG` where it has more than `limit` octets.
 */
export async function readOwnFile(files: Files, path: string, limit: number): Promise<Uint8Array> {
  const handle = await files.open(path, { read: true, noFollow: true });
  try {
    return await readWholeFile(handle, path, limit);
  } finally {
    handle.close();
  }
}

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
