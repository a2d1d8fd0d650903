import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { cursorOver } from "../../src/smtp/cursor.ts";
import { DataEncoder, type EncodeResult } from "../../src/smtp/data_encoder.ts";
import { octetsAllocated } from "../support/allocation.ts";
import { feed, latin1, octets, splits } from "../support/feed.ts";

/** The octets as text, a refusal as `null`. */
function show(result: EncodeResult): string | null {
  return result.type === "bytes" ? latin1(result.bytes) : null;
}

/** The whole wire form, or `null` when the message is refused. */
function encode(newlines: "refuse" | "normalize", pieces: readonly Uint8Array[]): string | null {
  const encoder = new DataEncoder({ newlines });
  const isRefusal = (result: string | null) => result === null;
  const { results } = feed((cursor) => encoder.next(cursor), pieces, show, isRefusal);
  const all = [...results, show(encoder.finish())];
  if (!all.includes(null)) return all.join("");
  assertEquals(encoder.next(cursorOver(octets("\n.\r\n"))), { type: "bare-newline" });
  assertEquals(encoder.next(cursorOver(octets(""))), { type: "bare-newline" });
  assertEquals(encoder.finish(), { type: "bare-newline" });
  return null;
}

const paddings = ["", ...Array.from({ length: 17 }, (_, length) => `${"x".repeat(length)}\r\n`)];

// RFC 5321 §4.5.2: before a line that begins with a dot, one more. §4.1.1.4: a last line without CRLF gets it.
const cases: [content: string, wire: string][] = [
  ["", ".\r\n"],
  ["a\r\n", "a\r\n.\r\n"],
  ["a", "a\r\n.\r\n"],
  [".", "..\r\n.\r\n"],
  [".\r\n", "..\r\n.\r\n"],
  ["..\r\n", "...\r\n.\r\n"],
  [".a\r\n.b", "..a\r\n..b\r\n.\r\n"],
  ["a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
  ["a.b\r\n", "a.b\r\n.\r\n"],
  ["\r\n", "\r\n.\r\n"],
  ["\0\xff\t\r\n.\0", "\0\xff\t\r\n..\0\r\n.\r\n"],
];

for (const newlines of ["refuse", "normalize"] as const) {
  for (const [content, wire] of cases) {
    Deno.test(`DataEncoder.next() writes ${JSON.stringify(content)}, ${newlines}, however it is split`, () => {
      for (const padding of paddings) {
        for (const pieces of splits(octets(padding + content))) {
          assertEquals(encode(newlines, pieces), padding + wire);
        }
      }
    });
  }
}

const bare: [content: string, normalized: string][] = [
  ["a\n.b\r\n", "a\r\n..b\r\n.\r\n"],
  ["a\r.b\r\n", "a\r\n..b\r\n.\r\n"],
  ["a\n.\nMAIL\r\n", "a\r\n..\r\nMAIL\r\n.\r\n"],
  ["a\r.\rMAIL\r\n", "a\r\n..\r\nMAIL\r\n.\r\n"],
  ["a\r\n.\r\r\n", "a\r\n..\r\n\r\n.\r\n"],
  ["\n", "\r\n.\r\n"],
  ["\r", "\r\n.\r\n"],
  ["a\r", "a\r\n.\r\n"],
  ["a\r\n\r", "a\r\n\r\n.\r\n"],
  ["a\r\0\n", "a\r\n\0\r\n.\r\n"],
];

for (const [content, normalized] of bare) {
  Deno.test(`DataEncoder.next() refuses or mends ${JSON.stringify(content)}, however it is split`, () => {
    for (const padding of paddings) {
      for (const pieces of splits(octets(padding + content))) {
        assertEquals(encode("refuse", pieces), null);
        assertEquals(encode("normalize", pieces), padding + normalized);
      }
    }
  });
}

Deno.test("DataEncoder.next() writes long stretches and crowds of dots alike", () => {
  const long = "x".repeat(2000);
  for (const line of [`.${long}\r\n`, `${long}\r\n.`, ".\r\n", `..${"y".repeat(30)}\r\n`]) {
    const content = line.repeat(Math.ceil(100_000 / line.length));
    const expected = `${`\n${content}`.replaceAll("\n.", "\n..").slice(1)}`;
    const end = content.endsWith("\r\n") ? ".\r\n" : "\r\n.\r\n";
    assertEquals(encode("refuse", [octets(content)]), expected + end);
  }
});

Deno.test("DataEncoder.next() gives a view where no dot begins a line", () => {
  const cursor = cursorOver(octets(`${"x".repeat(76)}\r\n`.repeat(800)));
  const encoder = new DataEncoder({ newlines: "refuse" });
  const allocated = octetsAllocated(() => {
    const result = encoder.next(cursor);
    assert(result?.type === "bytes");
    assertStrictEquals(result.bytes.buffer, cursor.bytes.buffer);
    assertEquals(result.bytes.length, cursor.end);
  });
  assertEquals(allocated, 0);
});

Deno.test("DataEncoder.next() gathers crowded dots into few pieces", () => {
  const cursor = cursorOver(octets(".\r\n".repeat(21845)));
  const encoder = new DataEncoder({ newlines: "refuse" });
  let pieces = 0;
  const allocated = octetsAllocated(() => {
    while (encoder.next(cursor) !== null) pieces++;
  });
  assert(pieces <= 8, `${pieces} pieces`);
  assert(allocated <= 32768, `${allocated} octets`);
});
