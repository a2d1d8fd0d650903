/**
 * The inner loop of {@link UnixLineEncoder} by WebAssembly SIMD, ten times as fast as octet by octet. The loop is in
 * `unix_lines.wat`, which is the source of `unix_lines_code.ts`.
 *
 * WebAssembly sees its own memory only, so octets are copied into it and back, which costs next to nothing.
 *
 * What fails: where there is no WebAssembly, or none with SIMD, {@link unixLines} gives `null`.
 *
 * @module
 */

import { UNIX_LINES_CODE } from "./unix_lines_code.ts";

/** Octets that are encoded at once, at most. */
export const MOST_AT_ONCE: number = 32 * 1024;

/** Where octets are put, and where they come out; before and behind each is room for a block. */
const FROM = 64;
const INTO = 48 * 1024;

/**
 * Encodes at most {@link MOST_AT_ONCE} octets. `before` and `last` are the two octets that came before them; a CR in
 * `last` is written too, unless an LF follows. Gives what is to be written, a view valid until the next call, and
 * counts LF that had no CR before them.
 */
export type UnixLines = (
  from: Uint8Array,
  before: number,
  last: number,
  counts: { bare: number },
) => Uint8Array;

/** What `unix_lines.wat` exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  encode(at: number, to: number, into: number): number;
}

let made: UnixLines | null | undefined;

/** The loop, made when first asked for; `null` where it cannot run. */
export function unixLines(): UnixLines | null {
  return made === undefined ? made = make() : made;
}

function make(): UnixLines | null {
  let exports: Exports;
  try {
    const module = new WebAssembly.Module(Uint8Array.fromBase64(UNIX_LINES_CODE));
    exports = new WebAssembly.Instance(module).exports as unknown as Exports;
  } catch {
    return null;
  }
  const octets = new Uint8Array(exports.memory.buffer);
  const result = new Int32Array(exports.memory.buffer, 0, 1);

  return (from, before, last, counts) => {
    octets[INTO - 2] = before;
    octets[INTO - 1] = last;
    octets.set(from, FROM);
    const end = exports.encode(FROM, FROM + from.length, INTO);
    counts.bare += result[0]!;
    return octets.subarray(last === CR ? INTO - 1 : INTO, end);
  };
}

const CR = 0x0d;
