import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { reduceBlanks, SPACE } from "../../../src/mailauth/dkim/canonical_blanks.ts";
import { plainMemory, simdMemory } from "../../../src/mailauth/dkim/simd_blanks.ts";
import { latin1, octets } from "../../support/feed.ts";
import { assembled, codeFile } from "../../support/wasm.ts";

Deno.test("simd_blanks_code.ts is made of simd_blanks.wat (if not: deno task wasm)", async () => {
  assertEquals(
    await Deno.readTextFile(codeFile("mailauth/dkim/simd_blanks")),
    await assembled("mailauth/dkim/simd_blanks"),
  );
});

/** RFC 6376 §3.4.4 a; `run` says whether white space at the end goes. */
function reference(text: string, run: boolean): string {
  const lines = text.replace(/[ \t]+/g, " ").replaceAll(" \r\n", "\r\n");
  return run ? lines.replace(/ $/, "") : lines;
}

const memory = simdMemory()!;

function reduced(text: string, behind: 0 | typeof SPACE): string {
  memory.octets.fill(0x09); // what others left
  memory.octets.set(octets(text));
  return latin1(memory.octets.subarray(0, memory.reduce(memory.octets, text.length, behind)));
}

Deno.test("reduceBlanks(), plain and by SIMD, does what RFC 6376 §3.4.4 says, whatever meets in a block", () => {
  const alphabet = ["x", " ", "\t", "\r", "\n"];
  for (let code = 0; code < alphabet.length ** 5; code++) {
    const digits = code.toString(alphabet.length).padStart(5, "0");
    const pattern = [...digits].map((digit) => alphabet[Number(digit)]).join("");
    const at = 60 + code % 19;
    for (const text of ["y".repeat(at) + pattern + "z".repeat(20), "y".repeat(at) + pattern]) {
      for (const behind of [0, SPACE] as const) {
        const wanted = reference(text, behind === SPACE);
        assertEquals(reduced(text, behind), wanted, JSON.stringify(text));
        const plain = octets(text);
        const end = reduceBlanks(plain, plain.length, behind);
        assertEquals(latin1(plain.subarray(0, end)), wanted, JSON.stringify(text));
      }
    }
  }
});

Deno.test("reduceBlanks() by SIMD and the plain loop agree on texts of every density", () => {
  const text = fc.integer({ min: 1, max: 40 }).chain((density) =>
    fc.string({
      unit: fc.oneof(
        { weight: density, arbitrary: fc.constantFrom("a", "=", "\xa0", "\x1f", "!") },
        { weight: 4, arbitrary: fc.constantFrom(" ", "\t", "\r\n", " \r\n", "  ") },
        { weight: 1, arbitrary: fc.constantFrom("\r", "\n", " \r", "\t\n") },
      ),
      minLength: 64,
      maxLength: 600,
    })
  );
  fc.assert(
    fc.property(text, fc.constantFrom(0 as const, SPACE), (text, behind) => {
      const plain = octets(text);
      const wanted = latin1(plain.subarray(0, reduceBlanks(plain, plain.length, behind)));
      assertEquals(reduced(text, behind), wanted);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("simdMemory() and plainMemory() have the room they tell of, to the last octet", () => {
  for (const memory of [simdMemory()!, plainMemory()]) {
    const { octets, size, reduce } = memory;
    assert(octets.length >= size + 32);
    octets.fill(0x61, 0, size);
    octets[size - 1] = SPACE;
    assertEquals(reduce(octets, size, 0), size);
    assertEquals(reduce(octets, size, SPACE), size - 1);
    octets.fill(SPACE, 0, size);
    assertEquals(reduce(octets, size, SPACE), 0);
    octets.fill(SPACE, 0, size);
    assertEquals(reduce(octets, size, 0), 1);
  }
});
