import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { concat, encode } from "../../../src/bytes.ts";
import { UnixLineEncoder } from "../../../src/delivery/maildir/unix_line_encoder.ts";
import { type UnixLines, unixLines } from "../../../src/delivery/maildir/unix_lines.ts";
import { assembled, codeFile } from "../../support/wasm.ts";

function run(
  chunks: readonly Uint8Array[],
  lines: UnixLines | null = unixLines(),
): { stored: Uint8Array; virtualSize: number } {
  const encoder = new UnixLineEncoder(lines);
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

Deno.test("unix_lines_code.ts is made of unix_lines.wat (if not: deno task wasm)", async () => {
  const text = "delivery/maildir/unix_lines";
  assertEquals(await Deno.readTextFile(codeFile(text)), await assembled(text));
});

/** Long enough for the fast loop, now and then. */
const longChunks = fc.array(
  fc.array(
    fc.constantFrom("a", "\r", "\n", "\r\n", "\r\r\n", "twenty octets of it.", "x".repeat(90)),
    { maxLength: 60, size: "max" },
  ).map((all) => encode(all.join(""))),
  { maxLength: 4 },
);

Deno.test("UnixLineEncoder does the same by WebAssembly and octet by octet", () => {
  const fast = unixLines();
  assert(fast !== null);
  let used = 0;
  const counted: UnixLines = (...call) => (used++, fast(...call));
  fc.assert(fc.property(longChunks, (chunks) => {
    assertEquals(run(chunks, counted), run(chunks, null));
  }));
  assert(used > 50);
});

Deno.test("UnixLineEncoder takes chunks longer than WebAssembly takes at once, wherever that cuts", () => {
  for (const line of ["\r\n", "a\r\n", "ab\r\n", "\r\r\n", "b\n", "c\r"]) {
    const chunk = encode(line.repeat(30_000));
    assertEquals(run([chunk]), run([chunk], null));
  }
});

Deno.test("UnixLineEncoder writes nothing beyond its octets and one more", () => {
  const chunk = encode("line\r\n".repeat(100));
  const into = new Uint8Array(1000).fill(0x55);
  const written = new UnixLineEncoder().encodeInto(chunk, into, 100);
  assertEquals(written, 500);
  assertEquals(into.subarray(0, 100), new Uint8Array(100).fill(0x55));
  assertEquals(into.subarray(600), new Uint8Array(400).fill(0x55));
});

Deno.test("unixLines() is null where there is no WebAssembly", async () => {
  const { WebAssembly } = globalThis;
  try {
    Reflect.set(globalThis, "WebAssembly", undefined);
    const path = "../../../src/delivery/maildir/unix_lines.ts";
    const url = new URL(`${path}?without`, import.meta.url).href;
    const fresh: typeof import("../../../src/delivery/maildir/unix_lines.ts") = await import(url);
    assertNotEquals(fresh.unixLines, unixLines);
    assertEquals(fresh.unixLines(), null);
  } finally {
    Reflect.set(globalThis, "WebAssembly", WebAssembly);
  }
});
