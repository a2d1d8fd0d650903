/**
 * Finds CR and LF that stand alone, across any split. RFC 5321 §2.3.8 lets neither appear but as CRLF;
 * DATA is checked while its dots are taken out, and this does the same for a BDAT body that is not
 * BINARYMIME (RFC 3030 §2). It only looks; what to answer is the session's. It cannot fail.
 *
 * @module
 */

import { CR, LF, skipText, viewOf } from "./text_scan.ts";

/**
 * The place in `bytes[from..to)` where a bare newline shows: a bare LF itself, or the octet after a bare
 * CR. `to` where there is none; a CR that is the last octet may still be bare.
 *
 * @param afterCr Whether the octet before `from` was a CR.
 */
export function indexOfBareNewline(
  bytes: Uint8Array,
  from: number,
  to: number,
  afterCr: boolean,
): number {
  if (from < to && afterCr) {
    if (bytes[from] !== LF) return from;
    from++;
  }
  const view = viewOf(bytes);
  let at = from;
  while ((at = skipText(bytes, view, at, to)) < to) {
    const octet = bytes[at];
    if (octet === LF) return at;
    at++;
    if (octet !== CR || at === to) continue;
    if (bytes[at] !== LF) return at;
    at++;
  }
  return to;
}

/**
 * Says whether a body has a bare CR or LF.
 *
 * @example
 * ```ts
 * import { NewlineCheck } from "./newline_check.ts";
 * import { encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const check = new NewlineCheck();
 * check.scan(encode("one\r"));
 * check.scan(encode("\ntwo\n"));
 * check.end();
 * assertEquals(check.bare, true); // the LF after "two"
 * ```
 */
export class NewlineCheck {
  #bare = false;
  #afterCr = false;

  /** Whether one was seen so far. */
  get bare(): boolean {
    return this.#bare;
  }

  /** Reads the next octets of the body. */
  scan(bytes: Uint8Array): void {
    if (this.#bare || bytes.length === 0) return;
    this.#bare = indexOfBareNewline(bytes, 0, bytes.length, this.#afterCr) < bytes.length;
    this.#afterCr = bytes[bytes.length - 1] === CR;
  }

  /** The body is whole: a CR that came last was bare. */
  end(): void {
    if (this.#afterCr) this.#bare = true;
  }

  /** Begins another body. */
  reset(): void {
    this.#bare = false;
    this.#afterCr = false;
  }
}
