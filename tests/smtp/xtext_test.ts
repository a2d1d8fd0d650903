import { assertEquals } from "@std/assert";
import { decodeUnitext, decodeXtext, encodeUnitext, encodeXtext } from "../../src/smtp/xtext.ts";

Deno.test("decodeXtext() reads xtext of RFC 3461 §4", () => {
  const cases: [string, string | null][] = [
    ["", ""],
    ["QQ314159", "QQ314159"],
    ["Bob@Example.COM", "Bob@Example.COM"],
    ["e+3Dmc2@example.com", "e=mc2@example.com"], // RFC 4954 §5
    ["a+2Bb", "a+b"],
    ["a+20b", "a b"],
    ["a+20+20+0D+0A", "a  \r\n"], // the caller's to refuse
    ["+C3+BC", "ü"],
    ["a+2bb", "a+b"],
    ["a+2", null],
    ["a+", null],
    ["a+GG", null],
    ["a=b", null],
    ["a b", null],
    ["a\tb", null],
    ["ü", null],
    ["+FC", null], // not UTF-8
    ["+C3", null],
  ];
  for (const [text, expected] of cases) assertEquals(decodeXtext(text), expected, text);
});

Deno.test("encodeXtext() writes xtext of RFC 3461 §4", () => {
  assertEquals(encodeXtext("e=mc2@example.com"), "e+3Dmc2@example.com");
  assertEquals(encodeXtext("a + b\r\n"), "a+20+2B+20b+0D+0A");
  assertEquals(encodeXtext("ü"), "+C3+BC");
  assertEquals(encodeXtext("\ud800"), "+EF+BF+BD");
});

Deno.test("decodeUnitext() reads utf-8-addr-xtext and utf-8-addr-unitext of RFC 6533 §3", () => {
  const cases: [string, string | null][] = [
    ["user@example.com", "user@example.com"],
    ["\\x{7528}\\x{6237}@example.com", "用户@example.com"],
    ["\\x{1F4A9}@example.com", "💩@example.com"],
    ["用户@example.com", "用户@example.com"],
    ["a\\x{2B}b\\x{3D}c\\x{5C}d", "a+b=c\\d"],
    ["\\x{20}", " "],
    ["\\x{10FFFF}", "\u{10ffff}"],
    ["\\x{110000}", null],
    ["\\x{D800}", null],
    ["\\x{00}", null],
    ["\\x{}", null],
    ["\\x{1}", null],
    ["\\x{12", null],
    ["\\y", null],
    ["a+2Bb", null],
    ["a=b", null],
    ["a b", null],
    ["a\u0007", null],
    ["\ud800", null],
  ];
  for (const [text, expected] of cases) assertEquals(decodeUnitext(text), expected, text);
});

Deno.test("encodeUnitext() writes utf-8-addr-xtext of RFC 6533 §3", () => {
  assertEquals(encodeUnitext("用户@example.com"), "\\x{7528}\\x{6237}@example.com");
  assertEquals(encodeUnitext("a+b=c\\d e\t"), "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e\\x{09}");
  assertEquals(encodeUnitext("💩\ud800"), "\\x{1F4A9}\\x{FFFD}");
});
