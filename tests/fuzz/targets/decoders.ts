/**
 * Fuzzing of what cuts octets into lines, messages, chunks and replies, each beside a reference that reads its
 * rule off the whole text: slow, and plainly so.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { concat } from "../../../src/bytes.ts";
import { ChunkDecoder } from "../../../src/smtp/chunk_decoder.ts";
import { cursorOver } from "../../../src/smtp/cursor.ts";
import { DataDecoder } from "../../../src/smtp/data_decoder.ts";
import { DataEncoder } from "../../../src/smtp/data_encoder.ts";
import { scanData } from "../../../src/smtp/data_scan.ts";
import { LineDecoder } from "../../../src/smtp/line_decoder.ts";
import { NewlineCheck } from "../../../src/smtp/newline_check.ts";
import { NewlineNormalizer } from "../../../src/smtp/newline_normalizer.ts";
import { ReplyDecoder } from "../../../src/smtp/reply_decoder.ts";
import { has8bit } from "../../../src/smtp/simd_text.ts";
import { feed, latin1, octets } from "../../support/feed.ts";
import { type Chance, waysToCut } from "../engine/chance.ts";
import type { FuzzTarget } from "../engine/target.ts";

const NEWLINES = ["\r\n", "\r", "\n", "\n\r", "\r\r\n", "\r\n\r\n"];
const ENDS = [
  "\r\n.\r\n",
  "\n.\n",
  "\n.\r\n",
  "\r.\r",
  "\r\n.\n",
  "\r\n.\r",
  "\r\n\0.\r\n",
  "\r\n..\r\n",
];

function nearText(chance: Chance): string {
  switch (chance.below(8)) {
    case 0:
      return chance.pick(ENDS);
    case 1:
    case 2:
      return chance.pick(NEWLINES);
    case 3:
      return chance.pick([".", "..", "\0", "\t", "\x0b", "\x0c", "\x0e", "\x8a", "\x8d", "\xff"]);
    case 4:
      return "y".repeat(chance.between(90, 140));
    case 5: // around a page of the WebAssembly memory
      return chance.oneIn(40) ? "z".repeat(65_536 - chance.below(40)) : "z".repeat(16);
    default:
      return "x".repeat(chance.between(1, 20));
  }
}

const hostile = (chance: Chance): Uint8Array => octets(chance.many(1, 40, () => nearText(chance)));

const isBare = (text: string) => /\r(?!\n)|(?<!\r)\n/.test(text);
const normalized = (text: string) => text.replace(/\r\n|\r|\n/g, "\r\n");

/** RFC 5321 §4.5.2 and §4.1.1.4, of a whole message. */
export function referenceData(wire: string) {
  const lined = `\r\n${wire}`;
  const end = lined.indexOf("\r\n.\r\n");
  const message = end < 0 ? lined : lined.slice(0, end + 2);
  const plain = message.split("\r\n").map((line) => line.replace(/^\./, "")).join("\r\n");
  return { content: plain.slice(2), ended: end >= 0, rest: end < 0 ? "" : lined.slice(end + 5) };
}

function decodeData(
  newlines: "strict" | "normalize",
  pieces: readonly Uint8Array[],
  slowly: boolean,
) {
  const decoder = new DataDecoder({ newlines, ...(slowly && { scanner: scanData }) });
  const { results, rest } = feed(
    (cursor) => decoder.next(cursor),
    pieces,
    (result) => result.type === "chunk" ? latin1(result.bytes) : null,
    (result) => result === null,
  );
  assert(!results.includes(""), "an empty chunk");
  const content = results.filter((result) => result !== null).join("");
  return { content, ended: results.includes(null), rest: latin1(rest), bare: decoder.bareNewline };
}

const data: FuzzTarget = {
  name: "data",
  about: "DATA, both newline modes and both scanners, beside a reference, in any split",
  longest: 70_000,
  words: [...ENDS, ...NEWLINES, "\r\n.", "\r\n..", ".", "MAIL FROM:<a@b.c>\r\n"],
  generate: hostile,
  run(input) {
    const expected = referenceData(latin1(input));
    // What is longer than a page of the WebAssembly memory is there for that alone.
    const ways = waysToCut(input).slice(0, input.length > 9_000 ? 1 : undefined);
    for (const [turn, pieces] of ways.entries()) {
      for (const slowly of [false, true]) {
        const strict = decodeData("strict", pieces, slowly);
        // Without its end the last octet may be kept back, or be a CR not known to be bare.
        const known = expected.ended
          ? expected.content
          : expected.content.slice(0, strict.content.length);
        assert(expected.content.length - known.length <= 1, `way ${turn}: octets are missing`);
        assertEquals({ ...strict, bare: true }, { ...expected, content: known, bare: true });
        assertEquals(strict.bare, isBare(expected.ended ? known : known.replace(/\r$/, "")));
        const mended = decodeData("normalize", pieces, slowly);
        assertEquals([mended.ended, mended.rest, mended.bare], [
          strict.ended,
          strict.rest,
          strict.bare,
        ]);
        if (expected.ended) assertEquals(mended.content, normalized(expected.content));
        else assert(normalized(known).startsWith(mended.content), "mended to something else");
      }
    }
  },
};

function encodeData(newlines: "refuse" | "normalize", pieces: readonly Uint8Array[]) {
  const encoder = new DataEncoder({ newlines });
  const { results } = feed(
    (cursor) => encoder.next(cursor),
    pieces,
    (result) => result.type === "bytes" ? latin1(result.bytes) : null,
    (result) => result === null,
  );
  const last = encoder.finish();
  if (results.includes(null) || last.type === "bare-newline") return null;
  return results.join("") + latin1(last.bytes);
}

/** A message of lines as DATA carries it; the end included. */
function referenceWire(text: string): string {
  const lines = text === "" ? [] : text.replace(/\r\n$/, "").split("\r\n");
  return lines.map((line) => `${line.startsWith(".") ? "." : ""}${line}\r\n`).join("") + ".\r\n";
}

const encoder: FuzzTarget = {
  name: "data-encoder",
  about: "what goes out by DATA: as the reference writes it, one end, nothing bare, in any split",
  longest: 9_000,
  words: [...ENDS, ...NEWLINES],
  generate: hostile,
  run(input) {
    const text = latin1(input);
    for (const pieces of waysToCut(input)) {
      const mended = encodeData("normalize", pieces);
      assertEquals(mended, referenceWire(normalized(text)));
      assertEquals(encodeData("refuse", pieces), isBare(text) ? null : mended);
      assertEquals(referenceData(mended!).rest, "", "a second message");
    }
    assertEquals(has8bit(input), /[\x80-\xff]/.test(text));
  },
};

const bdat: FuzzTarget = {
  name: "bdat",
  about: "BDAT chunks: the first octet says how many sizes follow, then the octets of all chunks",
  words: ["\r\n", "\r", "\n", "\0"],
  generate(chance) {
    const sizes = Array.from({ length: chance.below(6) }, () => chance.below(40));
    return concat([Uint8Array.of(sizes.length, ...sizes), hostile(chance)]);
  },
  run(input) {
    const count = Math.min((input[0] ?? 0) % 8, input.length);
    const sizes = input.slice(1, 1 + count);
    const stream = input.slice(1 + count);
    for (const pieces of waysToCut(stream)) runBdat(sizes, stream, pieces);
  },
};

function runBdat(sizes: Uint8Array, stream: Uint8Array, pieces: readonly Uint8Array[]): void {
  const decoder = new ChunkDecoder();
  const check = new NewlineCheck();
  const mender = new NewlineNormalizer();
  const taken: string[] = [];
  const mended: string[] = [];
  let rest = "";
  let chunk = 0;
  const begin = () => {
    if (chunk < sizes.length) {
      decoder.start(sizes[chunk]!);
      taken.push("");
    }
  };
  begin();
  for (const piece of pieces) {
    const cursor = cursorOver(piece);
    for (let result; chunk < sizes.length && (result = decoder.next(cursor)) !== null;) {
      if (result.type === "end") {
        chunk++;
        begin();
        continue;
      }
      taken[chunk] += latin1(result.bytes);
      check.scan(result.bytes);
      const content = cursorOver(result.bytes.slice());
      for (let part; (part = mender.next(content)) !== null;) mended.push(latin1(part));
    }
    rest += latin1(cursor.bytes.subarray(cursor.at, cursor.end));
  }
  check.end();
  mended.push(latin1(mender.finish()));
  let at = 0;
  for (const [index, size] of sizes.entries()) {
    const expected = latin1(stream.subarray(at, at + size));
    if (index < taken.length) assertEquals(taken[index], expected, `chunk ${index}`);
    else assertEquals(expected, "");
    at += size;
  }
  const whole = latin1(stream.subarray(0, at));
  assertEquals(rest, latin1(stream.subarray(at)));
  assertEquals(mended.join(""), normalized(whole));
  assertEquals([check.bare, mender.bare], [isBare(whole), isBare(whole)]);
}

const LINE_LIMIT = 40;
const HOPELESS = 200;

/** Lines by RFC 5321 §2.3.8: only CRLF ends one, and an LF alone is a fault. */
function referenceLines(text: string): string[] {
  const found: string[] = [];
  for (const part of text.split(/(?<=\n)/)) {
    if (part.length > HOPELESS) return [...found, "!hopeless"];
    if (!part.endsWith("\n")) break;
    if (!part.endsWith("\r\n")) found.push("!bare-newline");
    else found.push(part.length > LINE_LIMIT ? "!too-long" : part.slice(0, -2));
  }
  return found;
}

const line: FuzzTarget = {
  name: "line",
  about: "command lines, their length limit and bare LF, beside a reference, in any split",
  words: [...NEWLINES, "x".repeat(38), "x".repeat(39), "x".repeat(200)],
  generate: (chance) =>
    octets(
      chance.many(1, 20, () =>
        chance.oneIn(6)
          ? nearText(chance)
          : "a".repeat(chance.oneIn(8) ? chance.between(30, 210) : chance.below(9)) + "\r\n"),
    ),
  run(input) {
    const expected = referenceLines(latin1(input));
    for (const pieces of waysToCut(input)) {
      const decoder = new LineDecoder(LINE_LIMIT, HOPELESS);
      const { results } = feed(
        (cursor) => decoder.next(cursor),
        pieces,
        (result) => result.type === "line" ? latin1(result.line) : `!${result.type}`,
        (result) => result === "!hopeless",
      );
      assertEquals(results, expected);
    }
  },
};

const REPLY_LIMITS = { replyLine: 40, replyLines: 4, reply: 100 };

/** Replies by RFC 5321 §4.2, without limits and enhanced codes: codes and texts, `!` for what is none. */
function referenceReplies(text: string): string[] {
  const found: string[] = [];
  let lines: string[] = [];
  for (const part of text.split(/(?<=\n)/)) {
    if (part.endsWith("\n") && !part.endsWith("\r\n")) return [...found, "!"];
    if (part.length > REPLY_LIMITS.reply) return [...found, "!"];
    if (!part.endsWith("\n")) break;
    const whole = part.slice(0, -2);
    const code = whole.slice(0, 3);
    const isLine = /^[1-5][0-9][0-9]$/.test(code) && ["", " ", "-"].includes(whole.slice(3, 4));
    const size = [...lines, whole].reduce((sum, each) => sum + each.length, 0);
    if (
      !isLine || part.length > REPLY_LIMITS.replyLine || size > REPLY_LIMITS.reply ||
      lines.length === REPLY_LIMITS.replyLines || !(lines[0] ?? code).startsWith(code)
    ) return [...found, "!"];
    lines.push(whole);
    if (whole[3] === "-") continue;
    found.push(`${code} ${lines.length}`);
    lines = [];
  }
  return found;
}

const reply: FuzzTarget = {
  name: "reply",
  about: "replies of a hostile server beside a reference: bounded, printable, in any split",
  words: ["250 ", "250-", "550 5.1.1 ", "354 ", "\r\n", "\n", "2.0.0 ", "\x1b[2J", "\u202e"],
  generate: (chance) =>
    octets(chance.many(1, 8, () => {
      const code = chance.pick(["250", "250", "354", "421", "550", "199", "600", "25"]);
      const text = () =>
        chance.pick(["", "ok", "5.1.1 no", "2.0.0", "a\tb", "\xe7\x94\xa8", "\x1b[m"]);
      const first = chance.many(0, 3, () => `${code}-${text()}\r\n`);
      return `${first}${code}${chance.pick([" ", " ", ""])}${text()}${
        chance.oneIn(9) ? chance.pick(NEWLINES) : "\r\n"
      }`;
    })),
  run(input) {
    const expected = referenceReplies(latin1(input));
    let first: string | null = null;
    for (const pieces of waysToCut(input)) {
      const decoder = new ReplyDecoder(REPLY_LIMITS);
      const { results } = feed(
        (cursor) => decoder.next(cursor),
        pieces,
        (result) => result,
        (result) => result.type === "garbage",
      );
      const short = results.map((r) =>
        r.type === "garbage" ? "!" : `${r.reply.code} ${r.reply.lines.length}`
      );
      assertEquals(short, expected);
      for (const result of results) {
        if (result.type === "garbage") continue;
        const { lines, enhanced = "" } = result.reply;
        for (const text of lines) assert(!/\p{Cc}|[\u202a-\u202e\u2066-\u2069]/u.test(text), text);
        assert(enhanced === "" || /^[245]\.\d{1,3}\.\d{1,3}$/.test(enhanced));
      }
      first ??= JSON.stringify(results);
      assertEquals(JSON.stringify(results), first, "the split makes a difference");
    }
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [line, data, encoder, bdat, reply];
