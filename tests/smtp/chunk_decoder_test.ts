import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { ChunkDecoder, type ChunkResult } from "../../src/smtp/chunk_decoder.ts";
import { cursorOver } from "../../src/smtp/cursor.ts";
import { feed, latin1, octets, splits } from "../support/feed.ts";

function show(result: ChunkResult): string | null {
  return result.type === "chunk" ? latin1(result.bytes) : null;
}

// RFC 3030 §2: exactly that many octets, of any value, no end mark.
const cases: [size: number, input: string, content: string, rest: string | null][] = [
  [0, "NOOP\r\n", "", "NOOP\r\n"],
  [3, "abc", "abc", ""],
  [3, "abcRSET\r\n", "abc", "RSET\r\n"],
  [9, "a\r\n.\r\n\n\r.\r\n", "a\r\n.\r\n\n\r.", "\r\n"],
  [4, "\0\xff\n\r\n", "\0\xff\n\r", "\n"],
  [5, "abc", "abc", null],
];

for (const [size, input, content, rest] of cases) {
  Deno.test(`ChunkDecoder.next() takes ${size} octets of ${JSON.stringify(input)}`, () => {
    for (const pieces of splits(octets(input))) {
      const decoder = new ChunkDecoder();
      decoder.start(size);
      const isEnd = (result: string | null) => result === null;
      const fed = feed((cursor) => decoder.next(cursor), pieces, show, isEnd);
      assertEquals(fed.results.filter((result) => result !== null).join(""), content);
      if (rest === null || rest === "") assertEquals(latin1(fed.rest), "");
      else assertEquals([fed.results.at(-1), latin1(fed.rest)], [null, rest]);
      assertEquals(decoder.remaining, size - content.length);
    }
  });
}

Deno.test("ChunkDecoder.next() says the end once, without waiting for more octets", () => {
  const decoder = new ChunkDecoder();
  const empty = cursorOver(new Uint8Array(0));
  assertEquals(decoder.next(empty), null);
  decoder.start(0);
  assertEquals(decoder.next(empty), { type: "end" });
  assertEquals(decoder.next(empty), null);
  decoder.start(1);
  assertEquals(decoder.next(empty), null);
  const cursor = cursorOver(octets("ab"));
  assertEquals(decoder.next(cursor), { type: "chunk", bytes: octets("a") });
  assertEquals(decoder.next(empty), { type: "end" });
  assertEquals(decoder.next(cursor), null);
  assertEquals(cursor.at, 1);
});

Deno.test("ChunkDecoder.next() gives views", () => {
  const decoder = new ChunkDecoder();
  decoder.start(2 ** 40);
  const cursor = cursorOver(octets("abc"));
  const result = decoder.next(cursor);
  assertStrictEquals(result?.type === "chunk" && result.bytes.buffer, cursor.bytes.buffer);
  assertEquals(decoder.remaining, 2 ** 40 - 3);
});

Deno.test("ChunkDecoder.start() throws for what is no count of octets", () => {
  for (const size of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(() => new ChunkDecoder().start(size), RangeError);
  }
});
