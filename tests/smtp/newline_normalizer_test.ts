import { assertEquals } from "@std/assert";
import { NewlineNormalizer } from "../../src/smtp/newline_normalizer.ts";
import { feed, latin1, octets, splits } from "../support/feed.ts";

function normalize(normalizer: NewlineNormalizer, pieces: readonly Uint8Array[]): string {
  const { results } = feed((cursor) => normalizer.next(cursor), pieces, latin1);
  return results.join("") + latin1(normalizer.finish());
}

const cases: [text: string, normalized: string][] = [
  ["", ""],
  ["one\r\ntwo\r\n", "one\r\ntwo\r\n"],
  ["one\ntwo\n", "one\r\ntwo\r\n"],
  ["one\rtwo\r", "one\r\ntwo\r\n"],
  ["\n\r", "\r\n\r\n"],
  ["\r\r\n\n", "\r\n\r\n\r\n"],
  ["a\0\n\0b\r\n", "a\0\r\n\0b\r\n"],
];

for (const [text, normalized] of cases) {
  Deno.test(`NewlineNormalizer.next() mends ${JSON.stringify(text)}, however it is split`, () => {
    for (const pieces of splits(octets(text))) {
      const normalizer = new NewlineNormalizer();
      assertEquals(normalize(normalizer, pieces), normalized);
      assertEquals(normalizer.bare, text !== normalized);
    }
  });
}

Deno.test("NewlineNormalizer.next() mends more than its buffer holds", () => {
  for (let odd = 0; odd < 4; odd++) {
    const text = `${"y".repeat(odd)}\n${"x".repeat(97)}\r`.repeat(500);
    const expected = text.replace(/\r\n|\r|\n/g, "\r\n");
    assertEquals(normalize(new NewlineNormalizer(), [octets(text)]), expected);
  }
});

Deno.test("NewlineNormalizer.next() loses nothing where its buffer ends in the middle of a CRLF", () => {
  for (const text of ["\n".repeat(20_000), `\nx${"\n".repeat(20_000)}`, "\r".repeat(20_001)]) {
    const pieces = [octets(text)];
    assertEquals(normalize(new NewlineNormalizer(), pieces), text.replace(/[\r\n]/g, "\r\n"));
  }
});

Deno.test("NewlineNormalizer.reset() begins another body", () => {
  const normalizer = new NewlineNormalizer();
  feed((cursor) => normalizer.next(cursor), [octets("a\nb\r")], latin1);
  normalizer.reset();
  assertEquals(normalizer.bare, false);
  assertEquals(normalize(normalizer, [octets("text")]), "text");
});

Deno.test("NewlineNormalizer.pass() remembers a CR in the last place", () => {
  for (const [passed, rest] of [["a\r", "b"], ["a\r", "\nb"], ["a", "\nb"], ["a\r\n", "\nb"]]) {
    const normalizer = new NewlineNormalizer();
    normalizer.pass(octets(passed!));
    normalizer.pass(octets(""));
    const whole = passed + normalize(normalizer, [octets(rest!)]);
    assertEquals(whole, (passed! + rest!).replace(/\r\n|\r|\n/g, "\r\n"));
  }
});
