import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { cursorOver } from "../../src/smtp/cursor.ts";
import { DataDecoder, type DataResult } from "../../src/smtp/data_decoder.ts";
import { type DataScanner, scanData } from "../../src/smtp/data_scan.ts";
import { octetsAllocated } from "../support/allocation.ts";
import { feed, latin1, octets, splits } from "../support/feed.ts";

type Mode = "strict" | "normalize";

/** A chunk as its text, the end as `null`. */
function show(result: DataResult): string | null {
  return result.type === "chunk" ? latin1(result.bytes) : null;
}

function decode(decoder: DataDecoder, pieces: readonly Uint8Array[]) {
  const { results, rest } = feed(
    (cursor) => decoder.next(cursor),
    pieces,
    show,
    (result) => result === null,
  );
  return {
    content: results.filter((result) => result !== null).join(""),
    ended: results.includes(null),
    rest: latin1(rest),
    bare: decoder.bareNewline,
  };
}

/** Lines before the case, so that it falls on every alignment of the scan. */
const paddings = ["", ...Array.from({ length: 17 }, (_, length) => `${"x".repeat(length)}\r\n`)];

// RFC 5321 §4.5.2: a line that is a dot alone ends the message; of any other that begins with a dot, the dot goes.
// §4.1.1.4: the CRLF before the dot is that of the last line, and belongs to the message.
const transparency: [wire: string, content: string, rest: string][] = [
  [".\r\n", "", ""],
  [".\r\nQUIT\r\n", "", "QUIT\r\n"],
  ["a\r\n.\r\n", "a\r\n", ""],
  ["\r\n.\r\n", "\r\n", ""],
  ["..\r\n.\r\n", ".\r\n", ""],
  ["...\r\n.\r\n", "..\r\n", ""],
  [".a\r\n.\r\n", "a\r\n", ""],
  ["..a\r\n..b\r\n.\r\n", ".a\r\n.b\r\n", ""],
  ["a.\r\n.\r\n", "a.\r\n", ""],
  ["a..b\r\n.\r\n", "a..b\r\n", ""],
  [". \r\n.\r\n", " \r\n", ""],
  ["a\r\n.\r\n.\r\n", "a\r\n", ".\r\n"],
  ["a\r\n.\r\n\r\n.\r\n", "a\r\n", "\r\n.\r\n"],
  ["a\r\n..\r\nb\r\n.\r\nMAIL FROM:<>\r\n", "a\r\n.\r\nb\r\n", "MAIL FROM:<>\r\n"],
  ["\0\xff\x80\r\n.\r\n\xff", "\0\xff\x80\r\n", "\xff"],
  ["\ttab\x0b\x0c\x0e\r\n.\r\n", "\ttab\x0b\x0c\x0e\r\n", ""],
];

for (const mode of ["strict", "normalize"] as Mode[]) {
  for (const [wire, content, rest] of transparency) {
    Deno.test(`DataDecoder.next() reads ${JSON.stringify(wire)}, ${mode}, however it is split`, () => {
      for (const padding of paddings) {
        for (const pieces of splits(octets(padding + wire))) {
          const decoder = new DataDecoder({ newlines: mode });
          const expected = { content: padding + content, ended: true, rest, bare: false };
          assertEquals(decode(decoder, pieces), expected);
        }
      }
    });
  }
}

const unfinished: [wire: string, content: string][] = [
  ["", ""],
  ["a", "a"],
  ["a\r", "a\r"],
  ["a\r\n", "a\r\n"],
  ["a\r\n.", "a\r\n"],
  ["a\r\n.\r", "a\r\n"],
  ["a\r\n..", "a\r\n."],
  ["a\r\n..\r\n", "a\r\n.\r\n"],
];

Deno.test("DataDecoder.next() holds back nothing but the dot and CR that may be the end", () => {
  for (const [wire, content] of unfinished) {
    for (const pieces of splits(octets(wire))) {
      for (const mode of ["strict", "normalize"] as Mode[]) {
        const expected = { content, ended: false, rest: "", bare: false };
        assertEquals(decode(new DataDecoder({ newlines: mode }), pieces), expected, wire);
      }
    }
  }
});

// What bare CR and LF become: the strict content keeps them, the normalised one has CRLF for each.
const bareNewlines: [wire: string, strict: string, normalized: string][] = [
  ["a\nb\r\n.\r\n", "a\nb\r\n", "a\r\nb\r\n"],
  ["a\rb\r\n.\r\n", "a\rb\r\n", "a\r\nb\r\n"],
  ["\n\r\n.\r\n", "\n\r\n", "\r\n\r\n"],
  ["a\r\r\n.\r\n", "a\r\r\n", "a\r\n\r\n"],
  ["a\n\r\r\n.\r\n", "a\n\r\r\n", "a\r\n\r\n\r\n"],
  ["a\n..b\r\n.\r\n", "a\n..b\r\n", "a\r\n..b\r\n"], // not a line start: no dot is taken out
  ["a\r..b\r\n.\r\n", "a\r..b\r\n", "a\r\n..b\r\n"],
  [".\rb\r\n.\r\n", "\rb\r\n", "\r\nb\r\n"],
  ["a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "a\r\n\r\nb\r\n"],
  ["a\r\n.\r.\r\n.\r\n", "a\r\n\r.\r\n", "a\r\n\r\n.\r\n"],
  ["a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", "a\r\n\r\n\r\n"],
  ["a\r\n.\n.\r\n.\r\n", "a\r\n\n.\r\n", "a\r\n\r\n.\r\n"],
];

for (const [wire, strict, normalized] of bareNewlines) {
  Deno.test(`DataDecoder.next() notes or mends the bare newline of ${JSON.stringify(wire)}`, () => {
    for (const padding of paddings) {
      for (const pieces of splits(octets(`${padding}${wire}QUIT\r\n`))) {
        for (const mode of ["strict", "normalize"] as Mode[]) {
          const content = padding + (mode === "strict" ? strict : normalized);
          const expected = { content, ended: true, rest: "QUIT\r\n", bare: true };
          assertEquals(decode(new DataDecoder({ newlines: mode }), pieces), expected);
        }
      }
    }
  });
}

/** What some server somewhere takes for a line end, or for nothing at all. */
const newlines = [
  "\r\n",
  "\n",
  "\r",
  "\n\r",
  "\r\r\n",
  "\r\0\n",
  "\0\r\n",
  "\r\n\0",
  "\0\n",
  "\r\0",
];

Deno.test("DataDecoder.next() ends a message at CRLF.CRLF and at nothing that resembles it", () => {
  let tried = 0;
  for (const before of newlines) {
    for (const after of newlines) {
      for (const dot of [".", "\0.", ".\0"]) {
        const sequence = before + dot + after;
        if (sequence.includes("\r\n.\r\n")) continue; // that is the end, whatever stands about it
        tried++;
        const smuggled = `body${sequence}MAIL FROM:<a@b.example>\r\nDATA\r\nx\r\n.\r\n`;
        for (const mode of ["strict", "normalize"] as Mode[]) {
          for (const pieces of splits(octets(`${smuggled}QUIT\r\n`))) {
            const result = decode(new DataDecoder({ newlines: mode }), pieces);
            assertEquals([result.ended, result.rest], [true, "QUIT\r\n"], JSON.stringify(sequence));
            assert(result.content.includes("MAIL FROM:<a@b.example>\r\nDATA\r\nx\r\n"));
            const clean = /^(?:\0?\r\n\0?)$/.test(before) && /^(?:\0?\r\n\0?)$/.test(after);
            assertEquals(result.bare, !clean, JSON.stringify(sequence));
          }
        }
      }
    }
  }
  assertEquals(tried, 10 * 10 * 3 - 3 * 2); // CRLF.CRLF hides in: CRLF, CR CRLF, NUL CRLF . CRLF, CRLF NUL
});

Deno.test("DataDecoder.next() stays at the end until reset()", () => {
  const decoder = new DataDecoder({ newlines: "strict" });
  const cursor = cursorOver(octets("a\nb\r\n.\r\nc\r\n.\r\n"));
  assertEquals(decoder.next(cursor)?.type, "chunk");
  for (let i = 0; i < 2; i++) {
    assertEquals(decoder.next(cursor), { type: "end" });
    assertEquals(cursor.at, 8);
  }
  assertEquals(decoder.bareNewline, true);
  decoder.reset();
  assertEquals(decoder.bareNewline, false);
  assertEquals(decoder.next(cursor), { type: "chunk", bytes: octets("c\r\n") });
  assertEquals(decoder.next(cursor), { type: "end" });
});

Deno.test("DataDecoder.reset() forgets a message broken off anywhere", () => {
  for (const beginning of ["a", "a\r", "\r\n.", "\r\n.\r", "a\n"]) {
    for (const mode of ["strict", "normalize"] as Mode[]) {
      const decoder = new DataDecoder({ newlines: mode });
      decode(decoder, [octets(beginning)]);
      decoder.reset();
      const expected = { content: ".b\r\n", ended: true, rest: "", bare: false };
      assertEquals(decode(decoder, [octets("..b\r\n.\r\n")]), expected);
      decoder.reset();
      decode(decoder, [octets(beginning)]);
      decoder.reset();
      const bare = mode === "strict" ? "\nb\r\n" : "\r\nb\r\n";
      assertEquals(decode(decoder, [octets("\nb\r\n.\r\n")]).content, bare);
    }
  }
});

Deno.test("DataDecoder.next() gives one view of a read, and copies nothing", () => {
  for (const line of ["x".repeat(76), "..dot", "."]) {
    const wire = octets(`a${line}\r\n.${line}\r\n`.repeat(65536 / (2 * line.length + 6)));
    const expected = latin1(wire).replace(/\n\./g, "\n");
    for (const mode of ["strict", "normalize"] as Mode[]) {
      const cursor = cursorOver(wire.slice());
      const decoder = new DataDecoder({ newlines: mode });
      let result: DataResult | null = null;
      const allocated = octetsAllocated(() => {
        result = decoder.next(cursor);
        assertEquals(decoder.next(cursor), null);
      });
      const chunk = result as DataResult | null;
      assert(chunk?.type === "chunk");
      assertStrictEquals(chunk.bytes.buffer, cursor.bytes.buffer);
      assertEquals(latin1(chunk.bytes), expected);
      assertEquals(allocated, 0);
    }
  }
});

Deno.test("DataDecoder.next() moves nothing for a dot that a read begins with", () => {
  const decoder = new DataDecoder({ newlines: "strict" });
  const cursor = cursorOver(octets("..one\r\ntwo"));
  const result = decoder.next(cursor);
  assert(result?.type === "chunk");
  assertEquals([result.bytes.byteOffset, latin1(result.bytes)], [1, ".one\r\ntwo"]);
});

Deno.test("DataDecoder.next() mends bare newlines in few pieces and bounded memory", () => {
  const decoder = new DataDecoder({ newlines: "normalize" });
  let pieces = 0;
  let length = 0;
  const read = octets("\n".repeat(65536));
  const allocated = octetsAllocated(() => {
    for (let i = 0; i < 16; i++) {
      const cursor = cursorOver(read);
      for (let result; (result = decoder.next(cursor)) !== null;) {
        assert(result.type === "chunk");
        pieces++;
        length += result.bytes.length;
      }
    }
  });
  assertEquals(length, 16 * 2 * 65536);
  assert(pieces <= 16 * 32, `${pieces} pieces`);
  assert(allocated <= 16384, `${allocated} octets`);
});

Deno.test("DataDecoder takes another scanner", () => {
  let scanned = 0;
  const scanner: DataScanner = (bytes, from, to, scan) => {
    scanned += to - from;
    scanData(bytes, from, to, scan);
  };
  const decoder = new DataDecoder({ newlines: "strict", scanner });
  const expected = { content: ".a\r\n", ended: true, rest: "", bare: false };
  assertEquals(decode(decoder, [octets("..a\r\n.\r\n")]), expected);
  assertEquals(scanned, 8);
});
