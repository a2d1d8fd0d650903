import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, decode, encode } from "../../src/bytes.ts";
import { Base64Encoder, formatQuotedPrintableLine } from "../../src/message/transfer_encoding.ts";

/** RFC 2045 §6.7, the other way; soft line breaks are taken out. */
function decodeQuotedPrintable(text: string): Uint8Array {
  const octets = text.replaceAll("=\r\n", "").replace(
    /=([0-9A-F]{2})/g,
    (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Uint8Array.from(octets, (character) => character.charCodeAt(0));
}

Deno.test("formatQuotedPrintableLine() gives a line that every decoder reads back (property)", () => {
  const octet = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(32, 9, 61, 65));
  fc.assert(fc.property(fc.array(octet, { maxLength: 300 }), (octets) => {
    const line = Uint8Array.from(octets);
    const text = decode(formatQuotedPrintableLine(line));
    assertEquals(decodeQuotedPrintable(text), line);
    for (const one of text.split("\r\n")) {
      assert(one.length <= 76, one);
      assert(/^[\t -~]*$/.test(one) && !/[\t ]$/.test(one), one);
    }
  }));
});

Deno.test("formatQuotedPrintableLine() breaks at 76 columns, not before", () => {
  const of = (text: string) => decode(formatQuotedPrintableLine(encode(text)));
  assertEquals(of("x".repeat(76)), "x".repeat(76));
  assertEquals(of("x".repeat(77)), `${"x".repeat(75)}=\r\nxx`);
  assertEquals(of(`${"x".repeat(73)}=`), `${"x".repeat(73)}=3D`);
  assertEquals(of(`${"x".repeat(74)}=`), `${"x".repeat(74)}=\r\n=3D`);
});

Deno.test("Base64Encoder gives what btoa does in lines of 76, however it comes (property)", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
    const encoder = new Base64Encoder();
    const made = concat([...chunks.map((chunk) => encoder.write(chunk)), encoder.end()]);
    const binary = [...concat(chunks)].map((octet) => String.fromCharCode(octet)).join("");
    assertEquals(decode(made), btoa(binary).replace(/.{76}(?=.)/g, "$&\r\n"));
  }));
});
