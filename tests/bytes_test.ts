/**
 * @module
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode, utf8Fits } from "../src/bytes.ts";

Deno.test("utf8Fits() says what encoding the text would say", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 20 }), fc.nat(70), (text, limit) => {
      assertEquals(utf8Fits(text, limit), encode(text).length <= limit);
    }),
  );
  assertEquals(utf8Fits("\ud800", 3), true); // a lone surrogate becomes U+FFFD
  assertEquals(utf8Fits("\ud800", 2), false);
});
