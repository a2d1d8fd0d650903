import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, decode, encode } from "../../../src/bytes.ts";
import {
  formatJournalLines,
  type JournalLine,
  parseJournal,
} from "../../../src/queue/spool/segment_journal.ts";

const NONCE = "0123456789abcdef0123456789abcdef";
const HEADER = encode(`yizhan-journal 1 ${NONCE}\n`);
const LINES: readonly JournalLine[] = [
  { verb: "done", place: 100, text: "m1" },
  { verb: "entry", place: 2000, text: '{"version":1}' },
  { verb: "moved", place: 2000, text: "m2" },
];

function lineOf(line: JournalLine): Uint8Array {
  return formatJournalLines(NONCE, [line]);
}

function journalOf(lines: readonly JournalLine[]): Uint8Array {
  return concat([HEADER, formatJournalLines(NONCE, lines)]);
}

Deno.test("parseJournal() gives what formatJournalLines() wrote", () => {
  const line = fc.record({
    verb: fc.constantFrom("done" as const, "moved" as const, "entry" as const, "refused" as const),
    place: fc.nat(),
    text: fc.string({
      unit: fc.constantFrom("a", " ", "{", '"', "é", "驿", "\r", "\u2028", "\u2029"),
    }),
  });
  fc.assert(fc.property(fc.array(line), (lines) => {
    const parsed = parseJournal(journalOf(lines), NONCE);
    assertEquals(parsed, { nonce: NONCE, lines, damaged: [] });
  }));
});

Deno.test("formatJournalLines() writes what a person can read", () => {
  assert(/^[0-9a-f]{8} done 100 m1\n$/.test(decode(lineOf(LINES[0]!))));
});

Deno.test("parseJournal() never throws, and finds nothing in what is no journal", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
    assertEquals(parseJournal(octets, NONCE).lines, []);
  }));
});

Deno.test("parseJournal() of a journal cut at any octet gives the lines before the cut, and no damage", () => {
  const whole = journalOf(LINES);
  let ends = HEADER.length;
  const lengths = LINES.map((line) => ends += lineOf(line).length);
  for (let cut = 0; cut <= whole.length; cut++) {
    const { lines, damaged } = parseJournal(whole.subarray(0, cut), NONCE);
    assertEquals(lines, LINES.filter((_, index) => lengths[index]! <= cut), `cut at ${cut}`);
    assertEquals(damaged, []);
  }
});

Deno.test("parseJournal() passes over a line that is damaged, and says where", () => {
  const whole = journalOf(LINES);
  const from = HEADER.length;
  const to = from + lineOf(LINES[0]!).length;
  for (let at = from; at < to - 1; at++) {
    const flipped = whole.slice();
    flipped[at]! ^= 0x10;
    const { lines, damaged } = parseJournal(flipped, NONCE);
    assertEquals(lines, LINES.slice(1), `octet ${at}`);
    assertEquals(damaged, [{ from, to }]);
  }
});

Deno.test("parseJournal() takes no line of another segment's journal", () => {
  const other = NONCE.replace("0", "f");
  assertEquals(parseJournal(journalOf(LINES), other).lines, []);
  assertEquals(parseJournal(journalOf(LINES), null).lines, LINES);
});

Deno.test("parseJournal() passes over line ends alone at the end, and tells of those before a line", () => {
  const filling = encode("\n".repeat(1000));
  const [first, ...rest] = LINES.map(lineOf);
  const at = HEADER.length + first!.length;
  assertEquals(parseJournal(concat([HEADER, first!, filling]), NONCE), {
    nonce: NONCE,
    lines: LINES.slice(0, 1),
    damaged: [],
  });
  assertEquals(parseJournal(concat([HEADER, first!, filling, ...rest, filling]), NONCE), {
    nonce: NONCE,
    lines: LINES,
    damaged: [{ from: at, to: at + 1000 }],
  });
});
