/**
 * @module
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  concat,
  concatBrief,
  decodeStrict,
  encode,
  encodeBrief,
  isAscii,
  isPrintable,
  utf8Fits,
} from "../src/bytes.ts";

Deno.test("utf8Fits() says what encoding the text would say", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 20 }), fc.nat(70), (text, limit) => {
      assertEquals(utf8Fits(text, limit), encode(text).length <= limit);
    }),
  );
  assertEquals(utf8Fits("\ud800", 3), true); // a lone surrogate becomes U+FFFD
  assertEquals(utf8Fits("\ud800", 2), false);
});

Deno.test("encodeBrief() and concatBrief() give what encode() and concat() do, and it stays so", () => {
  const text = fc.string({ unit: "binary", maxLength: 700 });
  fc.assert(fc.property(fc.array(text, { maxLength: 30 }), (texts) => {
    const brief = texts.map(encodeBrief);
    const whole = texts.map((one) => concatBrief([encode(one), encode("-"), encode(one)]));
    assertEquals(brief, texts.map(encode));
    assertEquals(whole, texts.map((one) => concat([encode(one), encode("-"), encode(one)])));
  }));
});

Deno.test("decodeStrict() takes U+FFFD where it was sent and refuses what is not UTF-8", () => {
  assertEquals(decodeStrict(encode("\ufeffa\ufffdb")), "\ufeffa\ufffdb");
  assertEquals(decodeStrict(Uint8Array.of(0x61, 0xff)), null);
  assertEquals(decodeStrict(Uint8Array.of(0xed, 0xa0, 0x80)), null); // a surrogate
  assertEquals(decodeStrict(new Uint8Array()), "");
});

Deno.test("isAscii() and isPrintable() say what regular expressions say", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 5 }), (text) => {
    // deno-lint-ignore no-control-regex
    assertEquals(isAscii(text), /^[\x00-\x7f]*$/.test(text));
    assertEquals(isPrintable(text), /^[ -~]*$/.test(text));
  }));
  assertEquals([isAscii("a\0\x7f"), isAscii("\x80")], [true, false]);
  assertEquals([isPrintable(" ~"), isPrintable("\x1f"), isPrintable("\x7f")], [true, false, false]);
});
