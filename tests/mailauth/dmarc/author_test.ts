import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../../src/bytes.ts";
import { authorsOf } from "../../../src/mailauth/dmarc/author.ts";
import { parseFields } from "../../../src/message/header.ts";

const authors = (head: string) => authorsOf(parseFields(encode(head)));
const domains = (head: string) => {
  const found = authors(head);
  return found.status === "named" ? found.domains : found.status;
};

Deno.test("authorsOf() gives the one domain of usual mail, as A-labels", () => {
  assertEquals(domains("To: b@b.test\r\nFROM: A <a@Example.COM>\r\n"), ["example.com"]);
  assertEquals(domains("From: a@bücher.example\r\n"), ["xn--bcher-kva.example"]);
  assertEquals(domains("From: a@a.test, b@A.test\r\nSender: c@c.test\r\n"), ["a.test"]);
  assertEquals(domains('From: "boss@bank.example" <x@evil.example>\r\n'), ["evil.example"]);
  assertEquals(domains("From: x@evil.example (boss@bank.example)\r\n"), ["evil.example"]);
});

Deno.test("authorsOf() gives each domain where there are several", () => {
  assertEquals(domains("From: a@a.test, b@b.test\r\n"), ["a.test", "b.test"]);
  assertEquals(domains("From: Group: a@a.test, b@b.test;\r\n"), ["a.test", "b.test"]);
  assertEquals(
    domains(`From: ${"abcde".split("").map((l) => `x@${l}.test`).join()}\r\n`),
    "malformed",
  );
});

Deno.test("authorsOf() gives whatever domain a malformed field could be shown with", () => {
  assertEquals(domains("From: boss@bank.example <x@evil.example>\r\n"), [
    "bank.example",
    "evil.example",
  ]);
  assertEquals(domains("From: a@a.test <a@a.test>\r\n"), ["a.test"]);
  assertEquals(domains("From: Foo, Inc. <a@a.test>\r\n"), ["a.test"]);
  assertEquals(domains("From: <a@a.test.>\r\n"), ["a.test"]);
  assertEquals(domains('From: "open <a@a.test>\r\n'), ["a.test"]);
  assertEquals(domains(`From: ${"x@y.test <".repeat(20_000)}\r\n`), ["y.test"]);
  assertEquals(domains(`From: <${"x@a.a.-.".repeat(30_000)}\r\n`), "nobody");
  assertEquals(domains(`From: <${"@".repeat(200_000)}\r\n`), "nobody");
  assertEquals(domains(`From: <@${"a.".repeat(100_000)}-\r\n`), "nobody");
  assertEquals(
    domains(`From: <${Array.from({ length: 10_000 }, (_, i) => `x@d${i}.test`).join("<")}\r\n`),
    "malformed",
  );
});

Deno.test("authorsOf() sees through what hides a domain from a strict reader, and not from people", () => {
  for (
    const value of [
      "<boss@bank.example\0>",
      "boss@bank.example\x01",
      "boss@bank.example!",
      "<boss@(x)bank.example> junk",
      "<boss@ba(x)nk.example> junk",
      'boss@"bank.example"',
      "boss@bank\\.example",
      "boss@bank .example <x",
      "boss@bank..example",
      "boss@-.bank.example",
      "boss@[bank.example]",
      "=?utf-8?q?boss=40bank.example?=",
      `=?utf-8?b?${btoa("boss@bank.example")}?=`,
      `(${"x".repeat(5000)}) =?utf-8?b?${btoa("boss@bank.example")}?=`,
      "boss@ｂａｎｋ.example",
      "boss@bank。example",
      "boss＠bank.example",
      "boss@ba\u00adnk.example",
      "boss@bank.example\u200b",
      `boss@${"a".repeat(64)}.bank.example`,
      '(boss@"bank.example"',
    ]
  ) assertEquals(domains(`From: ${value}\r\n`), ["bank.example"], value);
  for (
    const value of [
      '"boss@bank.example"@evil.example',
      "=?utf-8?q?boss=40bank.example=00?=@evil.example",
    ]
  ) {
    const found = domains(`From: ${value}\r\n`);
    assertEquals(Array.isArray(found) && found.toSorted(), ["bank.example", "evil.example"], value);
  }
  // Some end at a null character, some pass over it.
  assertEquals(domains("From: boss@bank.example\0.evil.example\r\n"), [
    "bank.example",
    "bank.example.evil.example",
  ]);
  // A name that is too long for DNS belongs to whom its end belongs to.
  const [long] = domains(`From: x@${"a.".repeat(200)}bank.example\r\n`);
  assertEquals([long?.length, long?.endsWith(".a.bank.example")], [252, true]);
});

Deno.test("authorsOf() takes no lone word for a domain", () => {
  assertEquals(domains("From: Meet me @ Gov <a@a.test>\r\n"), ["a.test"]);
  assertEquals(domains("From: Meet me @ <a@a.test>\r\n"), ["a.test"]);
  assertEquals(domains("From: Meet @ the Office. <a@a.test>\r\n"), ["a.test"]);
});

Deno.test("authorsOf() refuses to choose among From fields, folded or not", () => {
  assertEquals(domains("From: a@a.test\r\nfrom : a@a.test\r\n"), "malformed");
});

Deno.test("authorsOf() finds nobody where there is nobody", () => {
  for (
    const head of [
      "",
      "From:\r\n",
      "From: undisclosed:;\r\n",
      "From: root\r\n",
      "From: a@[192.0.2.1]\r\n",
    ]
  ) {
    assertEquals(domains(head), "nobody", head);
  }
});

Deno.test("authorsOf() never throws", () => {
  fc.assert(fc.property(fc.string(), (value) => {
    const found = authors(`From: ${value}\r\n`);
    assertEquals(found.status !== "named" || found.domains.length <= 4, true);
  }));
});
