import { assertEquals } from "@std/assert";
import { concat, encode } from "../../src/bytes.ts";
import { forgedOccurrences, isOurs } from "../../src/message/forged_results.ts";
import { makeField, parseFields, type RawField } from "../../src/message/header.ts";

function field(value: string, name = "Authentication-Results"): RawField {
  return parseFields(encode(`${name}: ${value}\r\n`))[0]!;
}

const IDS = ["mx.our.example", "bücher.example"];

const OURS: readonly [string, string][] = [
  ["as it is", "mx.our.example; spf=pass"],
  ["in another case", "MX.Our.EXAMPLE; spf=pass"],
  ["with a version", "mx.our.example 1; none"],
  ["behind a comment", "(x) mx.our.example; spf=pass"],
  ["behind nested comments", "(x (evil.example; \\) y)) mx.our.example (z); spf=pass"],
  ["behind a comment without a blank", "(x)mx.our.example(y);spf=pass"],
  ["folded", "\r\n\tmx.our.example;\r\n spf=pass"],
  ["quoted", '"mx.our.example"; spf=pass'],
  ["quoted with backslashes", '"mx\\.our\\.example"; spf=pass'],
  ["with a dot at its end", "mx.our.example.; spf=pass"],
  ["in A-labels", "xn--bcher-kva.example; spf=pass"],
  ["in U-labels", "BÜCHER.example; spf=pass"],
  ["in U-labels, decomposed", "bu\u0308cher.example; spf=pass"],
  ["alone", "mx.our.example"],
  ["without a semicolon", "mx.our.example spf=pass"],
  ["behind garbage", "=?x?= mx.our.example; spf=pass"],
  ["behind a comma", "evil.example, mx.our.example; spf=pass"],
  ["behind another name", "evil.example mx.our.example; spf=pass"],
  ["before a version that is none", "mx.our.example one; spf=pass"],
  ["behind an open comment", "(x mx.our.example; spf=pass"],
  ["behind an open quote", '"mx.our.example; spf=pass'],
  ["as an encoded word", "=?utf-8?q?mx.our.example?=; spf=pass"],
  ["with a null character in it", "mx.our\0.example; spf=pass"],
  ["with a zero-width space in it", "mx.our\u200b.example; spf=pass"],
  ["in wide letters", "ｍｘ.our.example; spf=pass"],
  ["split by a comment", "mx.(x)our.example; spf=pass"],
  ["split by folding", "mx.\r\n our.example; spf=pass"],
  ["with an escape", "mx.our\\.example; spf=pass"],
  ["in U-labels behind garbage", "x y bücher.example; spf=pass"],
  ["before a slash", "mx.our.example/1; spf=pass"],
  ["before a sign that names do not have", "mx.our.example:x; spf=pass"],
  ["in brackets", "[mx.our.example]; spf=pass"],
  ["in other quotes", "'mx.our.example'; spf=pass"],
  ["quoted with blanks", '" mx.our.example "; spf=pass'],
  ["as an encoded word, its dots encoded", "=?utf-8?q?mx=2Eour=2Eexample?=; spf=pass"],
  ["as an encoded word in Base64", `=?utf-8?b?${btoa("mx.our.example")}?=; spf=pass`],
  ["as an encoded word in quotes", `"=?utf-8?b?${btoa("mx.our.example")}?="; spf=pass`],
  ["encoded, with a null character", `=?utf-8?b?${btoa("mx.our\0.example")}?=; spf=pass`],
  ["with malformed results", "mx.our.example; spf==pass; ="],
];

for (const [how, value] of OURS) {
  Deno.test(`isOurs() finds our name ${how}`, () => {
    assertEquals(isOurs(field(value), IDS), true);
    assertEquals(isOurs(field(value, "authentication-RESULTS"), IDS), true);
    assertEquals(isOurs(field(value), ["mx.other.example"]), false);
    // What ARC has sealed is looked at by those who verify the chain.
    assertEquals(isOurs(field(`i=1; ${value}`, "ARC-Authentication-Results"), IDS), false);
  });
}

const NOT_OURS: readonly [string, string][] = [
  ["another name", "mx.other.example; spf=pass"],
  ["a name below ours", "a.mx.our.example; spf=pass"],
  ["a name above ours", "our.example; spf=pass"],
  ["a name that begins like ours", "mx.our.example.evil.example; spf=pass"],
  ["an odd name of others", "other/mx; spf=pass smtp.helo=mx.our.example"],
  ["ours in a comment", "mx.other.example (mx.our.example); spf=pass"],
  ["ours in a value", "mx.other.example; spf=pass smtp.helo=mx.our.example"],
  ["a malformed field of others", "mx.other.example spf"],
  ["nothing", ""],
];

for (const [what, value] of NOT_OURS) {
  Deno.test(`isOurs() leaves ${what}`, () => {
    assertEquals(isOurs(field(value), IDS), false);
  });
}

Deno.test("isOurs() looks at fields of this name only, with blanks before the colon too", () => {
  assertEquals(isOurs(makeField("X-Authentication-Results", "mx.our.example; none"), IDS), false);
  const [spaced] = parseFields(encode("Authentication-Results \t: mx.our.example; none\r\n"));
  assertEquals(isOurs(spaced!, IDS), true);
});

Deno.test("isOurs() compares names that are no domains", () => {
  assertEquals(isOurs(field("Our-Cluster; none"), ["our-cluster"]), true);
  assertEquals(isOurs(field("mx; none"), [""]), false);
});

Deno.test("isOurs() finds our name in Latin-1 and beside raw octets", () => {
  const raw = concat([
    encode("Authentication-Results: "),
    new Uint8Array([0xff]),
    encode(" mx.our.example; spf=pass\r\n"),
  ]);
  assertEquals(isOurs({ name: "Authentication-Results", raw }, IDS), true);
});

Deno.test("forgedOccurrences() counts the fields of that name, and names the lowest first", () => {
  const fields = [
    field("mx.other.example; spf=pass"),
    field("mx.our.example; spf=pass"),
    field("mx.our.example", "ARC-Authentication-Results"),
    field("x", "Subject"),
    field("mx.other.example; dkim=pass"),
    field("(a) MX.OUR.EXAMPLE; dkim=pass"),
  ];
  assertEquals(forgedOccurrences(fields, IDS), [4, 2]);
  assertEquals(forgedOccurrences(fields, []), []);
});
