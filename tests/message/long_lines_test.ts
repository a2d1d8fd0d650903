import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../src/bytes.ts";
import { LongLines } from "../../src/message/long_lines.ts";

/** What RFC 5322 §2.1.1 says, in one line. */
function hasLongLine(text: string): boolean {
  return text.split("\r\n").some((line) => line.length > 998);
}

function found(text: string, cuts: readonly number[]): boolean {
  const lines = new LongLines();
  const octets = encode(text);
  const places = [...cuts.map((cut) => cut % (octets.length + 1)), 0, octets.length]
    .sort((a, b) => a - b);
  places.forEach((place, index) => lines.write(octets.subarray(places[index - 1] ?? 0, place)));
  return lines.found;
}

Deno.test("LongLines finds lines over 998 octets, however the text comes (property)", () => {
  const line = fc.oneof(fc.nat(120), fc.integer({ min: 990, max: 1010 }));
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 6 }),
      (lengths, cuts) => {
        const text = lengths.map((length) => `${"x".repeat(length)}\r\n`).join("");
        assertEquals(found(text, cuts), hasLongLine(text));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("LongLines sees a long line that does not end, and forgets none that it has seen", () => {
  assertEquals(found("x".repeat(998), []), false);
  assertEquals(found("x".repeat(1100), [100, 500, 900]), true);
  assertEquals(found(`${"x".repeat(999)}\r\n${"short\r\n".repeat(1000)}`, [3000]), true);
  assertEquals(found("", []), false);
});
