import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat } from "../../src/bytes.ts";
import { ChunkDecoder } from "../../src/smtp/chunk_decoder.ts";
import { DataDecoder } from "../../src/smtp/data_decoder.ts";
import { DataEncoder } from "../../src/smtp/data_encoder.ts";
import { LineDecoder } from "../../src/smtp/line_decoder.ts";
import { NewlineCheck } from "../../src/smtp/newline_check.ts";
import { NewlineNormalizer } from "../../src/smtp/newline_normalizer.ts";
import { cut, feed, latin1, octets } from "../support/feed.ts";

/** Texts in which line ends, dots and near misses of both are frequent, one character an octet. */
const hostileText = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom("\r\n", "\r", "\n", ".", "\r\n.", "\r\n.\r\n", "\r\n.."),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom("\0", "\t", "\x0d\x0d", "\x0e", "\x7f", "\x8a", "\x8d", "\xff"),
    },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 20 }).map((length) => "x".repeat(length)) },
    { weight: 1, arbitrary: fc.integer({ min: 90, max: 130 }).map((length) => "y".repeat(length)) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    },
  ),
  { maxLength: 40, size: "max" },
).map((parts) => parts.join(""));

/** Well-formed content: CRLF only. */
const cleanText = hostileText.map((text) => text.replace(/\r\n|\r|\n/g, "\r\n"));

const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60, size: "max" });

const runs = { numRuns: 1000 };

/** The rules of RFC 5321 read off a whole message: slow, and plainly so. */
function referenceDecode(wire: string) {
  const lined = `\r\n${wire}`;
  const end = lined.indexOf("\r\n.\r\n");
  const message = end < 0 ? lined : lined.slice(0, end + 2);
  const content = message.split("\r\n").map((line) => line.replace(/^\./, "")).join("\r\n").slice(
    2,
  );
  return { content, ended: end >= 0, rest: end < 0 ? "" : lined.slice(end + 5) };
}

function isBare(text: string): boolean {
  return /\r(?!\n)|(?<!\r)\n/.test(text);
}

function normalized(text: string): string {
  return text.replace(/\r\n|\r|\n/g, "\r\n");
}

function decodeData(newlines: "strict" | "normalize", pieces: readonly Uint8Array[]) {
  const decoder = new DataDecoder({ newlines });
  const { results, rest } = feed(
    (cursor) => decoder.next(cursor),
    pieces,
    (result) => result.type === "chunk" ? latin1(result.bytes) : null,
    (result) => result === null,
  );
  assert(!results.includes(""), "an empty chunk");
  return {
    content: results.filter((result) => result !== null).join(""),
    ended: results.includes(null),
    rest: latin1(rest),
    bare: decoder.bareNewline,
  };
}

function encodeData(
  newlines: "refuse" | "normalize",
  pieces: readonly Uint8Array[],
): string | null {
  const encoder = new DataEncoder({ newlines });
  const { results } = feed(
    (cursor) => encoder.next(cursor),
    pieces,
    (result) => result.type === "bytes" ? latin1(result.bytes) : null,
    (result) => result === null,
  );
  const last = encoder.finish();
  if (last.type === "bare-newline" || results.includes(null)) {
    assertEquals(last.type, "bare-newline");
    return null;
  }
  return results.join("") + latin1(last.bytes);
}

Deno.test("DataDecoder decodes as the reference does, for any octets and any split", () => {
  fc.assert(
    fc.property(hostileText, lengths, (wire, cuts) => {
      const expected = referenceDecode(wire);
      const pieces = cut(octets(wire), cuts);

      const strict = decodeData("strict", pieces);
      // Of a message without its end the last octet may still be kept back, or be a CR not known to be bare.
      const known = expected.ended
        ? expected.content
        : expected.content.slice(0, strict.content.length);
      assertEquals(strict, { ...expected, content: known, bare: strict.bare });
      assert(expected.content.length - known.length <= 1);
      assertEquals(strict.bare, isBare(expected.ended ? known : known.replace(/\r$/, "")));

      const mended = decodeData("normalize", pieces);
      assertEquals(mended.bare, strict.bare);
      assertEquals([mended.ended, mended.rest], [strict.ended, strict.rest]);
      if (expected.ended) assertEquals(mended.content, normalized(expected.content));
      else assert(normalized(known).startsWith(mended.content));
    }),
    runs,
  );
});

Deno.test("DataDecoder gives back what DataEncoder wrote, and one message only", () => {
  fc.assert(
    fc.property(cleanText, lengths, lengths, (content, encoderCuts, decoderCuts) => {
      const wire = encodeData("refuse", cut(octets(content), encoderCuts));
      assert(wire !== null);
      assertEquals(encodeData("normalize", cut(octets(content), decoderCuts)), wire);
      const whole = content === "" || content.endsWith("\r\n") ? content : `${content}\r\n`;
      for (const newlines of ["strict", "normalize"] as const) {
        const decoded = decodeData(newlines, cut(octets(`${wire}QUIT\r\n`), decoderCuts));
        assertEquals(decoded, { content: whole, ended: true, rest: "QUIT\r\n", bare: false });
      }
    }),
    runs,
  );
});

Deno.test("DataEncoder lets no octets end a message early, even for a peer that ends lines at CR or LF", () => {
  fc.assert(
    fc.property(hostileText, lengths, (content, cuts) => {
      const pieces = cut(octets(content), cuts);
      assertEquals(encodeData("refuse", pieces) === null, isBare(content));
      const wire = encodeData("normalize", pieces);
      assert(wire !== null && !isBare(wire));
      const lax = `\n${wire}`.search(/[\r\n]\.[\r\n]/);
      assertEquals(lax, wire.length - 3);
      const mended = normalized(content);
      const whole = mended === "" || mended.endsWith("\r\n") ? mended : `${mended}\r\n`;
      assertEquals(referenceDecode(wire), { content: whole, ended: true, rest: "" });
    }),
    runs,
  );
});

Deno.test("NewlineCheck and NewlineNormalizer agree with the rule, for any octets and any split", () => {
  fc.assert(
    fc.property(hostileText, lengths, (text, cuts) => {
      const pieces = cut(octets(text), cuts);
      const check = new NewlineCheck();
      for (const piece of pieces) check.scan(piece);
      check.end();
      assertEquals(check.bare, isBare(text));

      const normalizer = new NewlineNormalizer();
      const { results } = feed((cursor) => normalizer.next(cursor), pieces, latin1);
      const all = results.join("") + latin1(normalizer.finish());
      assertEquals(all, normalized(text));
      assertEquals(normalizer.bare, isBare(text));
    }),
    runs,
  );
});

/** Lines by the rules, on the whole input: up to the first LF each. */
function referenceLines(text: string, limit: number, hopelessAfter: number): string[] {
  const results: string[] = [];
  for (let rest = text; rest !== "";) {
    const lf = rest.indexOf("\n");
    const line = lf < 0 ? rest : rest.slice(0, lf + 1);
    if (line.length > hopelessAfter) return [...results, "hopeless"];
    if (lf < 0) return results;
    if (!line.endsWith("\r\n")) results.push("bare-newline");
    else results.push(line.length > limit ? "too-long" : `=${line.slice(0, -2)}`);
    rest = rest.slice(lf + 1);
  }
  return results;
}

Deno.test("LineDecoder decodes as the reference does, for any octets and any split", () => {
  fc.assert(
    fc.property(hostileText, lengths, fc.integer({ min: 2, max: 200 }), (text, cuts, limit) => {
      const decoder = new LineDecoder(limit, 260);
      const { results } = feed(
        (cursor) => decoder.next(cursor),
        cut(octets(text), cuts),
        (result) => result.type === "line" ? `=${latin1(result.line)}` : result.type,
        (result) => result === "hopeless",
      );
      assertEquals(results, referenceLines(text, limit, 260));
    }),
    runs,
  );
});

Deno.test("LineDecoder, DataDecoder and ChunkDecoder share one stream without losing an octet", () => {
  const session = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant("line" as const),
        text: fc.string({ maxLength: 20, unit: "grapheme-ascii" }),
      }),
      fc.record({ kind: fc.constant("data" as const), text: cleanText }),
      fc.record({ kind: fc.constant("chunk" as const), text: hostileText }),
    ),
    { maxLength: 12, size: "max" },
  );
  fc.assert(
    fc.property(session, lengths, (parts, cuts) => {
      const wire = parts.map(({ kind, text }) => {
        if (kind === "line") return `${text}\r\n`;
        return kind === "data" ? encodeData("refuse", [octets(text)])! : text;
      });
      assertEquals(readSession(parts, cut(octets(wire.join("")), cuts)), parts.map(whole));
    }),
    runs,
  );
});

type Part = { kind: "line" | "data" | "chunk"; text: string };

/** What arrives of a part: DATA ends its last line. */
function whole({ kind, text }: Part): string {
  return kind !== "data" || text === "" || text.endsWith("\r\n") ? text : `${text}\r\n`;
}

/** Reads the parts with the decoder of each, changing over as a session does. */
function readSession(parts: readonly Part[], pieces: readonly Uint8Array[]): string[] {
  const lines = new LineDecoder(512);
  const data = new DataDecoder({ newlines: "strict" });
  const chunks = new ChunkDecoder();
  const read: string[] = [];
  let content: Uint8Array[] = [];
  const begin = () => {
    const part = parts[read.length];
    if (part?.kind === "data") data.reset();
    if (part?.kind === "chunk") chunks.start(part.text.length);
  };
  begin();
  for (const piece of [...pieces, new Uint8Array(0)]) { // the last lets an empty chunk end
    const cursor = { bytes: piece.slice(), at: 0, end: piece.length };
    for (let part = parts[read.length]; part !== undefined; part = parts[read.length]) {
      const decoder = { line: lines, data, chunk: chunks }[part.kind];
      const result = decoder.next(cursor);
      if (result === null) break;
      if (result.type === "chunk") {
        content.push(result.bytes.slice());
        continue;
      }
      read.push(result.type === "line" ? latin1(result.line) : latin1(concat(content)));
      content = [];
      begin();
    }
    assertEquals(cursor.at, cursor.end);
  }
  return read;
}
