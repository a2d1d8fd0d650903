/**
 * Whether a text that streams by has a line that is longer than lines of mail may be (RFC 5322 §2.1.1). Such lines are
 * taken here, but other stations break them (Postfix puts a line end and a space into them), and with them signatures.
 *
 * Nothing fails. Of most octets nothing is looked at: from a line's start on it is enough to find any line end within
 * the limit, and the farthest is the nearest to look for.
 *
 * @module
 */

const LF = 0x0a;
/** Octets of a line, with its CR. */
const LONGEST = 998 + 1;

/**
 * Sees the text go by.
 *
 * @example
 * ```ts
 * import { LongLines } from "./long_lines.ts";
 * import { encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = new LongLines();
 * lines.write(encode(`${"x".repeat(998)}\r\n${"x".repeat(900)}`));
 * assertEquals(lines.found, false);
 * lines.write(encode(`${"x".repeat(99)}\r\n`));
 * assertEquals(lines.found, true);
 * ```
 */
export class LongLines {
  #found = false;
  /** Octets since the last line end. */
  #open = 0;

  /** Whether one was seen. */
  get found(): boolean {
    return this.#found;
  }

  /** Takes the next octets. The view is not kept. */
  write(chunk: Uint8Array): void {
    let start = -this.#open;
    while (!this.#found && start < chunk.length) {
      const last = start + LONGEST;
      const end = chunk.lastIndexOf(LF, Math.min(last, chunk.length - 1));
      if (end >= 0 && end >= start) {
        start = end + 1;
        continue;
      }
      this.#found = last < chunk.length;
      break;
    }
    this.#open = chunk.length - start;
    this.#found ||= this.#open > LONGEST;
  }
}
