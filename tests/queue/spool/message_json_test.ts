import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { decode, encode } from "../../../src/bytes.ts";
import { formatMessageJson, parseMessageJson } from "../../../src/queue/spool/message_json.ts";
import { entries } from "./arbitrary_entries.ts";
import { entry } from "./entries.ts";

Deno.test("parseMessageJson() gives what formatMessageJson() was given, any entry and any head", () => {
  const heads = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((head) => Uint8Array.from(head)),
    fc.string({ unit: "binary" }).map(encode),
    fc.array(fc.constantFrom("A: b\r\n", " folded\r\n", "\r", "\n", '"', "\\", "\u2028", "\ufeff"))
      .map((parts) => encode(parts.join(""))),
  );
  fc.assert(fc.property(entries, heads, (entry, head) => {
    const file = formatMessageJson({ entry, head });
    assertEquals(parseMessageJson(file), { entry, head });
    JSON.parse(decode(file)); // any program can read it
  }));
});

Deno.test("formatMessageJson() begins with the SHA-256 of the lines after the first", () => {
  const file = formatMessageJson({ entry: entry("a"), head: encode("Subject: hi\r\n") });
  const end = file.indexOf(0x0a);
  const expected = createHash("sha256").update(file.subarray(end + 1)).digest("hex");
  assertEquals(decode(file.subarray(0, end)), `{"sha256":"${expected}",`);
});

Deno.test("parseMessageJson() knows each octet that was changed, and each cut", () => {
  const file = formatMessageJson({ entry: entry("a"), head: encode("Subject: hi\r\nTo: x\r\n") });
  for (let at = 0; at < file.length; at++) {
    const changed = file.slice();
    changed[at]! ^= 0x01;
    assertEquals(parseMessageJson(changed).entry, undefined, `octet ${at}`);
    assertEquals(parseMessageJson(file.subarray(0, at)).entry, undefined, `cut at ${at}`);
  }
});

/** A file whose checksum fits its content. */
function sealed(content: string): Uint8Array {
  const sum = createHash("sha256").update(content).digest("hex");
  return encode(`{"sha256":"${sum}",\n${content}`);
}

Deno.test("parseMessageJson() takes nothing else, even with a checksum that fits", () => {
  const line = JSON.stringify({ version: 1 });
  const contents = [
    "",
    "{}\n",
    `"entry":${line},\n"head":[""]}\n`,
    `"entry":{},\n"head":[1]}\n`,
    decode(formatMessageJson({ entry: entry("a"), head: new Uint8Array(0) }))
      .replace(/^.*\n/, "").replace('[\n""]', "[\n1]"),
    decode(formatMessageJson({ entry: entry("a"), head: new Uint8Array(0) }))
      .replace(/^.*\n/, "").replace('"version":1', '"version":2'),
  ];
  for (const content of contents) {
    assertEquals(parseMessageJson(sealed(content)).entry, undefined, content);
  }
  const good = decode(formatMessageJson({ entry: entry("a"), head: new Uint8Array(0) }));
  assertEquals(parseMessageJson(sealed(good.replace(/^.*\n/, ""))).entry, entry("a"));
});

Deno.test("parseMessageJson() never throws", () => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.string().map(sealed)), (file) => {
    parseMessageJson(file);
  }));
});
