import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { CanonicalBody } from "../../../src/mailauth/dkim/canonical_body.ts";
import type { Canonicalization } from "../../../src/mailauth/dkim/canonical_field.ts";
import { cut, latin1, octets, splits } from "../../support/feed.ts";

const BOTH = ["simple", "relaxed"] as const;

/** RFC 6376 §3.4.3 and §3.4.4 in so many words, over a whole body. */
function reference(body: string, canonicalization: Canonicalization): string {
  if (canonicalization === "simple") return `${body.replace(/(?:\r\n)+$/, "")}\r\n`;
  const lines = body.replace(/[ \t]+/g, " ").replace(/ (?=\r\n|$)/g, "");
  const text = lines.replace(/(?:\r\n)+$/, "");
  return text === "" ? "" : `${text}\r\n`;
}

function canonical(pieces: Iterable<Uint8Array>, canonicalization: Canonicalization): string {
  let text = "";
  const body = new CanonicalBody(canonicalization, (octets) => text += latin1(octets));
  for (const piece of pieces) {
    const own = piece.slice();
    body.write(own);
    own.fill(0x20); // the view is not kept
  }
  body.end();
  return text;
}

Deno.test("CanonicalBody gives what RFC 6376 has as examples", () => {
  const cases: [body: string, simple: string, relaxed: string][] = [
    // §3.4.5
    [" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"],
    // §3.4.3: no body, and no CRLF at its end
    ["", "\r\n", ""],
    ["x", "x\r\n", "x\r\n"],
    // §3.4.4: lines of white space alone are empty lines
    ["\r\n\r\n", "\r\n", ""],
    [" \t\r\n \r\n", " \t\r\n \r\n", ""],
    ["x\r\n \r\n\t\r\n", "x\r\n \r\n\t\r\n", "x\r\n"],
    ["\r\n\r\nx", "\r\n\r\nx\r\n", "\r\n\r\nx\r\n"],
  ];
  for (const [body, simple, relaxed] of cases) {
    assertEquals(canonical([octets(body)], "simple"), simple, JSON.stringify(body));
    assertEquals(canonical([octets(body)], "relaxed"), relaxed, JSON.stringify(body));
  }
});

Deno.test("CanonicalBody takes CR and LF that stand alone for text, as with BINARYMIME", () => {
  const cases: [body: string, simple: string, relaxed: string][] = [
    ["x \n", "x \n\r\n", "x \n\r\n"],
    ["x \r", "x \r\r\n", "x \r\r\n"],
    ["\r", "\r\r\n", "\r\r\n"],
    ["\n", "\n\r\n", "\n\r\n"],
    ["\r\r\n", "\r\r\n", "\r\r\n"],
    [" \r\r\n\r\n", " \r\r\n", " \r\r\n"],
    ["\r\n\r", "\r\n\r\r\n", "\r\n\r\r\n"],
  ];
  for (const [body, simple, relaxed] of cases) {
    assertEquals(canonical([octets(body)], "simple"), simple, JSON.stringify(body));
    assertEquals(canonical([octets(body)], "relaxed"), relaxed, JSON.stringify(body));
  }
});

Deno.test("CanonicalBody gives the same for every short body, however it is cut in two", () => {
  const alphabet = ["x", " ", "\t", "\r", "\n", "\r\n"];
  for (let code = 0; code < alphabet.length ** 5; code++) {
    const digits = code.toString(alphabet.length).padStart(5, "0");
    const body = [...digits].map((digit) => alphabet[Number(digit)]).join("");
    for (const canonicalization of BOTH) {
      const wanted = reference(body, canonicalization);
      for (const pieces of splits(octets(body))) {
        assertEquals(canonical(pieces, canonicalization), wanted, JSON.stringify(body));
      }
    }
  }
});

/** Bodies with long lines, many blanks, and many empty lines. */
const longBody = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("\r\n", " ", "\t", "  ", " \r\n", "\r\n\r\n") },
    { weight: 1, arbitrary: fc.constantFrom("\r", "\n", " \r", "\r\r\n") },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 200 }).map((length) => "x".repeat(length)) },
    { weight: 2, arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: 60 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 90 }).map((n) => "\r\n".repeat(n)) },
  ),
  { maxLength: 60, size: "max" },
).map((parts) => parts.join(""));

Deno.test("CanonicalBody gives what a naive reading of the whole gives, however it is cut", () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 30 });
  const property = fc.property(
    longBody,
    lengths,
    fc.constantFrom(...BOTH),
    (body, lengths, canonicalization) => {
      assertEquals(
        canonical(cut(octets(body), lengths), canonicalization),
        reference(body, canonicalization),
      );
    },
  );
  fc.assert(property, { numRuns: 1000 });
});

Deno.test("CanonicalBody takes chunks that are longer than its memory, at every odd length", () => {
  const line = "word  word\t\r\n";
  for (const length of [65_535, 65_536, 65_537, 65_538, 65_539, 200_001]) {
    const body = line.repeat(Math.ceil(length / line.length)).slice(0, length);
    for (const before of ["", " ", " \r"]) {
      for (const canonicalization of BOTH) {
        const pieces = [octets(`a${before}`), octets(body)];
        const wanted = reference(`a${before}${body}`, canonicalization);
        assertEquals(canonical(pieces, canonicalization) === wanted, true, `${length}`);
      }
    }
  }
});

Deno.test("CanonicalBody counts empty lines, and keeps none of them", () => {
  const chunk = octets("\r\n".repeat(32_768));
  for (const canonicalization of BOTH) {
    let [calls, length] = [0, 0];
    const body = new CanonicalBody(canonicalization, (octets) => {
      calls++;
      length += octets.length;
    });
    for (let i = 0; i < 100; i++) body.write(chunk);
    assertEquals(calls, 0, "the body may end there");
    body.write(octets("x"));
    assertEquals(length, 100 * 65_536 + 1);
    for (let i = 0; i < 100; i++) body.write(chunk);
    body.end();
    assertEquals(length, 100 * 65_536 + 3);
  }
});
