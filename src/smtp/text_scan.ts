/**
 * Skips plain text, eight octets a step: the inner loop of everything here that looks for CR and LF.
 * Most octets of a message are neither, so the speed of this loop is the speed of DATA.
 *
 * @module
 */

/** CR. */
export const CR = 13;
/** LF. */
export const LF = 10;
/** The full stop, which RFC 5321 §4.5.2 calls a period. */
export const DOT = 46;

/** The first octet value that is not a control character of the kind looked for. */
const PLAIN = 14;
const PLAIN_BY_FOUR = 0x0e0e0e0e;
const HIGH_BITS = 0x80808080 | 0;

/** A view for {@link skipText}, on the same octets. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The index of the first octet below 14 (CR, LF, or a control character that the caller steps over)
 * in `bytes[from..to)`, or `to` where there is none. `view` is {@link viewOf} the same bytes.
 *
 * Four octets are compared in one word: subtracting 14 from each sets the high bit of those below it,
 * and of those from 142 on, which the complement takes out again. A borrow can only come out of an
 * octet that is itself below 14, so the lowest bit set is always right; the view is read as
 * little-endian, so that is the first octet.
 */
export function skipText(bytes: Uint8Array, view: DataView, from: number, to: number): number {
  let at = from;
  for (const safe = to - 8; at <= safe; at += 8) {
    const one = view.getInt32(at, true);
    const inOne = (one - PLAIN_BY_FOUR) & ~one & HIGH_BITS;
    if (inOne !== 0) return at + firstOctet(inOne);
    const two = view.getInt32(at + 4, true);
    const inTwo = (two - PLAIN_BY_FOUR) & ~two & HIGH_BITS;
    if (inTwo !== 0) return at + 4 + firstOctet(inTwo);
  }
  while (at < to && bytes[at]! >= PLAIN) at++;
  return at;
}

/** Which octet of a word the lowest bit set belongs to. */
function firstOctet(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >> 3;
}
