/**
 * Lines of a connection, cut at LF, of bounded length: what a control socket carries both ways.
 *
 * @module
 */

import { concat } from "../bytes.ts";
import type { Connection } from "../runtime/network.ts";

const LF = 0x0a;
const BUFFER = 64 * 1024;

/** A line was longer than agreed. */
export class LineTooLongError extends Error {
  /** @param limit octets that a line may have. */
  constructor(limit: number) {
    super(`a line has more than ${limit} octets`);
    this.name = "LineTooLongError";
  }
}

/**
 * The lines of a connection, each without its LF; octets after the last LF are no line.
 *
 * @param limit octets a line may have.
 * @throws {LineTooLongError} and what the connection throws.
 */
export async function* readLines(
  connection: Connection,
  limit: number,
): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(BUFFER, limit + 1));
  let parts: Uint8Array[] = [];
  let size = 0;
  for (let length; (length = await connection.read(buffer)) !== null;) {
    let from = 0;
    for (let lf; (lf = buffer.subarray(0, length).indexOf(LF, from)) >= 0; from = lf + 1) {
      if (size + lf - from > limit) throw new LineTooLongError(limit);
      yield concat([...parts, buffer.subarray(from, lf)]);
      parts = [];
      size = 0;
    }
    size += length - from;
    if (size > limit) throw new LineTooLongError(limit);
    if (from < length) parts.push(buffer.slice(from, length));
  }
}
