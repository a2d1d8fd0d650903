import { assert, assertEquals, assertThrows } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import {
  fieldValue,
  findField,
  findFields,
  formatFields,
  isField,
  makeField,
  parseFields,
  removeFields,
} from "../../src/message/header.ts";

// RFC 5322 appendix A.5 and A.6.3, as they stand there.
const HEAD = encode(
  [
    "From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
    "To:A Group(Some people)",
    "     :Chris Jones <c@(Chris's host.)public.example>,",
    "         joe@example.org,",
    "  John <jdoe@one.test> (my dear friend); (the end of the group)",
    "Cc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
    "Message-ID  : <1234@local.machine.example>",
    "Subject     :",
    "",
  ].join("\r\n"),
);

Deno.test("parseFields() keeps every field byte for byte", () => {
  const fields = parseFields(HEAD);
  assertEquals(fields.map((field) => field.name), ["From", "To", "Cc", "Message-ID", "Subject"]);
  assertEquals(
    decode(fields[2]!.raw),
    "Cc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\r\n",
  );
  assertEquals(formatFields(fields), HEAD);
  assertEquals(parseFields(new Uint8Array()), []);
});

Deno.test("parseFields() gives octets that are no field back without a name", () => {
  for (const text of ["no colon\r\n", " folded: first\r\n", ": x\r\n", "a b: c\r\n", "\r\n", "x"]) {
    const head = encode(text);
    const fields = parseFields(head);
    assertEquals(fields.map((field) => field.name), [""], JSON.stringify(text));
    assertEquals(formatFields(fields), head);
  }
});

Deno.test("parseFields() ends a field at CRLF only", () => {
  const fields = parseFields(encode("A: 1\nB: 2\rC: 3\r\nD: 4"));
  assertEquals(fields.map((field) => field.name), ["A", "D"]);
  assertEquals(fieldValue(fields[0]!), "1 B: 2 C: 3");
});

Deno.test("fieldValue() unfolds, trims and decodes", () => {
  const value = (raw: Uint8Array | string) =>
    fieldValue({ name: "X", raw: typeof raw === "string" ? encode(raw) : raw });
  // RFC 5322 §2.2.3
  assertEquals(value("Subject: This\r\n is a test\r\n"), "This is a test");
  assertEquals(value("X:\r\n\ta\r\n\t b \r\n"), "a\t b");
  assertEquals(value("X:\r\n"), "");
  assertEquals(value("X: a:b\r\n"), "a:b");
  assertEquals(value("X: Größe\r\n"), "Größe");
  assertEquals(value(Uint8Array.from("X: Gr\xf6\xdfe\r\n", (c) => c.charCodeAt(0))), "Größe");
  assertEquals(value(`X: ${" ".repeat(200_000)}a${" ".repeat(200_000)}b\r\n`).length, 200_002);
});

Deno.test("findField(), findFields() and removeFields() know names in any case", () => {
  const fields = parseFields(encode("To: a\r\nBCC: b\r\ntO: c\r\nBcc-X: d\r\n"));
  assertEquals(fieldValue(findField(fields, "to")!), "a");
  assertEquals(findField(fields, "From"), null);
  assertEquals(findFields(fields, "TO").map(fieldValue), ["a", "c"]);
  assertEquals(removeFields(fields, "bcc").map(fieldValue), ["a", "c", "d"]);
  assertEquals(isField(fields[3]!, "Bcc"), false);
});

Deno.test("makeField() folds at 78 columns so that unfolding gives the value back", () => {
  const value = "one two  three\tfour ".repeat(30).trim();
  const field = makeField("X-Long", value);
  const lines = decode(field.raw).split("\r\n");
  assertEquals(lines.pop(), "");
  for (const line of lines) assert(line.length <= 78, line);
  for (const line of lines.slice(1)) assert(/^[ \t]+[^ \t]/.test(line), line);
  assert(lines.length > 5);
  assertEquals(fieldValue(field), value);
});

Deno.test("makeField() leaves short and unbreakable values on one line", () => {
  assertEquals(decode(makeField("Subject", "hi").raw), "Subject: hi\r\n");
  assertEquals(decode(makeField("X-Empty", "").raw), "X-Empty: \r\n");
  const id = `<${"x".repeat(200)}@example.org>`;
  assertEquals(decode(makeField("Message-ID", id).raw), `Message-ID: ${id}\r\n`);
});

Deno.test("makeField() makes one field of whatever it is given", () => {
  const cases: [string, string][] = [
    ["a\r\nBcc: b", "X: a\r\n Bcc: b\r\n"],
    ["a\nb", "X: a\r\n b\r\n"],
    ["a\rb", "X: a\r\n b\r\n"],
    ["a\r\n\tb", "X: a\r\n\tb\r\n"],
    ["a\r\n\r\nbody", "X: a\r\n body\r\n"],
    ["a\r\n \t \r\nb", "X: a\r\n b\r\n"],
    ["\r\na\r\n", "X: a\r\n"],
    ["a\0b\x07c\x7f", "X: a?b?c?\r\n"],
    ["a\ud800", "X: a\ufffd\r\n"],
  ];
  for (const [value, expected] of cases) {
    assertEquals(decode(makeField("X", value).raw), expected, JSON.stringify(value));
  }
});

Deno.test("makeField() keeps every line within 998 octets", () => {
  for (const value of ["x".repeat(5000), "驿".repeat(3000), `a ${" ".repeat(4000)}b`]) {
    const { raw } = makeField("X", value);
    for (const line of decode(raw).split("\r\n")) assert(encode(line).length <= 998);
    assertEquals(parseFields(raw).length, 1);
  }
});

Deno.test("makeField() refuses what is no name", () => {
  for (const name of ["", "a b", "a:", "a\r\nb", "ü", "x".repeat(77)]) {
    assertThrows(() => makeField(name, "x"), TypeError, "not a header field name");
  }
});
