import { assertEquals } from "@std/assert";
import { formatPath, parsePath, type PathKind } from "../../src/smtp/path.ts";

/** `local@domain|rest`, `<>|rest`, or the codes of the refusal. */
function outline(text: string, kind: PathKind, smtputf8 = false): string {
  const result = parsePath(text, kind, { smtputf8 });
  if ("reply" in result) return `${result.reply.code} ${result.reply.enhanced}`;
  const { path, rest } = result;
  return `${path === null ? "<>" : `${path.local}@${path.domain}`}|${rest}`;
}

Deno.test("parsePath() reads the paths of RFC 5321 §4.1.2", () => {
  const cases: [string, PathKind, string][] = [
    ["<Smith@bar.com>", "reverse", "Smith@bar.com|"], // RFC 5321 appendix D
    ["<Jones@foo.com>", "forward", "Jones@foo.com|"],
    ["<>", "reverse", "<>|"],
    ["<> RET=HDRS", "reverse", "<>| RET=HDRS"],
    ["<a@b> X=<c@d>", "reverse", "a@b| X=<c@d>"],
    ["  <a@b>", "reverse", "a@b|"],
    ["<Postmaster>", "forward", "Postmaster@|"],
    ["<POSTMASTER> NOTIFY=NEVER", "forward", "POSTMASTER@| NOTIFY=NEVER"],
    ["<postmaster@foo.com>", "forward", "postmaster@foo.com|"],
    // source routes, RFC 5321 appendix C and §4.1.1.3
    ["<@ONE,@TWO:JOE@THREE>", "forward", "JOE@three|"],
    ["<@hosta.int,@jkl.org:userc@d.bar.org>", "forward", "userc@d.bar.org|"],
    ["<@a:b@c>", "reverse", "b@c|"],
    ['<"a>b"@c>', "forward", "a>b@c|"],
    ['<"a\\"> b"@c> X', "forward", 'a"> b@c| X'],
    ["<a@[IPv6:::1]>", "forward", "a@[IPv6:::1]|"],
    ['<@a:"x:y"@c>', "forward", "x:y@c|"],
  ];
  for (const [text, kind, expected] of cases) assertEquals(outline(text, kind), expected, text);
});

Deno.test("parsePath() refuses with 501 5.1.7 and 501 5.1.3", () => {
  const cases = [
    "",
    " ",
    "a@b",
    "<a@b",
    "a@b>",
    "<<a@b>>",
    "<a@b>x",
    "<a@b><c@d>",
    "<a@b>\tSIZE=1",
    "< a@b>",
    "<a@b >",
    "<a>",
    "<@a>",
    "<@a:>",
    "<@a:b>",
    "<@a,b:c@d>",
    "<@a,:c@d>",
    "<@-a:c@d>",
    "<@:c@d>",
    '<"a@b>',
    "<a@b\0>",
    "<a@b\r\n>",
    "Alice <a@b>",
    "<ü@b c>",
  ];
  for (const text of cases) {
    assertEquals(outline(text, "reverse"), "501 5.1.7", text);
    assertEquals(outline(text, "forward"), "501 5.1.3", text);
  }
  assertEquals(outline("<>", "forward"), "501 5.1.3");
  assertEquals(outline("<Postmaster>", "reverse"), "501 5.1.7");
});

Deno.test("parsePath() wants SMTPUTF8 for an address beyond ASCII (RFC 6531 §3.5)", () => {
  for (const kind of ["reverse", "forward"] as const) {
    assertEquals(outline("<用户@例子.广告>", kind), "553 5.6.7");
    assertEquals(outline("<用户@例子.广告>", kind, true), "用户@例子.广告|");
    assertEquals(outline("<@例子.广告:用户@b>", kind, true), "用户@b|");
  }
});

Deno.test("parsePath() keeps the sizes of RFC 5321 §4.5.3.1", () => {
  const local = "a".repeat(252);
  assertEquals(outline(`<${local}@b>`, "reverse"), `${local}@b|`);
  assertEquals(outline(`<a${local}@b>`, "reverse"), "501 5.1.7");
  assertEquals(outline(`<${"a".repeat(64)}@b>`, "forward"), `${"a".repeat(64)}@b|`);
  assertEquals(outline(`<${"a".repeat(65)}@b>`, "forward"), "501 5.1.3");
});

Deno.test("parsePath() takes time in proportion to the text", () => {
  // Each would take minutes if a pattern backtracked.
  for (const text of ['<"', "<@a,", "<a.", '<"\\"', "<a>", " "]) {
    assertEquals(outline(text.repeat(100_000), "forward"), "501 5.1.3");
  }
});

Deno.test("formatPath() writes angle brackets", () => {
  assertEquals(formatPath({ local: "a b", domain: "c" }), '<"a b"@c>');
  assertEquals(formatPath({ local: "Postmaster", domain: "" }), "<Postmaster>");
  assertEquals(formatPath(null), "<>");
});
