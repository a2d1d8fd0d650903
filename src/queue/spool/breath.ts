/**
 * Small reads are done at once and wait for nothing, so that whoever reads a hundred thousand messages one after
 * the other would hold up the whole server. One real call now and then lets others get a turn.
 *
 * @module
 */

import type { Files } from "../../runtime/files.ts";

/** Messages read between two breaths. */
const STRIDE = 64;

/** Lets others get a turn, at every so manieth call. */
export class Breath {
  readonly #files: Files;
  readonly #directory: string;
  #count = 0;

  /** @param directory one that is there: it is asked for its space. */
  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /** Before a message is read. */
  async take(): Promise<void> {
    if (++this.#count % STRIDE === 0) await this.#files.space(this.#directory).catch(() => {});
  }
}
