import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { decode, decodeStrict, encode } from "../../src/bytes.ts";
import { foldLongLines, hasLongLine } from "../../src/message/fold_lines.ts";
import { fieldValue, parseFields } from "../../src/message/header.ts";

Deno.test("hasLongLine() counts up to the CRLF", () => {
  const line = (length: number) => encode(`a\r\n${"x".repeat(length)}\r\n`);
  assertEquals([hasLongLine(line(998)), hasLongLine(line(999))], [false, true]);
  assertEquals(hasLongLine(encode("x".repeat(999))), true);
  assertEquals(hasLongLine(new Uint8Array()), false);
});

Deno.test("foldLongLines() breaks words between characters, and leaves no line of white space alone", () => {
  const text = decode(foldLongLines(encode(`X: ${"ü用".repeat(900)}${" ".repeat(3000)}z\r\n`)));
  assertEquals(text.replace(/[\r\n ]/g, ""), `X:${"ü用".repeat(900)}z`);
  assert(!/\n[ \t]*\r/.test(text));
});

Deno.test("foldLongLines() keeps fields and their words (property)", () => {
  const word = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.integer({ min: 900, max: 2100 }).map((n) => "w".repeat(n)),
  );
  const value = fc.array(word, { maxLength: 40 }).map((words) =>
    words.join(" ").replace(/[^ -~]/g, "ü")
  );
  fc.assert(fc.property(fc.array(value, { minLength: 1, maxLength: 3 }), (values) => {
    const head = encode(values.map((value, index) => `X${index}: ${value}\r\n`).join(""));
    const folded = foldLongLines(head);
    assert(!hasLongLine(folded) && decodeStrict(folded) !== null);
    const fields = parseFields(folded);
    assertEquals(fields.map(({ name }) => name), values.map((_, index) => `X${index}`));
    const squeeze = (text: string) => text.replace(/ /g, "");
    assertEquals(fields.map(fieldValue).map(squeeze), values.map(squeeze));
  }));
});
