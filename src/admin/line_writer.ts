/**
 * Lines of JSON to a connection: the first leaves at once, those that come while a write is under way go
 * together in the next one, and a peer that does not read holds up whoever writes.
 *
 * @module
 */

import { concat, encode } from "../bytes.ts";
import type { Connection } from "../runtime/network.ts";

/** Octets that may wait while a write is under way. */
const MAX_WAITING = 256 * 1024;

/** Writes JSON, a line each. */
export class LineWriter {
  readonly #connection: Connection;
  #waiting: Uint8Array[] = [];
  #size = 0;
  #writing: Promise<void> | null = null;
  #fault: unknown = null;

  /** @param connection where to; nobody else writes to it. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Takes a line; waits while too much is on its way. @throws what an earlier write met. */
  async write(line: object): Promise<void> {
    if (this.#fault !== null) throw this.#fault;
    const bytes = encode(`${JSON.stringify(line)}\n`);
    this.#waiting.push(bytes);
    this.#size += bytes.length;
    this.#writing ??= this.#writeAll();
    while (this.#size > MAX_WAITING && this.#fault === null) await this.#writing;
    if (this.#fault !== null) throw this.#fault;
  }

  /** Resolves when all is written. @throws what a write met. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#fault !== null) throw this.#fault;
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const bytes = concat(this.#waiting);
        this.#waiting = [];
        this.#size = 0;
        await this.#connection.write(bytes);
      }
    } catch (error) {
      this.#fault = error;
    } finally {
      this.#writing = null;
    }
  }
}
