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
  assertEquals(
    domains(`From: <${Array.from({ length: 10_000 }, (_, i) => `x@d${i}.test`).join("<")}\r\n`),
    "malformed",
  );
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
