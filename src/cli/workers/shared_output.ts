/**
 * An output for several who write lines: what one writes at a time comes out in one piece, and then that of the
 * next.
 *
 * @module
 */

import type { Output } from "../line_output.ts";

/** Writes for several, in turns. */
export class SharedOutput implements Output {
  readonly #output: Output;
  /** The last write; never rejects. */
  #last: Promise<void> = Promise.resolve();

  /** @param output where to; not to be written to by others. */
  constructor(output: Output) {
    this.#output = output;
  }

  /** Writes all of it. */
  async write(bytes: Uint8Array): Promise<number> {
    const written = this.#last.then(() => this.#writeAll(bytes));
    this.#last = written.catch(() => {});
    await written;
    return bytes.length;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#output.write(rest));
  }
}
