/**
 * A window that goes over a file: any octets of it, read in large blocks, with only the block in memory.
 *
 * What fails: what the disk says.
 *
 * @module
 */

import type { FileHandle } from "../../runtime/files.ts";

/** Octets read at once. */
const BLOCK = 1024 * 1024;

/** Reads an open file here and there, mostly onwards. */
export class FileWindow {
  readonly #file: FileHandle;
  #buffer = new Uint8Array(BLOCK);
  /** The place of the first octet in the buffer. */
  #start = 0;
  #length = 0;
  /** The place in the file of the next read. */
  #position = 0;

  /** Over a file that nobody else reads by this handle. */
  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The octets from `place` on, `length` of them or all to the end; valid until the next call. */
  async octets(place: number, length: number): Promise<Uint8Array> {
    if (place < this.#start || place + length > this.#start + this.#length) {
      await this.#moveTo(place, length);
    }
    const from = place - this.#start;
    return this.#buffer.subarray(from, Math.min(from + length, this.#length));
  }

  async #moveTo(place: number, length: number): Promise<void> {
    const end = this.#start + this.#length;
    const kept = place >= this.#start && place < end
      ? this.#buffer.subarray(place - this.#start, this.#length)
      : new Uint8Array(0);
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(length + BLOCK);
      larger.set(kept);
      this.#buffer = larger;
    } else {
      this.#buffer.set(kept);
    }
    this.#start = place;
    this.#length = kept.length;
    if (this.#position !== place + kept.length) {
      await this.#file.seek(place + kept.length);
      this.#position = place + kept.length;
    }
    while (this.#length < length) {
      const read = await this.#file.read(this.#buffer.subarray(this.#length));
      if (read === null) break;
      this.#length += read;
      this.#position += read;
    }
  }
}
