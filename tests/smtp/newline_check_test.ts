import { assertEquals } from "@std/assert";
import { indexOfBareNewline, NewlineCheck } from "../../src/smtp/newline_check.ts";
import { octets, splits } from "../support/feed.ts";

// RFC 5321 §2.3.8: CR and LF appear as CRLF only. The place is where the fault shows.
const cases: [text: string, place: number | null][] = [
  ["", null],
  ["text", null],
  ["\r\n", null],
  ["one\r\n\r\ntwo\r\n", null],
  ["\n", 0],
  ["one\ntwo", 3],
  ["one\rtwo", 4],
  ["\r\r\n", 1],
  ["\r\n\n", 2],
  ["\r\0\n", 1],
  ["\n\r", 0],
  ["\t\0\x0b\x0c\x0e\x8d\x8a\r\n", null],
  ["\t\0\x0b\x0c\x0e\x8d\x8a\n", 7],
];

for (const [text, place] of cases) {
  Deno.test(`NewlineCheck.scan() judges ${JSON.stringify(text)}, however it is split`, () => {
    for (let length = 0; length < 18; length++) {
      const padded = octets("x".repeat(length) + text);
      for (const pieces of splits(padded)) {
        const check = new NewlineCheck();
        for (const piece of pieces) {
          check.scan(piece);
          check.scan(new Uint8Array(0));
        }
        assertEquals(check.bare, place !== null);
        check.end();
        assertEquals(check.bare, place !== null);
      }
      const expected = place === null ? padded.length : length + place;
      assertEquals(indexOfBareNewline(padded, 0, padded.length, false), expected);
    }
  });
}

Deno.test("NewlineCheck.end() counts a CR in the last place", () => {
  const check = new NewlineCheck();
  check.scan(octets("text\r"));
  assertEquals(check.bare, false);
  check.end();
  assertEquals(check.bare, true);
});

Deno.test("NewlineCheck.reset() begins another body", () => {
  for (const text of ["a\nb", "a\r"]) {
    const check = new NewlineCheck();
    check.scan(octets(text));
    check.reset();
    check.scan(octets("text\r\n"));
    check.end();
    assertEquals(check.bare, false);
  }
});

Deno.test("indexOfBareNewline() goes on after a CR of the octets before", () => {
  assertEquals(indexOfBareNewline(octets("\nx"), 0, 2, true), 2);
  assertEquals(indexOfBareNewline(octets("\n\n"), 0, 2, true), 1);
  assertEquals(indexOfBareNewline(octets("x"), 0, 1, true), 0);
  assertEquals(indexOfBareNewline(octets("x"), 1, 1, true), 1);
});
