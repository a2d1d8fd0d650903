import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describeReply, type Reply } from "../../src/smtp/reply.ts";
import { boundReply, ReplyDecoder, type ReplyResult } from "../../src/smtp/reply_decoder.ts";
import { cut, feed, latin1, octets, splits } from "../support/feed.ts";

const LIMITS = { replyLine: 40, replyLines: 4, reply: 100 };

/** `250 2.0.0 a|b`, or the reason behind `!`. */
function show(result: ReplyResult): string {
  if (result.type === "garbage") return `!${result.why}`;
  const { code, enhanced, lines } = result.reply;
  return `${code}${enhanced === undefined ? "" : ` ${enhanced}`} ${lines.join("|")}`;
}

function decodeAll(pieces: readonly Uint8Array[]): { results: string[]; rest: Uint8Array } {
  const decoder = new ReplyDecoder(LIMITS);
  return feed((cursor) => decoder.next(cursor), pieces, show, (r) => r.startsWith("!"));
}

const cases: [title: string, input: string, results: string[]][] = [
  ["one line", "250 ok\r\n", ["250 ok"]],
  ["several lines", "250-one\r\n250-two\r\n250 three\r\n", ["250 one|two|three"]],
  ["several replies", "250 a\r\n354 b\r\n421 c\r\n", ["250 a", "354 b", "421 c"]],
  ["a reply whose end is missing", "250 a\r\n250-b\r\n25", ["250 a"]],
  ["a code alone (RFC 5321 §4.2)", "250\r\n250 \r\n250-\r\n250\r\n", ["250 ", "250 ", "250 |"]],
  ["enhanced codes", "550-5.1.1 no\r\n550 5.1.1 here\r\n", ["550 5.1.1 no|here"]],
  ["an enhanced code alone", "250 2.0.0\r\n", ["250 2.0.0 "]],
  ["an enhanced code of another class", "550 4.1.1 no\r\n", ["550 4.1.1 no"]],
  ["what only looks like one", "220 2.0.0.1 x\r\n250 2.1.1234 y\r\n", [
    "220 2.0.0.1 x",
    "250 2.1.1234 y",
  ]],
  ["lines with different enhanced codes", "550-5.1.1 a\r\n550 5.2.2 b\r\n", [
    "550 5.1.1 a|5.2.2 b",
  ]],
  ["no enhanced code in 3xx", "354 3.0.0 go\r\n", ["354 3.0.0 go"]],
  ["controls", "250 a\0b\x1b[2J\x7f\tc\rd\r\n", ["250 a?b?[2J? c?d"]],
  ["UTF-8", "250 \xe7\x94\xa8\r\n", ["250 用"]],
  ["no UTF-8", "250 \xff\r\n", ["250 \ufffd"]],
  ["codes that differ", "250-a\r\n251 b\r\n", [
    "!a reply whose lines have different codes, 250 and 251",
  ]],
  ["a bare LF (a reply within a reply)", "550 <a\n250 ok\r\n", [
    "!a reply line that does not end in CRLF",
  ]],
  ["no digits", "hello\r\n", ["!a line that is no SMTP reply"]],
  ["two digits", "25 ok\r\n", ["!a line that is no SMTP reply"]],
  ["four digits", "2500 ok\r\n", ["!a line that is no SMTP reply"]],
  ["a code from 600 on", "600 ok\r\n", ["!a line that is no SMTP reply"]],
  ["an empty line", "\r\n", ["!a line that is no SMTP reply"]],
  ["a space before the code", " 250 ok\r\n", ["!a line that is no SMTP reply"]],
  ["a line as long as allowed", `250 ${"x".repeat(34)}\r\n`, [`250 ${"x".repeat(34)}`]],
  ["a line too long", `250 ${"x".repeat(35)}\r\n`, ["!a reply line of more than 40 octets"]],
  ["a line without end", "x".repeat(101), ["!a reply line of more than 40 octets"]],
  ["as many lines as allowed", "250-a\r\n".repeat(3) + "250 a\r\n", ["250 a|a|a|a"]],
  ["too many lines", "250-a\r\n".repeat(5), ["!a reply of more than 4 lines"]],
  ["too many octets", `250-${"x".repeat(34)}\r\n`.repeat(3), [
    "!a reply of more than 100 octets",
  ]],
];

for (const [title, input, results] of cases) {
  Deno.test(`ReplyDecoder.next() reads ${title}, however it is split`, () => {
    for (const pieces of splits(octets(input))) assertEquals(decodeAll(pieces).results, results);
  });
}

Deno.test("ReplyDecoder.next() leaves what follows a reply in the cursor", () => {
  for (const pieces of splits(octets("220-a\r\n220 go\r\n\x16\x03\x01"))) {
    const decoder = new ReplyDecoder(LIMITS);
    const fed = feed((cursor) => decoder.next(cursor), pieces, show, () => true);
    assertEquals(fed.results, ["220 a|go"]);
    assertEquals(latin1(fed.rest), "\x16\x03\x01");
  }
});

Deno.test("ReplyDecoder.next() never throws, and gives the same however octets are split", () => {
  const piece = fc.oneof(
    fc.constantFrom("250", "550", " ", "-", "\r\n", "\r", "\n", "5.1.1", "x".repeat(30)),
    fc.uint8Array({ maxLength: 5 }).map(latin1),
  );
  fc.assert(fc.property(
    fc.array(piece, { maxLength: 30 }).map((parts) => octets(parts.join(""))),
    fc.array(fc.integer({ min: 1, max: 9 })),
    (input, lengths) => {
      assertEquals(decodeAll(cut(input, lengths)).results, decodeAll([input]).results);
    },
  ));
});

Deno.test("boundReply() cuts long lines between characters, and many lines", () => {
  const short: Reply = { code: 550, enhanced: "5.1.1", lines: ["no"] };
  assertEquals(boundReply(short), short);
  const long = boundReply({ code: 550, lines: [`${"x".repeat(498)}😀${"x".repeat(9)}`] });
  assertEquals(long.lines, [`${"x".repeat(498)}\ufffd…`]);
  const many = boundReply({ code: 550, lines: new Array<string>(30).fill("x") });
  assertEquals(describeReply(many), `550 ${"x ".repeat(19)}…`);
});
