import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { cursorOver } from "../../src/smtp/cursor.ts";
import { LINE_START, LineDecoder, type LineResult } from "../../src/smtp/line_decoder.ts";
import { octetsAllocated } from "../support/allocation.ts";
import { feed, latin1, octets, splits } from "../support/feed.ts";

/** A line as `"=text"`, anything else by its type. */
function show(result: LineResult): string {
  return result.type === "line" ? `=${latin1(result.line)}` : result.type;
}

function decodeAll(decoder: LineDecoder, pieces: readonly Uint8Array[]): string[] {
  return feed((cursor) => decoder.next(cursor), pieces, show).results;
}

const LIMIT = 16;

// RFC 5321 §2.3.8: lines end with CRLF and nothing else. §4.5.3.1.4: the limit counts the CRLF.
const cases: [title: string, input: string, results: string[], pending: boolean][] = [
  ["one line", "NOOP\r\n", ["=NOOP"], false],
  ["an empty line", "\r\n", ["="], false],
  ["a pipelined group", "RSET\r\nNOOP\r\nQUIT\r\n", ["=RSET", "=NOOP", "=QUIT"], false],
  ["the beginning of a line", "RSET\r\nNO", ["=RSET"], true],
  ["a line without its LF", "RSET\r", [], true],
  ["a bare CR in a line", "NO\rOP\r\n", ["=NO\rOP"], false],
  ["a CR before CRLF", "NOOP\r\r\n", ["=NOOP\r"], false],
  ["NUL and octets above 127", "\0\xff\r\n", ["=\0\xff"], false],
  ["a line as long as allowed", "12345678901234\r\n", ["=12345678901234"], false],
  ["a line one octet too long", "123456789012345\r\nNOOP\r\n", ["too-long", "=NOOP"], false],
  ["a line far too long", `${"x".repeat(40)}\r\nNOOP\r\n`, ["too-long", "=NOOP"], false],
  ["too long, no end yet", "x".repeat(40), [], true],
  ["too long, with a bare CR", `${"x".repeat(20)}\rx\r\nNOOP\r\n`, ["too-long", "=NOOP"], false],
  ["a bare LF", "NOOP\nRSET\r\n", ["bare-newline", "=RSET"], false],
  ["a bare LF first", "\nRSET\r\n", ["bare-newline", "=RSET"], false],
  ["a bare LF after CRLF", "RSET\r\n\n", ["=RSET", "bare-newline"], false],
  ["CR NUL LF", "RSET\r\0\nRSET\r\n", ["bare-newline", "=RSET"], false],
  ["a bare LF in a line too long", `${"x".repeat(40)}\nNOOP\r\n`, ["bare-newline", "=NOOP"], false],
];

for (const [title, input, results, pending] of cases) {
  Deno.test(`LineDecoder.next() reads ${title}, however it is split`, () => {
    for (const pieces of splits(octets(input))) {
      const decoder = new LineDecoder(LIMIT);
      assertEquals(decodeAll(decoder, pieces), results);
      assertEquals(decoder.pending, pending);
    }
  });
}

Deno.test("LineDecoder.next() leaves what follows a line to the next decoder", () => {
  for (const pieces of splits(octets("DATA\r\n.\nx\r\n"))) {
    const decoder = new LineDecoder(LIMIT);
    const fed = feed((cursor) => decoder.next(cursor), pieces, show, () => true);
    assertEquals(fed.results, ["=DATA"]);
    assertEquals(latin1(fed.rest), ".\nx\r\n");
    assertEquals(decoder.pending, false);
  }
});

Deno.test("LineDecoder.next() gives a view when the line lies in one read, and nothing is copied", () => {
  const cursor = cursorOver(octets("EHLO client.example\r\nNOOP\r\n"));
  const decoder = new LineDecoder(512);
  const allocated = octetsAllocated(() => {
    for (const at of [0, 21]) {
      const result = decoder.next(cursor);
      assert(result?.type === "line");
      assertStrictEquals(result.line.buffer, cursor.bytes.buffer);
      assertEquals(result.line.byteOffset, at);
    }
  });
  assertEquals(allocated, 0);
});

Deno.test("LineDecoder.next() says hopeless for a line past the second bound, and nothing else after", () => {
  for (const pieces of splits(octets(`${"x".repeat(63)}\r\nNOOP\r\n`))) {
    const decoder = new LineDecoder(LIMIT, 64);
    const results = decodeAllHopeless(decoder, pieces);
    assertEquals(results, ["hopeless"]);
  }
  for (const pieces of splits(octets(`${"x".repeat(62)}\r\nNOOP\r\n`))) {
    assertEquals(decodeAll(new LineDecoder(LIMIT, 64), pieces), ["too-long", "=NOOP"]);
  }
});

/** Hopelessness never ends, so the driver has to stop asking. */
function decodeAllHopeless(decoder: LineDecoder, pieces: readonly Uint8Array[]): string[] {
  const stop = (result: string) => result === "hopeless";
  const { results, rest } = feed((cursor) => decoder.next(cursor), pieces, show, stop);
  const after = cursorOver(rest);
  assertEquals(decoder.next(after), { type: "hopeless" });
  assertEquals(after.at, rest.length);
  return results;
}

Deno.test("LineDecoder.next() keeps no more than its limit of a line without end", () => {
  const decoder = new LineDecoder(2048, 64 * 1024 * 1024);
  const read = octets("x".repeat(1000));
  const allocated = octetsAllocated(() => {
    for (let i = 0; i < 10_000; i++) {
      assertEquals(decoder.next({ bytes: read, at: 0, end: read.length }), null);
    }
  });
  assert(allocated <= 2 * 2048, `${allocated} octets for 10 MB`);
  const start = octets("x".repeat(LINE_START));
  assertEquals(decoder.next(cursorOver(octets("\r\n"))), { type: "too-long", start });
});

Deno.test("LineDecoder.next() gives the start of a line that is too long, however it was split", () => {
  for (const length of [LIMIT, LINE_START - 1, LINE_START, 2 * LINE_START]) {
    const line = Array.from({ length }, (_, at) => String.fromCharCode(65 + at % 26)).join("");
    for (const pieces of splits(octets(`${line}\r\n`))) {
      const decoder = new LineDecoder(LIMIT);
      const starts: string[] = [];
      feed((cursor) => decoder.next(cursor), pieces, (result) => {
        starts.push(result.type === "too-long" ? latin1(result.start) : result.type);
      });
      assertEquals(starts, [`${line}\r\n`.slice(0, LINE_START)]);
    }
  }
});

Deno.test("LineDecoder.limit can be changed from line to line", () => {
  for (const pieces of splits(octets(`${"A".repeat(100)}\r\n${"B".repeat(100)}\r\n`))) {
    const decoder = new LineDecoder(102);
    const results: string[] = [];
    feed((cursor) => decoder.next(cursor), pieces, (result) => {
      results.push(result.type);
      decoder.limit = LIMIT;
    });
    assertEquals(results, ["line", "too-long"]);
  }
});

Deno.test("LineDecoder.limit holds for the line that has begun", () => {
  const decoder = new LineDecoder(102);
  assertEquals(decoder.next(cursorOver(octets("A".repeat(50)))), null);
  decoder.limit = LIMIT;
  const start = octets(`${"A".repeat(50)}\r\n`);
  assertEquals(decoder.next(cursorOver(octets("\r\n"))), { type: "too-long", start });
});

Deno.test("LineDecoder.reset() forgets the beginning of a line", () => {
  for (const beginning of ["NOO", "NOO\r", "x".repeat(40), "x".repeat(100)]) {
    const decoder = new LineDecoder(LIMIT, 64);
    decoder.next(cursorOver(octets(beginning)));
    decoder.reset();
    assertEquals(decoder.pending, false);
    assertEquals(decodeAll(decoder, [octets("QUIT\r\n\n")]), ["=QUIT", "bare-newline"]);
  }
});
