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

/** Looked for are the octets from 10 to 13: LF, CR and, because a range is cheaper to find, VT and FF. */
const LOWEST = 10;
const BEYOND = 14;

const BEYOND_BY_FOUR = 0x0e0e0e0e;
const HIGH_BITS = 0x80808080 | 0;
const LOW_BITS = 0x7f7f7f7f;
/** What lifts an octet of 10 to 127, and none below, to its high bit. */
const LIFT = 0x76767676;

/** A view for {@link skipText}, on the same octets. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The index of the first CR or LF in `bytes[from..to)`, or `to` where there is none. It may stop before
 * that at another control character, so the caller looks at what it found. `view` is {@link viewOf} the
 * same bytes.
 *
 * Four octets are compared in one word. Subtracting 14 from each sets the high bit of those below 14 (and
 * of those from 142 on, which the complement takes out again): in most words none. A borrow can only
 * come out of an octet below 14, so it spoils nothing but what stands after one. Only then are TAB, NUL
 * and the others below 10 taken out too, lest a text full of tabs be slow. The view is read as
 * little-endian, so the lowest bit set is the first octet.
 */
export function skipText(bytes: Uint8Array, view: DataView, from: number, to: number): number {
  let at = from;
  for (const safe = to - 8; at <= safe; at += 8) {
    const one = view.getInt32(at, true);
    const inOne = (one - BEYOND_BY_FOUR) & ~one & HIGH_BITS;
    if (inOne !== 0) {
      const found = inOne & ((one & LOW_BITS) + LIFT);
      if (found !== 0) return at + firstOctet(found);
    }
    const two = view.getInt32(at + 4, true);
    const inTwo = (two - BEYOND_BY_FOUR) & ~two & HIGH_BITS;
    if (inTwo !== 0) {
      const found = inTwo & ((two & LOW_BITS) + LIFT);
      if (found !== 0) return at + 4 + firstOctet(found);
    }
  }
  while (at < to && (bytes[at]! >= BEYOND || bytes[at]! < LOWEST)) at++;
  return at;
}

/** Which octet of a word the lowest bit set belongs to. */
function firstOctet(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >> 3;
}
