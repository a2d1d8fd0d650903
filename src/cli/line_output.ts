/**
 * Lines for who may not read them: to a standard stream that nobody waits for.
 *
 * A stream can be held: a terminal with Ctrl-S, a pipe nobody reads. A server must not wait for that, so
 * lines wait in a bounded buffer while one write is under way; what does not fit is dropped and counted,
 * and the count is told as soon as there is room. When the stream is gone for good, so are the lines.
 *
 * @module
 */

import { constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { encode } from "../bytes.ts";
import { errorCode } from "../runtime/system_error.ts";

/** What can be written to, such as {@link STANDARD_OUTPUT}. */
export interface Output {
  /** Writes some of it and says how many octets. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Milliseconds between two tries to write what nobody has read yet. */
const UNREAD_PAUSE = 10;

/**
 * Standard output: one that is held does not hold this thread. On Deno that takes a call of its own, since its
 * `node:fs` writes to a pipe on the thread that asks.
 */
export const STANDARD_OUTPUT: Output = typeof Deno === "undefined" ? throughNode(1) : Deno.stdout;

/** Standard error, likewise. */
export const STANDARD_ERROR: Output = typeof Deno === "undefined" ? throughNode(2) : Deno.stderr;

/**
 * Bun has as many threads for files as the machine has cores: one that is held in a write is one that the mail
 * does not get, and two may be all. So a pipe or terminal is opened once more, for us alone, in a way that does
 * not wait; that it is full comes as EAGAIN then. A file waits for nobody. What is left are sockets, such as
 * that of a journal, which somebody reads.
 */
function throughNode(stream: number): Output {
  let writer: ((bytes: Uint8Array) => number | Promise<number>) | null = null;
  return {
    async write(bytes) {
      writer ??= writerOf(stream);
      for (;;) {
        try {
          return await writer(bytes);
        } catch (error) {
          if (errorCode(error) !== "EAGAIN") throw error;
          await new Promise((resolve) => setTimeout(resolve, UNREAD_PAUSE));
        }
      }
    },
  };
}

function writerOf(stream: number): (bytes: Uint8Array) => number | Promise<number> {
  const kind = fstatSync(stream);
  if (kind.isFile()) return (bytes) => writeSync(stream, bytes);
  const mayWait = kind.isFIFO() || kind.isCharacterDevice();
  const own = mayWait ? openAgain(stream) : null;
  if (own !== null) return (bytes) => writeSync(own, bytes);
  const writeLater = promisify(write);
  return async (bytes) => (await writeLater(stream, bytes, 0, bytes.length, null)).bytesWritten;
}

/** `null` where the system has no such way, or does not let this user. */
function openAgain(stream: number): number | null {
  try {
    return openSync(`/proc/self/fd/${stream}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}

/** Characters that may wait to be written. */
const MAX_WAITING = 4 * 1024 * 1024;

/** Milliseconds from one write to the next: a line that comes alone is written at once, then lines gather. */
const GATHER = 20;

/** Writes lines, one write at a time. */
export class LineOutput {
  readonly #output: Output;
  readonly #describeDropped: (count: number) => string | null;
  /** Lines with their ends: made octets all at once, when they are written. */
  #waiting = "";
  #dropped = 0;
  #droppedInAll = 0;
  #gone = false;
  #writing: Promise<void> | null = null;
  /** How many wait in {@link flush}: then lines do not gather. */
  #flushing = 0;
  /** Ends the pause between two writes. */
  #hurry: (() => void) | null = null;

  /** @param output where to. @param describeDropped the line that says how many are missing there. */
  constructor(output: Output, describeDropped: (count: number) => string | null) {
    this.#output = output;
    this.#describeDropped = describeDropped;
  }

  /** How many lines were dropped so far. */
  get dropped(): number {
    return this.#droppedInAll;
  }

  /** Takes a line, or several; it is made only where there is room for it. Never waits. */
  offer(make: () => string | null): void {
    if (this.#gone) return;
    if (this.#waiting.length > MAX_WAITING) {
      this.#dropped++;
      this.#droppedInAll++;
      return;
    }
    this.#append(make());
  }

  /**
   * Resolves when all that was offered is written, or the output is gone, or after `patience`
   * milliseconds: a pipe that nobody reads holds a write for as long as there is a reader, and must
   * not hold the end of the process.
   */
  async flush(patience = 2000): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patience);
    this.#flushing++;
    this.#hurry?.();
    await Promise.race([promise, this.#written()]);
    this.#flushing--;
    clearTimeout(timer);
  }

  async #written(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  #append(line: string | null): void {
    if (line === null) return;
    this.#waiting += `${line}\n`;
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    try {
      do {
        const lines = this.#waiting;
        this.#waiting = "";
        await this.#write(encode(lines));
        this.#tellDropped();
        // A write costs what many lines do: under load the next one takes all that has come meanwhile.
        if (this.#flushing === 0) await this.#pause();
      } while (this.#waiting !== "");
    } catch {
      this.#gone = true;
      this.#waiting = "";
    } finally {
      this.#writing = null;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#output.write(rest));
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, GATHER);
    this.#hurry = resolve;
    await promise;
    this.#hurry = null;
    clearTimeout(timer);
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const line = this.#describeDropped(this.#dropped);
    this.#dropped = 0;
    this.#append(line);
  }
}
