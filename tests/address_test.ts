import { assertEquals, assertNotEquals } from "@std/assert";
import {
  type Address,
  addressesEqual,
  domainKey,
  formatAddress,
  isAddressLiteral,
  mailboxKey,
  parseAddress,
  parseAddressLiteral,
  parseDomain,
  parsePlainAddress,
  toAsciiDomain,
} from "../src/address.ts";
import fc from "fast-check";

Deno.test("parseAddress() reads mailboxes of RFC 5321 §4.1.2", () => {
  const cases: [string, string, string][] = [
    // RFC 5321 appendix D
    ["Smith@bar.com", "Smith", "bar.com"],
    ["Jones@foo.com", "Jones", "foo.com"],
    ["Jones@XYZ.COM", "Jones", "xyz.com"],
    // RFC 3696 §3, with its errata
    ['"Abc@def"@example.com', "Abc@def", "example.com"],
    ['"Fred Bloggs"@example.com', "Fred Bloggs", "example.com"],
    ['"Joe\\\\Blow"@example.com', "Joe\\Blow", "example.com"],
    ["user+mailbox@example.com", "user+mailbox", "example.com"],
    ["customer/department=shipping@example.com", "customer/department=shipping", "example.com"],
    ["$A12345@example.com", "$A12345", "example.com"],
    ["!def!xyz%abc@example.com", "!def!xyz%abc", "example.com"],
    ["_somename@example.com", "_somename", "example.com"],
    // RFC 5321 §4.1.2: quoted and unquoted forms of one mailbox
    ['"jones"@foo.com', "jones", "foo.com"],
    ['"j\\o\\nes"@foo.com', "jones", "foo.com"],
    ['".a..b."@foo.com', ".a..b.", "foo.com"],
    ['" "@foo.com', " ", "foo.com"],
    ["a@b", "a", "b"],
    ["a@1.2.3.4", "a", "1.2.3.4"],
    ["a@3com.com", "a", "3com.com"],
    ["a@host_name.example", "a", "host_name.example"],
    ["a@_dmarc.example", "a", "_dmarc.example"],
    ["a@xn--bcher-kva.example", "a", "xn--bcher-kva.example"],
    // address literals, RFC 5321 §4.1.3
    ["Smith@[192.0.2.1]", "Smith", "[192.0.2.1]"],
    ["Smith@[IPv6:2001:DB8::1]", "Smith", "[IPv6:2001:db8::1]"],
  ];
  for (const [text, local, domain] of cases) {
    assertEquals(parseAddress(text), { local, domain }, text);
  }
});

Deno.test("parseAddress() refuses what is no mailbox", () => {
  const cases = [
    "",
    "@",
    "a",
    "a@",
    "@b",
    "a@b@c",
    "a b@c",
    ".a@b",
    "a.@b",
    "a..b@c",
    "a@.b",
    "a@b.",
    "a@b..c",
    "a@-b",
    "a@b-",
    "a@b-.c",
    "a@b c",
    "a@b,c",
    "a@[192.0.2.256]",
    "a@[192.0.2.1",
    "a@192.0.2.1]",
    "a@[192.0.2.1]x",
    "a@[x400:mumble]",
    "a@[2001:db8::1]",
    "a@[IPv6:192.0.2.1]",
    "a@[IPv6:2001:db8::1%eth0]",
    '""@b',
    '"a@b',
    '"a"b@c',
    'a"b"@c',
    '"a" @b',
    '"a\tb"@c',
    '"a\\\tb"@c',
    "a(comment)@b",
    "<a@b>",
    "a@b>",
    "a\0@b",
    "a@b\r\n",
    '"a\r\nb"@c',
    "a\n@b",
    "ü@b.example",
    "a@ü.example",
    "a@b\u00a0",
  ];
  for (const text of cases) assertEquals(parseAddress(text), null, JSON.stringify(text));
});

Deno.test("parseAddress() keeps the sizes of RFC 5321 §4.5.3.1", () => {
  const label = "d".repeat(63);
  const domain = [label, label, label, "d".repeat(61), "e"].join(".");
  assertEquals(domain.length, 255);
  assertNotEquals(parseAddress(`${"a".repeat(64)}@b`), null);
  assertEquals(parseAddress(`${"a".repeat(65)}@b`), null);
  assertNotEquals(parseAddress(`${"a".repeat(65)}@b`, { localLimit: 65 }), null);
  assertNotEquals(parseAddress(`a@${label}`), null);
  assertEquals(parseAddress(`a@d${label}`), null);
  assertNotEquals(parseAddress(`a@${domain}`), null);
  assertEquals(parseAddress(`a@${domain}.f`), null);
  // Octets count, not characters.
  const ideographs = "驿".repeat(21);
  assertNotEquals(parseAddress(`${ideographs}@b`, { smtputf8: true }), null);
  assertEquals(parseAddress(`${ideographs}ab@b`, { smtputf8: true }), null);
});

Deno.test("parseAddress() reads internationalized mailboxes of RFC 6531 §3.3 when allowed", () => {
  const cases: [string, string, string][] = [
    ["用户@例子.广告", "用户", "例子.广告"],
    ["Pelé@example.com", "Pelé", "example.com"],
    ["δοκιμή@παράδειγμα.δοκιμή", "δοκιμή", "παράδειγμα.δοκιμή"],
    ["我買@屋企.香港", "我買", "屋企.香港"],
    ["二ノ宮@黒川.日本", "二ノ宮", "黒川.日本"],
    ["медведь@с-балалайкой.рф", "медведь", "с-балалайкой.рф"],
    ["संपर्क@डाटामेल.भारत", "संपर्क", "डाटामेल.भारत"],
    ['"用 户"@example.com', "用 户", "example.com"],
    ["a@BÜCHER.example", "a", "bücher.example"],
    ["a@bu\u0308cher.example", "a", "bücher.example"],
    ["क\u094d\u200dष@example.com", "क\u094d\u200dष", "example.com"],
  ];
  for (const [text, local, domain] of cases) {
    assertEquals(parseAddress(text, { smtputf8: true }), { local, domain }, text);
    assertEquals(parseAddress(text), null, text);
  }
});

Deno.test("parseAddress() refuses characters that hide, deceive or do not exist", () => {
  const bad = [
    "\u0080",
    "\u009f",
    "\u00a0",
    "\u00ad",
    "\u061c",
    "\u180e",
    "\u200b",
    "\u200e",
    "\u200f",
    "\u2028",
    "\u2029",
    "\u202a",
    "\u202e",
    "\u2060",
    "\u2066",
    "\u2069",
    "\u3000",
    "\ufeff",
    "\ufffe",
    "\ud800",
    "\udfff",
    "\u{e0041}",
    "\u{1fffe}",
  ];
  for (const character of bad) {
    const name = `U+${character.codePointAt(0)?.toString(16)}`;
    assertEquals(parseAddress(`a${character}b@example.com`, { smtputf8: true }), null, name);
    assertEquals(parseAddress(`"a${character}b"@example.com`, { smtputf8: true }), null, name);
    assertEquals(parseAddress(`a@ü${character}b.example`, { smtputf8: true }), null, name);
  }
});

Deno.test("parseDomain() refuses labels that only look like others", () => {
  const cases = [
    "ｅｘａｍｐｌｅ.com", // full-width letters are mapped to ASCII
    "example。com", // the ideographic full stop is mapped to a dot
    "１９２.0.2.1.ü",
    "㈀.example", // mapped to parentheses
    "ü..example",
    "-ü.example",
    "ü-.example",
    "ü.1",
    "ü/x.example",
    "ü:25.example",
    "ü%41.example",
    `${"ü".repeat(64)}.example`, // its A-label is longer than 63 octets
    "\u0308a.example",
    "\u{fffff}.example",
  ];
  for (const domain of cases) assertEquals(parseDomain(domain, { smtputf8: true }), null, domain);
});

Deno.test("parseAddressLiteral() reads all forms of RFC 5321 §4.1.3 canonically", () => {
  const cases: [string, string | null][] = [
    ["[192.0.2.1]", "[192.0.2.1]"],
    ["[192.000.002.010]", "[192.0.2.10]"], // Snum is decimal
    ["[IPv6:2001:db8:1:2:3:4:5:6]", "[IPv6:2001:db8:1:2:3:4:5:6]"], // IPv6-full
    ["[ipv6:2001:DB8:0:0:0:0:0:1]", "[IPv6:2001:db8::1]"],
    ["[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"], // IPv6-comp
    ["[IPv6:::]", "[IPv6:::]"],
    ["[IPv6:::1]", "[IPv6:::1]"],
    ["[IPv6:1:2:3:4:5:6:192.0.2.1]", "[IPv6:1:2:3:4:5:6:c000:201]"], // IPv6v4-full
    ["[IPv6:::ffff:192.0.2.1]", "[IPv6:::ffff:192.0.2.1]"], // IPv6v4-comp
    ["[IPv6:::ffff:192.0.02.001]", "[IPv6:::ffff:192.0.2.1]"],
    ["[IPv6:1:2:3:4:5:6:7]", null],
    ["[IPv6:1::2::3]", null],
    ["[IPv6:]", null],
    ["[IPv6 :::1]", null],
    ["[]", null],
    ["192.0.2.1", null],
    ["[ 192.0.2.1 ]", null],
    ["[192.0.2.1]]", null],
    ["[1.2.3]", null],
    ["[0192.0.2.1]", null],
    ["[tag:value]", null],
  ];
  for (const [text, expected] of cases) assertEquals(parseAddressLiteral(text), expected, text);
});

Deno.test("isAddressLiteral() tells a literal from a name", () => {
  assertEquals(isAddressLiteral("[192.0.2.1]"), true);
  assertEquals(isAddressLiteral("192.0.2.1"), false);
  assertEquals(isAddressLiteral(""), false);
});

Deno.test("toAsciiDomain() gives A-labels", () => {
  // RFC 3492 §7.1 (B) and the IDN test domains of IANA
  const cases: [string, string][] = [
    ["Example.ORG", "example.org"],
    ["他们为什么不说中文.example", "xn--ihqwcrb4cv8a8dqg056pqjye.example"],
    ["例え.テスト", "xn--r8jz45g.xn--zckzah"],
    ["пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"],
    ["FAẞ.example", "xn--fa-hia.example"],
  ];
  for (const [domain, expected] of cases) assertEquals(toAsciiDomain(domain), expected);
  assertEquals(toAsciiDomain("[192.0.2.1]"), "[192.0.2.1]");
  assertEquals(toAsciiDomain("ü b.example"), null);
});

Deno.test("formatAddress() quotes only where it must", () => {
  const cases: [Address, string][] = [
    [{ local: "a.b+c", domain: "d.example" }, "a.b+c@d.example"],
    [{ local: "a b", domain: "d.example" }, '"a b"@d.example'],
    [{ local: 'a"b\\c', domain: "d.example" }, '"a\\"b\\\\c"@d.example'],
    [{ local: ".a", domain: "d.example" }, '".a"@d.example'],
    [{ local: "a@b", domain: "d.example" }, '"a@b"@d.example'],
    [{ local: "", domain: "d.example" }, '""@d.example'],
    [{ local: "用户", domain: "例子.广告" }, "用户@例子.广告"],
    [{ local: "Postmaster", domain: "" }, "Postmaster"],
    [{ local: "a", domain: "[IPv6:::1]" }, "a@[IPv6:::1]"],
    // what no parser gives
    [{ local: "a\r\nb", domain: "c>\r\nRCPT TO:<d" }, "a??b@c???RCPT?TO:?d"],
    [{ local: "a\0\u0085b", domain: "\ud800" }, "a??b@\ufffd"],
  ];
  for (const [address, expected] of cases) assertEquals(formatAddress(address), expected);
});

Deno.test("mailboxKey() is one for one mailbox", () => {
  const same: [string, string][] = [
    ["Bob@Example.ORG", "bob@example.org"],
    ['"bob"@example.org', "bob@example.org"],
    ["PELÉ@example.org", "pelé@example.org"],
    ["pele\u0301@example.org", "pelé@example.org"],
    ["a@BÜCHER.example", "a@xn--bcher-kva.example"],
    ["a@bücher.example", "a@XN--Bcher-KVA.example"],
    ["ΟΔΟΣ@example.org", "οδοσ@example.org"],
    ["a@[IPv6:2001:DB8:0::1]", "a@[ipv6:2001:db8::1]"],
  ];
  for (const [a, b] of same) {
    const [one, other] = [a, b].map((text) => parseAddress(text, { smtputf8: true })!);
    assertEquals(mailboxKey(one!), mailboxKey(other!), `${a} ${b}`);
    assertEquals(addressesEqual(one!, other!), true);
  }
  const other: [string, string][] = [
    ["bob@example.org", "bob@example.com"],
    ["bob@example.org", "bob+tag@example.org"],
    ["b.ob@example.org", "bob@example.org"],
    ["pelé@example.org", "pele@example.org"],
    ['"a@b"@c', '"a"@b.c'],
  ];
  for (const [a, b] of other) {
    const [one, two] = [a, b].map((text) => parseAddress(text, { smtputf8: true })!);
    assertEquals(addressesEqual(one!, two!), false, `${a} ${b}`);
  }
  assertEquals(mailboxKey({ local: "POSTMASTER", domain: "" }), "postmaster@");
});

Deno.test("domainKey() is total", () => {
  assertEquals(domainKey("EXAMPLE.org"), "example.org");
  assertEquals(domainKey("Bücher.example"), "xn--bcher-kva.example");
  assertEquals(domainKey("Ü b"), "ü b");
  assertEquals(domainKey(""), "");
});

/** Mailbox of RFC 5321 §4.1.2 with a Dot-string and a Domain, `_` in labels; the sizes of §4.5.3.1. */
const PLAIN =
  /^(?=.{1,64}@)([\w!#$%&'*+\-/=?^`{|}~]+(?:\.[\w!#$%&'*+\-/=?^`{|}~]+)*)@(?=.{1,255}$)((?!-)[\w-]{1,63}(?<!-)(?:\.(?!-)[\w-]{1,63}(?<!-))*)$/;

Deno.test("parseAddress() of what has no quotes, brackets or UTF-8 is the grammar's regular expression", () => {
  const good = fc.constantFrom("a", "B", "_", "0.a", "a-b", "x".repeat(31), "y.z");
  const bad = fc.constantFrom(".", "-", "@", "+", "'", " ", "(", "\x7f", "é");
  const piece = fc.oneof({ weight: 5, arbitrary: good }, { weight: 1, arbitrary: bad });
  const some = (most: number) => fc.array(piece, { maxLength: most }).map((all) => all.join(""));
  const text = fc.tuple(some(4), fc.constantFrom("@", "@", "@", "", ".@"), some(10));
  let read = 0;
  fc.assert(
    fc.property(text, fc.boolean(), (parts, upper) => {
      const written = upper ? parts.join("").toUpperCase() : parts.join("");
      const match = PLAIN.exec(written);
      const expected = match && { local: match[1]!, domain: match[2]!.toLowerCase() };
      if (expected !== null) read++;
      assertEquals(parseAddress(written), expected);
      assertEquals(parsePlainAddress(`<${written}> X`, 1, written.length + 1), expected);
      // The second time it is known.
      assertEquals(parseDomain(match?.[2] ?? "x"), expected?.domain ?? "x");
    }),
    { numRuns: 3000 },
  );
  assertEquals(read > 100, true, `${read}`);
});

Deno.test("parseDomain() gives the same however many others came between", () => {
  assertEquals(parseDomain("Example.ORG"), "example.org");
  for (let i = 0; i < 3000; i++) assertEquals(parseDomain(`H${i}.example`), `h${i}.example`);
  assertEquals(parseDomain("Example.ORG"), "example.org");
  assertEquals(parseDomain("example..org"), null);
});
