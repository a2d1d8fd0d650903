import { assertEquals } from "@std/assert";
import { formatAddress } from "../../src/address.ts";
import { encode } from "../../src/bytes.ts";
import { fieldValue } from "../../src/message/header.ts";
import { parseFromAddresses } from "../../src/message/mailbox_list.ts";

function read(value: string): string[] | null {
  return parseFromAddresses(value)?.map(formatAddress) ?? null;
}

Deno.test("parseFromAddresses() reads the examples of RFC 5322 appendix A", () => {
  const cases: [string, string[]][] = [
    ["John Doe <jdoe@machine.example>", ["jdoe@machine.example"]], // A.1.1
    ['"Joe Q. Public" <john.q.public@example.com>', ["john.q.public@example.com"]], // A.1.2
    ["Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>", [
      "mary@x.test",
      "jdoe@example.org",
      "one@y.test",
    ]],
    ['<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>', [
      "boss@nil.test",
      "sysservices@example.net",
    ]],
    // A.1.3, group
    ["A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;", [
      "c@a.test",
      "joe@where.test",
      "jdoe@one.test",
    ]],
    // A.5, comments and white space everywhere
    ["Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", ["pete@silly.test"]],
    [
      "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n" +
      "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
      ["c@public.example", "joe@example.org", "jdoe@one.test"],
    ],
    // A.6.1, obsolete forms
    ["Joe Q. Public <john.q.public@example.com>", ["john.q.public@example.com"]],
    ["Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", [
      "mary@example.net",
      "jdoe@test.example",
    ]],
  ];
  for (const [value, expected] of cases) {
    const unfolded = fieldValue({ name: "From", raw: encode(`From: ${value}\r\n`) });
    assertEquals(read(unfolded), expected, value);
  }
});

Deno.test("parseFromAddresses() reads what mail programs write", () => {
  const cases: [string, string[]][] = [
    ["alice@example.org", ["alice@example.org"]],
    ["<alice@example.org>", ["alice@example.org"]],
    ["Alice@EXAMPLE.org", ["Alice@example.org"]],
    ["=?UTF-8?Q?J=C3=B6rg?= =?UTF-8?B?eA==?= <j@example.org>", ["j@example.org"]],
    ["Jörg <j@example.org>", ["j@example.org"]],
    ["用户 <用户@例子.广告>", ["用户@例子.广告"]],
    ['"victim@bank.example" <me@example.org>', ["me@example.org"]],
    ['"a b"@example.org', ['"a b"@example.org']],
    ['first."second third".x@example.org', ['"first.second third.x"@example.org']],
    ["a@[192.0.2.1]", ["a@[192.0.2.1]"]],
    ["a@[IPv6:2001:DB8::1]", ["a@[IPv6:2001:db8::1]"]],
    ["<@a.example,@b.example:c@d.example>", ["c@d.example"]],
    ["Group: ; , a@b.example", ["a@b.example"]],
  ];
  for (const [value, expected] of cases) assertEquals(read(value), expected, value);
});

Deno.test("parseFromAddresses() gives null for anything doubtful", () => {
  for (const value of ["", "   ", ",", "undisclosed-recipients:;", "(a@b.example)"]) {
    assertEquals(read(value), null, JSON.stringify(value));
  }
  const cases = [
    "Alice",
    "alice@",
    "@example.org",
    "<>",
    "Alice <>",
    "victim@bank.example <me@example.org>",
    "me@example.org <victim@bank.example>",
    "<me@example.org> <victim@bank.example>",
    "<me@example.org> victim@bank.example",
    "me@example.org victim@bank.example",
    "<me@example.org",
    "me@example.org>",
    "<<me@example.org>>",
    "<me@example.org>>",
    "a@b.example@c.example",
    "a@b.example; c@d.example",
    "Doe, John <j@example.org>",
    "John Doe j@example.org",
    "john doe@example.org",
    "a..b@example.org",
    ".a@example.org",
    "a.@example.org",
    ". <a@example.org>",
    'a@"example.org"',
    "a@example..org",
    "a@example.org.",
    "a@-example.org",
    '""@example.org',
    "a@[x]",
    "Group: a@b.example",
    "Group: Inner: a@b.example;;",
    ": a@b.example;",
    "a@b.example;",
    "<@a.example c@d.example>",
    "<@a.example:>",
    "<@a..example:c@d.example>",
    '<@"a.example":c@d.example>',
    "<a.example:c@d.example>",
    "(unclosed a@b.example",
    '"unclosed <a@b.example>',
    "a@b.example\0",
    "a@b.example\r\nBcc: x@y.example",
    "a\u202eb@example.org",
    `${"a".repeat(65)}@example.org`,
  ];
  for (const value of cases) {
    assertEquals(read(value), null, JSON.stringify(value));
    // Nor does a good neighbour hide it.
    assertEquals(read(`ok@example.org, ${value}`), null, JSON.stringify(value));
    assertEquals(read(`${value}, ok@example.org`), null, JSON.stringify(value));
  }
});

Deno.test("parseFromAddresses() takes time in proportion to the text", () => {
  assertEquals(read("a@b.example,".repeat(20_000))?.length, 20_000);
  assertEquals(read("<".repeat(200_000)), null);
  assertEquals(read("a ".repeat(100_000)), null);
  assertEquals(read("a:".repeat(100_000)), null);
});
