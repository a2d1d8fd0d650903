/**
 * Asks for a line on the terminal, which edits and echoes it by itself.
 *
 * @module
 */

import { read, writeSync } from "node:fs";
import { promisify } from "node:util";
import { CommandError, EXIT } from "./exit.ts";

const readLater = promisify(read);

/** Octets that a terminal gives at most for a line. */
const MAX_LINE = 4096;

/**
 * What is typed after a prompt, without the line's end.
 *
 * @throws {CommandError} at the end of input (Ctrl-D).
 */
export async function askLine(prompt: string): Promise<string> {
  writeSync(2, prompt);
  const octets = new Uint8Array(MAX_LINE);
  // A terminal gives a line at a time, so nothing of the next one is lost.
  const { bytesRead } = await readLater(0, octets, 0, octets.length, null);
  if (bytesRead === 0) {
    writeSync(2, "\n");
    throw new CommandError(EXIT.interrupted, "interrupted; nothing was changed");
  }
  return new TextDecoder().decode(octets.subarray(0, bytesRead)).replace(/\r?\n$/, "");
}
