import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { foldTags } from "../../src/mailauth/fold_tags.ts";

Deno.test("foldTags() fills lines of 78 columns, and ends them between pieces only", () => {
  // Column 78 is the last that is used (RFC 5322 §2.1.1).
  const fits = "x".repeat(78 - "Name: a; ".length);
  assertEquals(foldTags("Name", [{ pieces: ["a;"] }, { pieces: [fits] }]), `Name: a; ${fits}`);
  assertEquals(
    foldTags("Name", [{ pieces: ["a;"] }, { pieces: [`${fits}x`, "y"] }]),
    `Name: a;\r\n ${fits}xy`,
  );
  assertEquals(
    foldTags("Name", [{ pieces: ["a;"] }, { pieces: ["b="], beginsLine: true }]),
    "Name: a;\r\n b=",
  );
  assertEquals(foldTags("Name", [{ pieces: ["h=a:", "b"], beginsLine: true }]), "Name:\r\n h=a:b");
});

Deno.test("foldTags() changes nothing but white space, and no line is longer than it must be", () => {
  const piece = fc.stringMatching(/^[a-z=:;]{1,100}$/);
  const tag = fc.record({
    pieces: fc.array(piece, { minLength: 1, maxLength: 6 }),
    beginsLine: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(tag), (tags) => {
    const text = foldTags("ARC-Seal", tags);
    const pieces = tags.flatMap((one) => one.pieces);
    assertEquals(text.replaceAll(/\r\n | /g, ""), `ARC-Seal:${pieces.join("")}`);
    for (const line of text.split("\r\n").slice(1)) {
      assert(line.startsWith(" ") && (line.length <= 78 || pieces.includes(line.slice(1))), line);
    }
  }));
});
