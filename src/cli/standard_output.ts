/**
 * What a command was asked to print. Whoever reads it may have had enough and gone (`| head`): then the
 * command ends early, which is no failure.
 *
 * @module
 */

import { writeSync } from "node:fs";
import { formatVisible } from "../observe/visible_text.ts";
import { errorCode } from "../runtime/system_error.ts";
import { isTerminal } from "./terminal.ts";

/** Milliseconds between two tries to write what nobody has read yet. */
const UNREAD_PAUSE = 5;

/** Standard output, with its end in mind. */
export class StandardOutput {
  /** Whether a person reads it, on a terminal. */
  readonly isTerminal: boolean = isTerminal("stdout");
  /** Nobody reads any more; what follows need not be made. */
  gone = false;
  readonly #encoder = new TextEncoder();

  /** A line, or several. @throws when nobody reads any more. */
  print(text: string): void {
    this.write(this.#encoder.encode(`${text}\n`));
  }

  /** Octets as they are. @throws when nobody reads any more. */
  write(octets: Uint8Array): void {
    try {
      for (let at = 0; at < octets.length;) at += writeSome(octets.subarray(at));
    } catch (error) {
      this.gone = errorCode(error) === "EPIPE";
      throw error;
    }
  }
}

/**
 * Writes some, and gives how much. A pipe may have been set not to block by another who has it: a full one says
 * EAGAIN then, and is tried again. Not in Deno, where nobody knows how much a write that says so has written.
 */
function writeSome(octets: Uint8Array): number {
  if (typeof Deno !== "undefined") return Deno.stdout.writeSync(octets);
  for (;;) {
    try {
      return writeSync(1, octets);
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, UNREAD_PAUSE);
    }
  }
}

/**
 * Prints a message that strangers wrote: octet for octet to a file or a pipe; on a terminal, which would
 * obey it, with everything but text made visible.
 */
export class MessagePrinter {
  readonly #output: StandardOutput;
  readonly #decoder = new TextDecoder();
  /** The beginning of a line, on a terminal. */
  #rest = "";

  /** @param output where to. */
  constructor(output: StandardOutput) {
    this.#output = output;
  }

  /** Prints some of it. */
  write(octets: Uint8Array): void {
    if (!this.#output.isTerminal) return this.#output.write(octets);
    const lines = (this.#rest + this.#decoder.decode(octets, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#output.print(formatTextLine(line));
  }

  /** Prints what is left. */
  end(): void {
    if (this.#rest !== "") this.#output.print(formatTextLine(this.#rest));
  }
}

/** A line of text made harmless; a CR at its end is a part of the line end, and tabs do no harm. */
export function formatTextLine(line: string): string {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  return text.split("\t").map((part) => formatVisible(part, 10_000)).join("\t");
}
