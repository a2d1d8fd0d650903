/**
 * The inner scan of the DATA decoder by WebAssembly SIMD, three to five times as fast as `data_scan.ts`.
 * Its loops are in `simd_scan.wat`, the source of `simd_scan_code.ts`; they pass over whole blocks of text,
 * and all that takes a decision (where the message ends, the octets around the end of a read) is left to
 * {@link resumeScan}. So the rules are in one place.
 *
 * WebAssembly sees its own memory only: octets are copied into it, and back where dots were taken out. That
 * costs less than the scan itself, and spares everybody else to know of that memory.
 *
 * What fails: where there is no WebAssembly, or none with SIMD, {@link simdScanner} gives `null`. A scan
 * cannot fail.
 *
 * @module
 */

import {
  AFTER_CR,
  AT_LINE_START,
  type DataScanner,
  type DataState,
  IN_TEXT,
  resumeScan,
  scanData,
} from "./data_scan.ts";
import { SIMD_SCAN_CODE } from "./simd_scan_code.ts";
import { CR, LF } from "./text_scan.ts";

/** Where octets are put, and how many there is room for: the second page of the memory. */
const PAGE = 64 * 1024;
/** From this length on the detour is the shorter way. */
const LONG_READ = 128;

/** What `simd_scan.wat` exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  scan(from: number, to: number, before: number): number;
}

let scanner: DataScanner | null | undefined;

/** The scanner, made when first asked for; `null` where it cannot run. */
export function simdScanner(): DataScanner | null {
  return scanner ??= scanner === null ? null : makeScanner();
}

function makeScanner(): DataScanner | null {
  let exports: Exports;
  try {
    const module = new WebAssembly.Module(Uint8Array.fromBase64(SIMD_SCAN_CODE));
    exports = new WebAssembly.Instance(module).exports as unknown as Exports;
  } catch {
    return null;
  }
  const octets = new Uint8Array(exports.memory.buffer, PAGE);
  const result = new Int32Array(exports.memory.buffer, 0, 1);

  return (bytes, from, to, scan) => {
    const length = Math.min(to - from, PAGE);
    const before = octetsBefore(scan.state);
    if (length < LONG_READ || before === null) return scanData(bytes, from, to, scan);
    const end = from + length;
    octets.set(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end));
    const read = exports.scan(PAGE, PAGE + length, before) - PAGE;
    const content = result[0]! - PAGE;
    if (read > 0) scan.state = stateAfter(bytes, from + read); // before it is overwritten
    if (content < read) bytes.set(octets.subarray(0, content), from);
    scan.read = from + read;
    scan.start = from;
    scan.end = from + content;
    resumeScan(bytes, end, scan);
  };
}

/** The two octets before a read, in little-endian order. Right after a dot the fast loop cannot begin. */
function octetsBefore(state: DataState): number | null {
  switch (state) {
    case IN_TEXT:
      return 0;
    case AFTER_CR:
      return CR << 8;
    case AT_LINE_START:
      return LF << 8 | CR;
    default:
      return null;
  }
}

/** What the last two of the octets before `at`, of which there are enough, leave one in. */
function stateAfter(bytes: Uint8Array, at: number): DataState {
  const last = bytes[at - 1];
  if (last === CR) return AFTER_CR;
  return last === LF && bytes[at - 2] === CR ? AT_LINE_START : IN_TEXT;
}
