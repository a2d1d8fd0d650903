import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, encode } from "../../../src/bytes.ts";
import { UnixLineEncoder } from "../../../src/delivery/maildir/unix_line_encoder.ts";

function run(chunks: readonly Uint8Array[]): { stored: Uint8Array; virtualSize: number } {
  const encoder = new UnixLineEncoder();
  const parts = chunks.map((chunk) => {
    const into = new Uint8Array(chunk.length + 1);
    return into.slice(0, encoder.encodeInto(chunk, into, 0));
  });
  const last = new Uint8Array(1);
  parts.push(last.slice(0, encoder.end(last, 0)));
  return { stored: concat(parts), virtualSize: encoder.virtualSize };
}

/** What a reader makes of a file: a CR goes before each LF that has none. */
function asRead(stored: Uint8Array): Uint8Array {
  const octets: number[] = [];
  for (const octet of stored) {
    if (octet === 10 && octets.at(-1) !== 13) octets.push(13);
    octets.push(octet);
  }
  return Uint8Array.from(octets);
}

const lines = fc.array(
  fc.array(fc.constantFrom("a", "\r", "\n", "\r\n"), { maxLength: 6 }).map((all) =>
    encode(all.join(""))
  ),
  { maxLength: 6 },
);

Deno.test("UnixLineEncoder drops the CR of each CRLF and nothing else", () => {
  const cases: [input: string, stored: string, virtualSize: number][] = [
    ["a\r\nb\r\n", "a\nb\n", 6],
    ["", "", 0],
    ["\r\n\r\n", "\n\n", 4],
    ["no end", "no end", 6],
    ["bare\rcr", "bare\rcr", 7],
    ["bare\nlf", "bare\nlf", 8],
    ["\r\r\n", "\r\r\n", 3],
    ["\r\r\r\n", "\r\r\r\n", 4],
    ["ends in cr\r", "ends in cr\r", 11],
  ];
  for (const [input, stored, virtualSize] of cases) {
    assertEquals(run([encode(input)]), { stored: encode(stored), virtualSize });
  }
});

Deno.test("UnixLineEncoder gives the same wherever the input is split", () => {
  fc.assert(fc.property(lines, (chunks) => {
    const whole = concat(chunks);
    assertEquals(run(chunks), run([whole]));
    assertEquals(run([...whole].map((octet) => Uint8Array.of(octet))), run([whole]));
  }));
});

Deno.test("UnixLineEncoder loses nothing to a reader but the bareness of a bare LF", () => {
  fc.assert(fc.property(lines, (chunks) => {
    const { stored, virtualSize } = run(chunks);
    const read = asRead(stored);
    assertEquals(read, asRead(concat(chunks)));
    assertEquals(virtualSize, read.length);
  }));
});
