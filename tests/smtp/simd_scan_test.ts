import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import {
  AFTER_CR,
  AFTER_DOT,
  AT_END,
  AT_LINE_START,
  type DataScan,
  type DataScanner,
  type DataState,
  IN_TEXT,
  scanData,
} from "../../src/smtp/data_scan.ts";
import { simdScanner } from "../../src/smtp/simd_scan.ts";
import { cut, latin1, octets } from "../support/feed.ts";
import { assembled, codeFile } from "../support/wasm.ts";

Deno.test("simd_scan_code.ts is made of simd_scan.wat (if not: deno task wasm)", async () => {
  assertEquals(
    await Deno.readTextFile(codeFile("smtp/simd_scan")),
    await assembled("smtp/simd_scan"),
  );
});

const simd: DataScanner = simdScanner()!;
const STATES: readonly DataState[] = [IN_TEXT, AFTER_CR, AT_LINE_START, AFTER_DOT];
const GUARD = "\r\n.\r\n.\n";

/** One scan of a text that lies between octets which would mean something. */
function scanned(scanner: DataScanner, text: string, state: DataState) {
  const bytes = octets(GUARD + text + GUARD);
  const from = GUARD.length;
  const to = from + text.length;
  const scan: DataScan = { state, bare: false, read: 0, start: 0, end: 0 };
  scanner(bytes, from, to, scan);
  assertEquals(latin1(bytes.subarray(0, from)), GUARD);
  assertEquals(latin1(bytes.subarray(to)), GUARD);
  return {
    content: latin1(bytes.subarray(scan.start, scan.end)),
    rest: latin1(bytes.subarray(scan.read, to)),
    state: scan.state,
    bare: scan.bare,
  };
}

Deno.test("simdScanner() scans as scanData() does, wherever dots and line ends fall in a block", () => {
  const alphabet = ["x", "\r", "\n", "."];
  const text = "y".repeat(140);
  for (let code = 0; code < alphabet.length ** 6; code++) {
    let pattern = "";
    for (let i = 0; i < 6; i++) pattern += alphabet[(code >> (2 * i)) & 3];
    // Around the ends of the blocks, and around that of the read; each of the first a few times only.
    for (const at of [0, 10 + code % 16, 31 + code % 16, text.length - code % 16]) {
      const wire = text.slice(0, at) + pattern + text.slice(at);
      const state = STATES[code % 4]!;
      assertEquals(scanned(simd, wire, state), scanned(scanData, wire, state), pattern);
    }
  }
});

/** Texts of some length in which dots and line ends are frequent. */
const heavyText = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("\r\n..", "\r\n..\r\n.", "\r\n.x", "\r\n") },
    { weight: 1, arbitrary: fc.constantFrom("\r", "\n", "\n.", "\r.", "\r\n.\r", "\r\n.\r\n") },
    { weight: 2, arbitrary: fc.constantFrom(".", "\0", "\x8d", "\x8a", "\xae", "\xff") },
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 40 }).map((length) => "x".repeat(length)) },
  ),
  { minLength: 20, maxLength: 120, size: "max" },
).map((parts) => parts.join(""));

Deno.test("simdScanner() scans as scanData() does, whatever comes first", () => {
  fc.assert(
    fc.property(heavyText, fc.constantFrom(...STATES), (text, state) => {
      assertEquals(scanned(simd, text, state), scanned(scanData, text, state));
    }),
    { numRuns: 2000 },
  );
});

/** All content of a message that is read in pieces, by a scanner alone. */
function wholeScan(scanner: DataScanner, pieces: readonly Uint8Array[]) {
  const scan: DataScan = { state: AT_LINE_START, bare: false, read: 0, start: 0, end: 0 };
  let content = "";
  for (const piece of pieces) {
    const bytes = piece.slice();
    for (let at = 0; at < bytes.length && scan.state !== AT_END;) {
      if (scan.state > AFTER_DOT) scan.state = AFTER_CR; // what the decoder sees to
      scanner(bytes, at, bytes.length, scan);
      assert(scan.read > at);
      content += latin1(bytes.subarray(scan.start, scan.end));
      at = scan.read;
    }
  }
  return { content, state: scan.state, bare: scan.bare };
}

Deno.test("simdScanner() scans as scanData() does, however a message is split", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 20 });
  fc.assert(
    fc.property(heavyText, lengths, (text, cuts) => {
      const pieces = cut(octets(text), cuts);
      assertEquals(wholeScan(simd, pieces), wholeScan(scanData, pieces));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("simdScanner() takes reads of any length", () => {
  const wire = octets(`${"..dot\r\ntext\r\n".repeat(20_000)}.\r\nQUIT\r\n`);
  const expected = wholeScan(scanData, [wire]);
  assertEquals(expected.content, ".dot\r\ntext\r\n".repeat(20_000));
  assertEquals(wholeScan(simd, [wire]), expected);
});

Deno.test("simdScanner() is null where there is no WebAssembly with SIMD", async () => {
  const { WebAssembly } = globalThis;
  class NoSimd {
    constructor() {
      throw new WebAssembly.CompileError("invalid value type 's128'");
    }
  }
  try {
    for (const [index, instead] of [undefined, { Module: NoSimd }].entries()) {
      Reflect.set(globalThis, "WebAssembly", instead);
      const url = new URL(`../../src/smtp/simd_scan.ts?${index}`, import.meta.url).href;
      const fresh: typeof import("../../src/smtp/simd_scan.ts") = await import(url);
      assertNotEquals(fresh.simdScanner, simdScanner);
      assertEquals(fresh.simdScanner(), null);
      assertEquals(fresh.simdScanner(), null);
    }
  } finally {
    Reflect.set(globalThis, "WebAssembly", WebAssembly);
  }
});
