import { assertEquals } from "@std/assert";
import { lexStructured } from "../../src/message/structured.ts";

function texts(value: string): string[] | null {
  return lexStructured(value)?.map(({ kind, text }) => `${kind[0]}:${text}`) ?? null;
}

Deno.test("lexStructured() gives lexemes without comments and white space", () => {
  assertEquals(texts("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"), [
    "a:Pete",
    "s:<",
    "a:pete",
    "s:@",
    "a:silly",
    "s:.",
    "a:test",
    "s:>",
  ]);
  assertEquals(texts('"Giant; \\"Big\\" Box"'), ['q:Giant; "Big" Box']);
  assertEquals(texts("a@[192.0.2.1]"), ["a:a", "s:@", "l:[192.0.2.1]"]);
  assertEquals(texts("(a(b(c)d)e)\t x (\\()"), ["a:x"]);
  assertEquals(texts("用户"), ["a:用户"]);
  assertEquals(texts(""), []);
});

Deno.test("lexStructured() refuses what is malformed", () => {
  for (
    const text of ["(", "(()", ")", '"', '"a\\"', "[", "]", "[a[b]", "\\", "a\0", "a\x7f", "a\r\nb"]
  ) {
    assertEquals(lexStructured(text), null, JSON.stringify(text));
  }
});

Deno.test("lexStructured() takes time in proportion to the text, however deep it nests", () => {
  assertEquals(lexStructured("(".repeat(200_000) + ")".repeat(200_000)), []);
  assertEquals(lexStructured("(".repeat(200_000)), null);
  assertEquals(lexStructured(`"${"a\\\\".repeat(100_000)}`), null);
  assertEquals(lexStructured(`"${"a".repeat(300_000)}"`)?.length, 1);
  assertEquals(lexStructured(" ".repeat(300_000)), []);
});
