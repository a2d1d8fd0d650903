import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, decode, encode } from "../../src/bytes.ts";
import { Head } from "../../src/message/head.ts";
import { findField, findFields, makeField, parseFields } from "../../src/message/header.ts";

/** Heads near to sound ones: names in any case, folded values, line ends that are none. */
const octets = fc.array(
  fc.oneof(
    fc.constantFrom("Received: a\r\n", "RECEIVED : b\r\n\tc\r\n", "X-Received: d\r\n", "To: e\r\n"),
    fc.constantFrom("Subject: one\r\n two\r\n", "subject\t:three\r\n", "Subjects: four\r\n"),
    fc.constantFrom("authentication-Results : a\r\n", "X-Authentication-Results: b\r\n"),
    fc.constantFrom(" ", "\t", ":", "\r\n", "\n", "\r", "é", "Received", "Subject: ", "Received:x"),
  ),
  { maxLength: 12 },
).map((parts) => encode(parts.join("")));

Deno.test("Head finds in one pass what its fields say", () => {
  fc.assert(
    fc.property(octets, (bytes) => {
      const head = new Head(bytes);
      const fields = parseFields(bytes);
      assertEquals(head.received, findFields(fields, "Received").length);
      assertEquals(head.subject?.raw, findField(fields, "Subject")?.raw);
      assertEquals(head.hasResults, findField(fields, "Authentication-Results") !== null);
      assertEquals(head.count >= fields.filter(({ name }) => name !== "").length, true);
      assertEquals(head.fields.map(({ raw }) => decode(raw)), fields.map(({ raw }) => decode(raw)));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("Head.below() puts one field on top and leaves the rest as it came", () => {
  const name = fc.constantFrom("X-Top", "Received", "Subject", "Authentication-Results");
  fc.assert(fc.property(octets, name, fc.boolean(), fc.boolean(), (bytes, name, asked, counted) => {
    const head = new Head(bytes);
    if (asked) head.fields;
    if (counted) head.count;
    const field = makeField(name, "yes\r\n or no");
    const topped = head.below(field);
    assertEquals(topped.octets, concat([field.raw, bytes]));
    assertEquals(topped.fields[0]?.name, name);
    const { count, received, subject, hasResults } = new Head(topped.octets);
    assertEquals([topped.count, topped.received, topped.hasResults], [count, received, hasResults]);
    assertEquals(topped.subject, subject);
  }));
});

Deno.test("Head.received counts stations, by their names alone", () => {
  const head = "Received: a\r\nX-Received: b\r\nRECEIVED : c\r\n d\r\nTo: Received: e\r\n";
  assertEquals(new Head(encode(head)).received, 2);
  assertEquals(new Head(encode("")).received, 0);
});
