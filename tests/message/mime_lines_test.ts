import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, decode, encode } from "../../src/bytes.ts";
import { LineSplitter, WHOLE_LINE } from "../../src/message/mime_lines.ts";

interface Piece {
  readonly text: string;
  readonly starts: boolean;
  readonly ends: boolean;
}

/** The pieces of a text written in chunks of `size`. */
function split(text: string, size: number): Piece[] {
  const pieces: Piece[] = [];
  const splitter = new LineSplitter((piece, starts, ends) =>
    pieces.push({ text: decode(piece), starts, ends })
  );
  const bytes = encode(text);
  for (let at = 0; at < bytes.length; at += size) splitter.write(bytes.slice(at, at + size));
  splitter.end();
  return pieces;
}

Deno.test("LineSplitter gives lines of the usual length whole, however they come (property)", () => {
  const line = fc.oneof(
    fc.constantFrom("", "\r", "\n", "a\rb", "a\nb", "\r\r"),
    fc.integer({ min: 0, max: WHOLE_LINE - 2 }).map((length) => "x".repeat(length)),
  );
  fc.assert(fc.property(fc.array(line), fc.integer({ min: 1, max: 1500 }), (lines, size) => {
    const text = lines.map((one) => `${one}\r\n`).join("");
    // "\r" before a CRLF is content; only CRLF ends a line.
    const expected = text.match(/(?:[^\r]|\r(?!\n))*\r\n/g) ?? [];
    const pieces = split(text, size);
    assertEquals(pieces.map((piece) => piece.text), [...expected]);
    assert(pieces.every(({ starts, ends }) => starts && ends));
  }));
});

Deno.test("LineSplitter gives a line without end in pieces, and never cuts a CRLF", () => {
  for (const size of [1, 7, 999, 1000, 1001, 70_000]) {
    const text = `${"x".repeat(5000)}\r\n${"y".repeat(3000)}\r`;
    const pieces = split(text, size);
    assertEquals(pieces.map((piece) => piece.text).join(""), text);
    assert(pieces.every((piece) => !piece.text.startsWith("\n")));
    assertEquals(pieces.filter(({ starts }) => starts).map((piece) => piece.text[0]), ["x", "y"]);
    assertEquals(pieces.filter(({ ends }) => ends).length, 1);
    assert(pieces.every((piece) => piece.text.length <= WHOLE_LINE + size));
  }
});

Deno.test("LineSplitter gives pieces that later writes do not change", () => {
  const kept: Uint8Array[] = [];
  const splitter = new LineSplitter((piece) => kept.push(piece.slice()));
  const buffer = encode("ab");
  splitter.write(buffer);
  buffer.fill(0);
  splitter.write(encode("c\r\n"));
  assertEquals(decode(concat(kept)), "abc\r\n");
});
