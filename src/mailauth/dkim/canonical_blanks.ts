/**
 * White space in bodies as the relaxed canonicalization has it (RFC 6376 §3.4.4 a), in plain loops. `simd_blanks.ts`
 * does the same faster where it can; what is right is said here.
 *
 * @module
 */

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
/** The octet of a space. */
export const SPACE = 0x20;

/**
 * Makes each run of white space in `octets[0..end)` one space, and takes away those that end a line. What stays moves
 * down.
 *
 * @param behind what is taken for the octets from `end` on: a space, which takes a run at the end away, or 0. As many
 * as 32 of them may be overwritten.
 * @returns the new end.
 */
export type BlankReducer = (octets: Uint8Array, end: number, behind: 0 | typeof SPACE) => number;

/** The plain {@link BlankReducer}. */
export const reduceBlanks: BlankReducer = (octets, end, behind) => {
  let to = 0;
  for (let at = 0; at < end; at++) {
    const octet = octets[at]!;
    if (!isBlank(octet)) {
      octets[to++] = octet;
      continue;
    }
    // The last of a run stays for all of it, unless the line ends there.
    const next = at + 1 < end ? octets[at + 1] : behind;
    if (isBlank(next) || next === CR && at + 2 < end && octets[at + 2] === LF) continue;
    octets[to++] = SPACE;
  }
  return to;
};

/** Space or tab. */
export function isBlank(octet: number | undefined): boolean {
  return octet === SPACE || octet === TAB;
}
