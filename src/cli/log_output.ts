/**
 * The log on standard output: readable lines on a terminal, JSON lines otherwise.
 *
 * An event sink must not block, and standard output can: a terminal that is held, a pipe nobody reads.
 * So lines wait in a bounded buffer while one write is under way; what does not fit is dropped and
 * counted, and the count is logged as soon as there is room. When standard output is gone for good, so
 * is the log, and mail goes on.
 *
 * @module
 */

import { write } from "node:fs";
import { promisify } from "node:util";
import { concat } from "../bytes.ts";
import type { EventSink, MtaEvent } from "../events.ts";
import { EventLines, formatEventJson } from "../observe/log.ts";
import { errorCode } from "../runtime/runtime.ts";
import type { CommandLine, Flag } from "./command.ts";
import { UsageError } from "./exit.ts";
import { isColourful, isTerminal } from "./terminal.ts";
import { hintAtTrust } from "./trust_hint.ts";

/** The flags that choose the form of the log. */
export const LOG_FLAGS = {
  json: { help: "Log as JSON lines (the default, but on a terminal)" },
  text: { help: "Log as readable lines (the default on a terminal)" },
} satisfies Record<string, Flag>;

/** Turns an event into a line, or `null` for none. */
export type EventFormatter = (event: MtaEvent) => string | null;

/** What the form of the log depends on, beside the flags. */
export interface FormatOptions {
  /** The folder of the mailboxes. */
  readonly maildirRoot: string;
  /** The path of a certificate that clients may not trust. */
  readonly certificate?: string;
  /** What the configuration says; the flags come first. Default `auto`. */
  readonly format?: "auto" | "json" | "text";
}

/** Chooses how events are written. Colour is for terminals only, and not with `NO_COLOR` set. */
export function chooseFormatter(
  line: CommandLine,
  { maildirRoot, certificate, format = "auto" }: FormatOptions,
): EventFormatter {
  if (line.has("json") && line.has("text")) throw new UsageError("give --json or --text, not both");
  const asked = line.has("json") ? "json" : line.has("text") ? "text" : format;
  const usual = isTerminal("stdout") ? "text" : "json";
  if ((asked === "auto" ? usual : asked) === "json") return formatEventJson;
  const lines = new EventLines({ colour: isColourful("stdout"), maildirRoot });
  const write = (event: MtaEvent) => lines.format(event);
  return certificate === undefined ? write : hintAtTrust(write, certificate);
}

/** What can be written to, such as {@link STANDARD_OUTPUT}. */
export interface Output {
  /** Writes some of it and says how many octets. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Milliseconds between two tries to write what nobody has read yet. */
const UNREAD_PAUSE = 10;

/**
 * Standard output, written by another thread: one that is held does not hold this one. On Deno that takes a call
 * of its own, since its `node:fs` writes to a pipe on the thread that asks.
 */
export const STANDARD_OUTPUT: Output = typeof Deno === "undefined" ? throughNode() : Deno.stdout;

function throughNode(): Output {
  const writeLater = promisify(write);
  return {
    async write(bytes) {
      for (;;) {
        try {
          return (await writeLater(1, bytes, 0, bytes.length, null)).bytesWritten;
        } catch (error) {
          // A pipe that was set not to block, perhaps by another who has it, and is full.
          if (errorCode(error) !== "EAGAIN") throw error;
          await new Promise((resolve) => setTimeout(resolve, UNREAD_PAUSE));
        }
      }
    },
  };
}

/** Octets that may wait to be written. */
const MAX_WAITING = 4 * 1024 * 1024;

/** Milliseconds between two writes while there is always something to write. */
const GATHER = 5;

/** Writes events, one write at a time. */
export class EventLog {
  readonly #output: Output;
  readonly #format: EventFormatter;
  readonly #encoder = new TextEncoder();
  #waiting: Uint8Array[] = [];
  #waitingSize = 0;
  #dropped = 0;
  #droppedInAll = 0;
  #gone = false;
  #writing: Promise<void> | null = null;

  /** @param output where to. @param format how. */
  constructor(output: Output, format: EventFormatter) {
    this.#output = output;
    this.#format = format;
  }

  /** How many events were not logged so far. */
  get dropped(): number {
    return this.#droppedInAll;
  }

  /** Takes an event. Never throws, never waits. */
  readonly record: EventSink = (event) => {
    if (this.#gone) return;
    if (this.#waitingSize > MAX_WAITING) {
      this.#dropped++;
      this.#droppedInAll++;
      return;
    }
    this.#append(event);
  };

  /**
   * Resolves when all that was recorded is written, or the output is gone, or after `patience`
   * milliseconds: a pipe that nobody reads holds a write for as long as there is a reader, and must
   * not hold the end of the process.
   */
  async flush(patience = 2000): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patience);
    await Promise.race([promise, this.#written()]);
    clearTimeout(timer);
  }

  async #written(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  #append(event: MtaEvent): void {
    const line = this.#format(event);
    if (line === null) return;
    const bytes = this.#encoder.encode(`${line}\n`);
    this.#waiting.push(bytes);
    this.#waitingSize += bytes.length;
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const lines = this.#waiting;
        this.#waiting = [];
        this.#waitingSize = 0;
        await this.#write(concat(lines));
        this.#reportDropped();
        // Under load lines come faster than writes are cheap: the next write takes what has come meanwhile.
        if (this.#waiting.length > 0) await new Promise((resolve) => setTimeout(resolve, GATHER));
      }
    } catch {
      this.#gone = true;
      this.#waiting = [];
    } finally {
      this.#writing = null;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#output.write(rest));
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    const error = `${this.#dropped} events were not logged: standard output was not read`;
    this.#dropped = 0;
    this.#append({ time: Date.now(), type: "internal.error", where: "log", error });
  }
}
