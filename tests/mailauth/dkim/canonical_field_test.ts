import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseFields } from "../../../src/message/header.ts";
import { canonicalField, headerHashInput } from "../../../src/mailauth/dkim/canonical_field.ts";
import { latin1, octets } from "../../support/feed.ts";

function canonical(field: string, canonicalization: "simple" | "relaxed"): string {
  return latin1(canonicalField(octets(field), canonicalization));
}

Deno.test("canonicalField() gives what RFC 6376 §3.4.5 has as examples", () => {
  assertEquals(canonical("A: X\r\n", "relaxed"), "a:X\r\n");
  assertEquals(canonical("B : Y\t\r\n\tZ  \r\n", "relaxed"), "b:Y Z\r\n");
  assertEquals(canonical("A: X\r\n", "simple"), "A: X\r\n");
  assertEquals(canonical("B : Y\t\r\n\tZ  \r\n", "simple"), "B : Y\t\r\n\tZ  \r\n");
});

Deno.test("canonicalField() relaxes white space only, and case in the name only (RFC 6376 §3.4.2)", () => {
  const cases: [field: string, relaxed: string][] = [
    ["SUBJECT:  Some  News\r\n", "subject:Some News\r\n"],
    ["Subject:\r\n Folded\r\n \r\n\tthrice\r\n", "subject:Folded thrice\r\n"],
    ["Subject \t:x\r\n", "subject:x\r\n"],
    ["Subject:\r\n", "subject:\r\n"],
    ["Subject: \t\r\n \r\n", "subject:\r\n"],
    ["To: a:b : c\r\n", "to:a:b : c\r\n"],
    ["X: \xa0 \xe9\xff\r\n", "x:\xa0 \xe9\xff\r\n"],
    // CR and LF alone are no line ends; other octets that some programs take for blanks are none.
    ["X: a \r b\n c\r\n", "x:a \r b\n c\r\n"],
    ["X: a\x0b \x00 b\r\n", "x:a\x0b \x00 b\r\n"],
    ["x\x80Ä: A\r\n", "x\x80Ä:A\r\n"],
  ];
  for (const [field, relaxed] of cases) assertEquals(canonical(field, "relaxed"), relaxed);
});

Deno.test("canonicalField() ends a field that has no line end, and fails for nothing", () => {
  assertEquals(canonical("A: x", "simple"), "A: x\r\n");
  assertEquals(canonical("A: x", "relaxed"), "a:x\r\n");
  assertEquals(canonical("A: x\n", "simple"), "A: x\n\r\n");
  assertEquals(canonical("", "simple"), "\r\n");
  assertEquals(canonical("", "relaxed"), "\r\n");
  assertEquals(canonical(":", "relaxed"), ":\r\n");
  assertEquals(canonical(" :\r\n", "relaxed"), ":\r\n");
  assertEquals(canonical("No Field at  all\r\n", "relaxed"), "No Field at all\r\n");
});

/** RFC 6376 §3.4.2, step by step. */
function relaxed(field: string): string {
  const colon = field.indexOf(":");
  const name = field.slice(0, colon).replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const value = field.slice(colon + 1).replaceAll("\r\n", "").replace(/[ \t]+/g, " ");
  return `${name.replace(/[ \t]+$/, "")}:${value.replace(/^ | $/g, "")}\r\n`;
}

Deno.test("canonicalField() relaxes as the steps of RFC 6376 §3.4.2 do", () => {
  const part = fc.constantFrom(
    "a",
    "B",
    " ",
    "\t",
    "\r\n ",
    "\r\n\t",
    ":",
    "\xfc",
    "  ",
    "\r",
    "\n",
  );
  const field = fc.array(part, { maxLength: 30 }).map((parts) => `Name:${parts.join("")}\r\n`);
  fc.assert(fc.property(field, (field) => {
    // A CR that stands before a line end is no part of it.
    fc.pre(!field.includes("\r\r"));
    assertEquals(canonical(field, "relaxed"), relaxed(field));
  }));
});

Deno.test("headerHashInput() takes fields from the bottom up, each once (RFC 6376 §5.4.2)", () => {
  const head = "A: 1\r\nB: 2\r\na : 3\r\nC: 4\r\nA: 5\r\n";
  const fields = parseFields(octets(head));
  const input = (names: string[], canonicalization: "simple" | "relaxed" = "simple") =>
    headerHashInput(fields, names, canonicalization).map(latin1);
  assertEquals(input(["A", "b", "a"]), ["A: 5\r\n", "B: 2\r\n", "a : 3\r\n"]);
  assertEquals(input(["a", "a", "a", "a", "a"]), ["A: 5\r\n", "a : 3\r\n", "A: 1\r\n"]);
  assertEquals(input(["a", "c"], "relaxed"), ["a:5\r\n", "c:4\r\n"]);
  assertEquals(input(["d", "", "__proto__", "constructor"]), []);
  assertEquals(input([]), []);
});

Deno.test("headerHashInput() takes time that grows with its lists, not with their product", () => {
  const fields = parseFields(octets("A: 1\r\n".repeat(40_000)));
  const names = new Array<string>(40_000).fill("a");
  assertEquals(headerHashInput(fields, names, "simple").length, 40_000);
});
