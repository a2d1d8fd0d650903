import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseTagList, splitTagValue } from "../../src/mailauth/tag_list.ts";

Deno.test("parseTagList() reads the forms of RFC 6376 §3.2", () => {
  const list = parseTagList(" v=1 ; a=rsa-sha256;\tb = x y ;c=;");
  assertEquals([...list!], [["v", "1"], ["a", "rsa-sha256"], ["b", "x y"], ["c", ""]]);
  assertEquals([...parseTagList("")!], []);
});

Deno.test("parseTagList() refuses what is no list of tags", () => {
  for (
    const text of ["v", "v=1;;a=2", "1=2", "v=1; v=2", "=1", "a b=1", "a-b=1", "v=\0", "v=a\x7f"]
  ) {
    assertEquals(parseTagList(text), null, text);
  }
});

Deno.test("parseTagList() never throws, and never gives a blank at an end", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(..."av1=; \t\n") }), (text) => {
    for (const value of parseTagList(text)?.values() ?? []) assert(value.trim() === value);
  }));
});

Deno.test("parseTagList() takes the line ends of folding for white space, and other spaces for text", () => {
  assertEquals([...parseTagList("h=a:\r\n\tb\r\n ;\r\n c=\u00a0")!], [["h", "a:\r\n\tb"], [
    "c",
    "\u00a0",
  ]]);
});

Deno.test("splitTagValue() gives the parts without the white space around them", () => {
  assertEquals(splitTagValue(" a :\r\n b c:", ":"), ["a", "b c", ""]);
  assertEquals(splitTagValue("", ":"), [""]);
});
