/**
 * Messages before and after transcoding, read by Python's email package: every part must decode to the
 * same octets, and nothing may be left that the transport does not take.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, encode } from "../../src/bytes.ts";
import { transcode } from "../../src/message/transcode.ts";
import { encodeBase64, interopTest, octets, runPython } from "./support.ts";

interface Read {
  readonly parts: readonly { readonly type: string; readonly octets: string }[];
  readonly headers: readonly (readonly [string, string])[];
}

/** Lines that make content; some are like boundaries, but are none. */
const TEXT_LINE = fc.oneof(
  fc.constantFrom(
    "Grüße aus Köln",
    "驿站传书，马不停蹄",
    "plain text",
    "",
    ".",
    "--",
    "=3D=",
    "tail \t ",
  ),
  fc.string({ unit: "grapheme", maxLength: 120 }).map((text) => text.replace(/\p{C}/gu, "")),
  fc.constant("x".repeat(900)),
).map(encode);
const LATIN_LINE = fc.constantFrom("caf\xe9", "\xff\xfe odd", "--b\xf6x").map(octets);
const BINARY_LINE = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom("a\0b", "x".repeat(5000), "\xe4".repeat(1200)).map(octets),
).map((line) => line.map((octet) => octet === 10 || octet === 13 ? 32 : octet));

interface Part {
  readonly header: string;
  readonly content: Uint8Array;
}

const CRLF = encode("\r\n");
const contentOf = (lines: readonly Uint8Array[]) =>
  concat(lines.flatMap((line, index) => index === 0 ? [line] : [CRLF, line]));

const leaf = (
  types: readonly string[],
  line: fc.Arbitrary<Uint8Array>,
  labels: readonly string[],
) =>
  fc.record({
    type: fc.constantFrom(...types),
    label: fc.constantFrom(...labels),
    lines: fc.array(line, { maxLength: 6 }),
  }).map(({ type, label, lines }): Part => ({
    header: `${type}${label === "" ? "" : `Content-Transfer-Encoding: ${label}\r\n`}`,
    content: contentOf(lines),
  }));

const TEXT = leaf(
  ["Content-Type: text/plain; charset=utf-8\r\n", "content-type: TEXT/HTML\r\n", ""],
  fc.oneof(TEXT_LINE, LATIN_LINE),
  ["8bit", "8BIT (really)", "", "binary"],
);
const BINARY = leaf(
  ['Content-Type: application/octet-stream;\r\n\tname="b"\r\n', "Content-Type: image/png\r\n"],
  BINARY_LINE,
  ["binary", "8bit"],
);
const ENCODED: fc.Arbitrary<Part> = fc.constantFrom(
  {
    header: "Content-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n",
    content: encode("R0lGODlhAQABAIAAAP\r\n///wAAACw="),
  },
  {
    header: "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n",
    content: encode("caf=C3=A9 =\r\nau lait"),
  },
);

/** Whole messages, the parts of multiparts in them with boundaries that differ by depth. */
const PART = fc.letrec<{ part: Part; multipart: Part; message: Part }>((tie) => ({
  part: fc.oneof({ maxDepth: 3 }, TEXT, BINARY, ENCODED, tie("multipart"), tie("message")),
  multipart: fc.record({
    parts: fc.array(tie("part"), { minLength: 1, maxLength: 4 }),
    boundary: fc.nat(1e9).map((n) => `=_b ${n}`),
    around: fc.constantFrom("", "preamble", "two\r\nlines"),
    closed: fc.boolean(),
  }).map(({ parts, boundary, around, closed }) => ({
    header: `Content-Type: multipart/mixed;\r\n boundary="${boundary}"\r\n` +
      "Content-Transfer-Encoding: 8bit\r\n",
    content: concat([
      encode(around),
      ...parts.flatMap(({ header, content }) => [
        encode(`\r\n--${boundary}\r\n${header}\r\n`),
        content,
      ]),
      encode(closed ? `\r\n--${boundary}--` : `\r\n--${boundary}--\r\n${around}`),
    ]),
  })),
  message: tie("part").map(({ header, content }) => ({
    header: "Content-Type: message/rfc822\r\n",
    content: concat([encode(`Subject: inner\r\nMIME-Version: 1.0\r\n${header}\r\n`), content]),
  })),
})).part;

/** A body in chunks of a length that cuts lines anywhere. */
async function* inChunks(body: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += size) yield body.slice(at, at + size);
}

for (const to of ["7bit", "8bit"] as const) {
  interopTest(
    `Python's email reads the same parts after transcode() to ${to}`,
    ["python3"],
    async () => {
      const samples = fc.sample(fc.tuple(PART, fc.constantFrom(7, 100, 4096)), {
        numRuns: 400,
        seed: 5,
      });
      const messages: Uint8Array[] = [];
      let changed = 0;
      for (const [{ header, content }, size] of samples) {
        const head = encode(`From: a@example.org\r\nMIME-Version: 1.0\r\n${header}`);
        const body = concat([content, CRLF]);
        const made = await transcode({ head, openBody: () => inChunks(body, size) }, to);
        assert(made !== null);
        const chunks: Uint8Array[] = [];
        for await (const chunk of made.openBody()) chunks.push(chunk.slice());
        const after = concat(chunks);
        assertEquals(made.bodySize, after.length);
        assertFits(after, to);
        if (made.head !== head) changed++;
        messages.push(concat([head, CRLF, body]), concat([made.head, CRLF, after]));
      }
      assert(changed > 100, `only ${changed} messages needed anything`);
      const read = await runPython<Read[]>("mime_parts.py", {
        messages: messages.map(encodeBase64),
        strict: false,
      });
      for (let at = 0; at < read.length; at += 2) {
        const text = new TextDecoder().decode(messages[at]);
        assertEquals(partsOf(read[at + 1]), partsOf(read[at]), text);
      }
    },
  );
}

function partsOf(read: Read | undefined): string[] {
  return read?.parts.map(({ type, octets }) => `${type} ${octets}`) ?? [];
}

function assertFits(body: Uint8Array, to: "7bit" | "8bit"): void {
  if (to === "7bit") assert(body.every((octet) => octet < 0x80), "8-bit octets are left");
  assert(!body.includes(0), "NUL is left");
  const text = new TextDecoder("latin1").decode(body);
  assert(text.split("\r\n").every((line) => line.length <= 998 && !/[\r\n]/.test(line)));
}
