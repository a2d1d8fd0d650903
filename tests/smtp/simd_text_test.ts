import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { cursorOver } from "../../src/smtp/cursor.ts";
import { DataEncoder } from "../../src/smtp/data_encoder.ts";
import { has8bit, skipPlain } from "../../src/smtp/simd_text.ts";
import { cut, latin1, octets } from "../support/feed.ts";
import { assembled, codeFile } from "../support/wasm.ts";

Deno.test("simd_text_code.ts is made of simd_text.wat (if not: deno task wasm)", async () => {
  assertEquals(
    await Deno.readTextFile(codeFile("smtp/simd_text")),
    await assembled("smtp/simd_text"),
  );
});

/** Where there is something to do first, by the rules of RFC 5321 §4.5.2 and §2.3.8; the length where nowhere. */
function firstToDo(text: string, lineStart: boolean): number {
  const found = /\r(?!\n|$)|(?<!\r)\n|(?<=\r\n)\./.exec(lineStart ? `\r\n${text}` : text);
  return found === null ? text.length : found.index - (lineStart ? 2 : 0);
}

Deno.test("skipPlain() stops before what is to be done, and in its block, wherever that falls", () => {
  const alphabet = ["x", "\r", "\n", "."];
  const text = "y".repeat(150);
  for (let code = 0; code < alphabet.length ** 5; code++) {
    let pattern = "";
    for (let i = 0; i < 5; i++) pattern += alphabet[(code >> (2 * i)) & 3];
    for (const at of [0, 10 + code % 16, text.length - code % 16]) {
      for (const lineStart of [false, true]) {
        const wire = text.slice(0, at) + pattern + text.slice(at);
        const stop = skipPlain(octets(`..${wire}..`), 2, 2 + wire.length, lineStart) - 2;
        const first = firstToDo(wire, lineStart);
        // A CR is known to stand alone by the octet behind it.
        const seen = wire[first] === "\r" ? first + 1 : first;
        assertEquals(stop, seen - seen % 16, `${JSON.stringify(pattern)} at ${at}`);
      }
    }
  }
});

Deno.test("skipPlain() goes up to 64 KiB at once, and leaves short texts alone", () => {
  assertEquals(skipPlain(new Uint8Array(200_000), 100, 200_000, false), 100 + 65_536);
  assertEquals(skipPlain(new Uint8Array(100), 0, 100, false), 0);
});

Deno.test("has8bit() finds one octet anywhere", () => {
  for (const length of [0, 1, 16, 127, 128, 129, 1000, 70_001]) {
    const bytes = new Uint8Array(length).fill(127);
    assertEquals(has8bit(bytes), false);
    for (const at of [0, 1, 15, 16, 126, 128, 999, 65_535, 65_536, length - 1]) {
      if (at < 0 || at >= length) continue;
      bytes[at] = 128;
      assert(has8bit(bytes), `${at} of ${length}`);
      bytes[at] = 127;
    }
  }
});

/** Long texts in which dots and line ends are far apart, or not. */
const longText = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("\r\n.", "\r\n", ".", "\r\n..\r\n") },
    { weight: 1, arbitrary: fc.constantFrom("\r", "\n", "\n.", "\r.", "\r\r\n") },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 700 }).map((length) => "x".repeat(length)) },
    {
      weight: 2,
      arbitrary: fc.integer({ min: 1, max: 30 }).map((n) => `${"z".repeat(76)}\r\n`.repeat(n)),
    },
  ),
  { maxLength: 40, size: "max" },
).map((parts) => parts.join(""));

/** RFC 5321 §4.5.2, with bare newlines made CRLF first. */
function reference(text: string): string {
  const lines = text.replace(/\r\n|\r|\n/g, "\r\n");
  const ended = lines === "" || lines.endsWith("\r\n") ? lines : `${lines}\r\n`;
  return `${ended.replace(/^\./gm, "..")}.\r\n`;
}

Deno.test("DataEncoder encodes long texts as RFC 5321 says, however they are split", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 10 });
  fc.assert(
    fc.property(longText, lengths, (text, cuts) => {
      const encoder = new DataEncoder({ newlines: "normalize" });
      let wire = "";
      for (const piece of cut(octets(text), cuts)) {
        const cursor = cursorOver(piece);
        for (let result; (result = encoder.next(cursor)) !== null;) {
          if (result.type === "bytes") wire += latin1(result.bytes);
        }
      }
      const last = encoder.finish();
      if (last.type === "bytes") wire += latin1(last.bytes);
      assertEquals(wire, reference(text));
    }),
    { numRuns: 1000 },
  );
});
