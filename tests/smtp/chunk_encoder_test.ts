import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat } from "../../src/bytes.ts";
import { ChunkEncoder, type ChunkEncoderOptions } from "../../src/smtp/chunk_encoder.ts";
import { cut, latin1, octets } from "../support/feed.ts";

/** What goes out for the pieces, each of which is overwritten afterwards; `!` when it is refused. */
function encodeAll(options: ChunkEncoderOptions, pieces: readonly Uint8Array[]): string {
  const encoder = new ChunkEncoder(options);
  const out: Uint8Array[] = [];
  for (const piece of pieces) {
    const given = piece.slice();
    const chunk = encoder.write(given);
    given.fill(0x21);
    if (chunk === null) continue;
    if ("type" in chunk) return "!";
    out.push(chunk);
  }
  const last = encoder.finish();
  return "type" in last ? "!" : latin1(concat([...out, last]));
}

const KEEP = { newlines: "keep", chunk: 6 } as const;

Deno.test("ChunkEncoder gathers octets into BDAT chunks (RFC 3030 §2)", () => {
  assertEquals(encodeAll(KEEP, []), "BDAT 0 LAST\r\n");
  assertEquals(encodeAll(KEEP, [octets("abc"), octets("de")]), "BDAT 5 LAST\r\nabcde");
  assertEquals(
    encodeAll(KEEP, [octets("abc"), octets("def"), octets("g")]),
    "BDAT 6\r\nabcdefBDAT 1 LAST\r\ng",
  );
  assertEquals(encodeAll(KEEP, [octets("abcdefghi")]), "BDAT 9\r\nabcdefghiBDAT 0 LAST\r\n");
});

Deno.test("ChunkEncoder keeps, mends or refuses bare newlines, however they are split", () => {
  const cases = [["a\nb", "a\r\nb"], ["a\rb", "a\r\nb"], ["a\r", "a\r\n"], ["\n", "\r\n"]] as const;
  for (const [text, mended] of cases) {
    for (const lengths of [[], [1, 1, 1], [2]]) {
      const pieces = cut(octets(text), lengths);
      const all = { chunk: 1000 };
      assertEquals(encodeAll({ newlines: "refuse", ...all }, pieces), "!");
      assertEquals(
        encodeAll({ newlines: "normalize", ...all }, pieces),
        `BDAT ${mended.length} LAST\r\n${mended}`,
      );
      assertEquals(
        encodeAll({ newlines: "keep", ...all }, pieces),
        `BDAT ${text.length} LAST\r\n${text}`,
      );
    }
  }
  assertEquals(
    encodeAll({ newlines: "refuse", chunk: 9 }, cut(octets("a\r\nb\r\n"), [2, 1])),
    "BDAT 6 LAST\r\na\r\nb\r\n",
  );
});

Deno.test("ChunkEncoder writes chunks that add up to the message", () => {
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(fc.integer({ min: 1, max: 9 })),
    (message, lengths) => {
      const wire = encodeAll(KEEP, cut(message, lengths));
      let rest = wire;
      let read = "";
      for (let last = false; !last;) {
        const head = /^BDAT (\d+)( LAST)?\r\n/.exec(rest);
        assert(head !== null, JSON.stringify(rest));
        const from = head[0].length;
        read += rest.slice(from, from + Number(head[1]));
        rest = rest.slice(from + Number(head[1]));
        last = head[2] !== undefined;
      }
      assertEquals([read, rest], [latin1(message), ""]);
    },
  ));
});
