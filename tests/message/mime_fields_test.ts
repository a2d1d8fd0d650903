import { assertEquals } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { formatFields, parseFields } from "../../src/message/header.ts";
import { parseContentType, setField, transferEncodingOf } from "../../src/message/mime_fields.ts";

Deno.test("parseContentType() finds the boundary however it is written", () => {
  for (
    const [value, boundary] of [
      // RFC 2046 §5.1.1
      ["multipart/mixed; boundary=gc0pJq0M:08jU534c0p", "gc0pJq0M:08jU534c0p"],
      ['multipart/mixed; boundary="gc0pJq0M:08jU534c0p"', "gc0pJq0M:08jU534c0p"],
      ["MULTIPART/Mixed;BOUNDARY=----=_Part_1.2", "----=_Part_1.2"],
      ['multipart/mixed; x="; boundary=no"; boundary="a\\"b"', 'a"b'],
      ["multipart/mixed (a comment); (another) boundary = abc (third)", "abc"],
      ["multipart/mixed; boundary=a; boundary=b", null],
      ["multipart/mixed; boundary*0=a; boundary*1=b", null],
      ['multipart/mixed; boundary=""', null],
      ['multipart/mixed; boundary="ends in space "', null],
      ["multipart/mixed; charset=x", null],
    ] as const
  ) {
    const expected = { type: "multipart", subtype: "mixed", boundary };
    assertEquals(parseContentType(value), expected, value);
  }
});

Deno.test("parseContentType() gives null when there is no type", () => {
  for (const value of ["", "text", "/plain", "text/", ";charset=x", "日本/語"]) {
    assertEquals(parseContentType(value), null, value);
  }
});

Deno.test("transferEncodingOf() reads the encoding without case and comments", () => {
  const of = (head: string) => transferEncodingOf(parseFields(encode(head)));
  assertEquals(of("Content-Transfer-Encoding: Quoted-Printable (why not)\r\n"), "quoted-printable");
  assertEquals(of("content-transfer-encoding:8BIT\r\n"), "8bit");
  assertEquals(of("Subject: x\r\n"), "7bit"); // RFC 2045 §6.1
  assertEquals(of("Content-Transfer-Encoding: (open\r\n"), "");
});

Deno.test("setField() puts the field where the first one was and drops the others", () => {
  const fields = parseFields(encode("A: 1\r\nb: 2\r\n x\r\nC: 3\r\nB: 4\r\n"));
  assertEquals(decode(formatFields(setField(fields, "B", "5"))), "A: 1\r\nB: 5\r\nC: 3\r\n");
  assertEquals(decode(formatFields(setField(fields, "D", "6"))).endsWith("B: 4\r\nD: 6\r\n"), true);
});
