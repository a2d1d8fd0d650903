/**
 * Passing over the text of messages that go out, by WebAssembly SIMD. Its loops are in `simd_text.wat`, the
 * source of `simd_text_code.ts`; they pass over whole blocks in which there is nothing to do, and whatever is to be
 * done, and octets that make no whole block, are the caller's. So this only makes it faster.
 *
 * WebAssembly sees its own memory only: octets are copied into it. That costs less than the passing itself.
 *
 * What fails: where there is no WebAssembly, or none with SIMD, nothing is passed over.
 *
 * @module
 */

import { SIMD_TEXT_CODE } from "./simd_text_code.ts";
import { CR, LF } from "./text_scan.ts";

/** Where octets are put, and how many there is room for: the second page of the memory. */
const PAGE = 64 * 1024;
/** From this length on the detour is the shorter way. */
const LONG = 128;

/** What `simd_text.wat` exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  plain(at: number, to: number, before: number): number;
  has8bit(at: number, to: number): number;
}

/** What was made of the module; `null` where it cannot run. */
interface Made {
  readonly exports: Exports;
  readonly octets: Uint8Array;
}

let made: Made | null | undefined;

function simd(): Made | null {
  return made === undefined ? made = make() : made;
}

function make(): Made | null {
  try {
    const module = new WebAssembly.Module(Uint8Array.fromBase64(SIMD_TEXT_CODE));
    const exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    return { exports, octets: new Uint8Array(exports.memory.buffer, PAGE) };
  } catch {
    return null;
  }
}

/**
 * The first octet of `bytes[from..to)` before which there is nothing to do for DATA: no CR or LF alone, no dot
 * that begins a line. It may stop before that; `from` where it cannot say. A CR right before it may still
 * turn out to stand alone.
 *
 * @param lineStart whether `from` begins a line; no CR must come before it otherwise.
 */
export function skipPlain(
  bytes: Uint8Array,
  from: number,
  to: number,
  lineStart: boolean,
): number {
  const length = Math.min(to - from, PAGE);
  const module = length < LONG ? null : simd();
  if (module === null) return from;
  module.octets.set(bytes.subarray(from, from + length));
  const before = lineStart ? LF << 8 | CR : 0;
  return from + module.exports.plain(PAGE, PAGE + length, before) - PAGE;
}

/**
 * Whether any octet is above 127.
 *
 * @example
 * ```ts
 * import { has8bit } from "./simd_text.ts";
 * import { encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([has8bit(encode("naive")), has8bit(encode("naïve"))], [false, true]);
 * ```
 */
export function has8bit(bytes: Uint8Array): boolean {
  let at = 0;
  const module = bytes.length < LONG ? null : simd();
  if (module !== null) {
    for (; bytes.length - at >= 16;) {
      const part = bytes.subarray(at, at + PAGE);
      module.octets.set(part);
      if (module.exports.has8bit(PAGE, PAGE + part.length) !== 0) return true;
      at += part.length & ~15;
    }
  }
  for (; at < bytes.length; at++) if (bytes[at]! > 127) return true;
  return false;
}
