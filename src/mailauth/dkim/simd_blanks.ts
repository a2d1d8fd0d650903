/**
 * The reducing of white space by WebAssembly SIMD, many times as fast as `canonical_blanks.ts`. Its loops are in
 * `simd_blanks.wat`, the source of `simd_blanks_code.ts`.
 *
 * WebAssembly sees its own memory only, so that is where the octets are put that are to be reduced. All share it: it is
 * theirs until they give way to others.
 *
 * What fails: where there is no WebAssembly, or none with SIMD, there is plain memory and the plain loop.
 *
 * @module
 */

import { type BlankReducer, reduceBlanks } from "./canonical_blanks.ts";
import { SIMD_BLANKS_CODE } from "./simd_blanks_code.ts";

/** Where octets are put in the memory of the module. */
const PAGE = 64 * 1024;
/** A full read, and what was held back of the one before. */
const SIZE = PAGE + 2;
/** Octets that are overwritten behind others. */
const BEHIND = 32;
/** From this length on calling the module is the shorter way. */
const LONG = 64;

/** What `simd_blanks.wat` exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  reduce(at: number, to: number, behind: number): number;
}

/** Memory to reduce white space in. */
export interface BlankMemory {
  /** Room for `size` octets, and for what is overwritten behind them. */
  readonly octets: Uint8Array;
  /** How many octets are to be put there at most. */
  readonly size: number;
  /** Takes `octets` alone. */
  readonly reduce: BlankReducer;
}

let memory: BlankMemory | undefined;

/** The memory, made when first asked for. */
export function blankMemory(): BlankMemory {
  return memory ??= simdMemory() ?? plainMemory();
}

/** The same without WebAssembly. */
export function plainMemory(): BlankMemory {
  return { octets: new Uint8Array(SIZE + BEHIND), size: SIZE, reduce: reduceBlanks };
}

/** `null` where it cannot run. */
export function simdMemory(): BlankMemory | null {
  let exports: Exports;
  try {
    const module = new WebAssembly.Module(Uint8Array.fromBase64(SIMD_BLANKS_CODE));
    exports = new WebAssembly.Instance(module).exports as unknown as Exports;
  } catch {
    return null;
  }
  const octets = new Uint8Array(exports.memory.buffer, PAGE, SIZE + BEHIND);
  const reduce: BlankReducer = (own, end, behind) =>
    end < LONG ? reduceBlanks(own, end, behind) : exports.reduce(PAGE, PAGE + end, behind) - PAGE;
  return { octets, size: SIZE, reduce };
}
