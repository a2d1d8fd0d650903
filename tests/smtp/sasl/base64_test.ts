import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../../src/bytes.ts";
import { formatBase64, parseBase64 } from "../../../src/smtp/sasl/base64.ts";

Deno.test("parseBase64() and formatBase64() agree with the vectors of RFC 4648 §10", () => {
  const vectors = {
    "": "",
    f: "Zg==",
    fo: "Zm8=",
    foo: "Zm9v",
    foob: "Zm9vYg==",
    fooba: "Zm9vYmE=",
  };
  for (const [text, base64] of Object.entries(vectors)) {
    assertEquals(formatBase64(encode(text)), base64);
    assertEquals(parseBase64(base64), encode(text));
  }
});

Deno.test("parseBase64() takes nothing that is not canonical", () => {
  for (
    const text of [
      "Zg",
      "Zg=",
      "Zg===",
      "=",
      "====",
      "Zm9=",
      "Zh==",
      "Zm 8",
      "Zm8=\n",
      "Zm_-",
      "Z=g=",
    ]
  ) {
    assertEquals(parseBase64(text), null, text);
  }
});

Deno.test("parseBase64() gives null or octets that format to the same text", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const octets = parseBase64(text);
    return octets === null || formatBase64(octets) === text;
  }));
  fc.assert(fc.property(fc.base64String(), (text) => {
    const octets = parseBase64(text);
    return octets === null || formatBase64(octets) === text;
  }));
});
