import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isSpf, parseSpf } from "../../../src/mailauth/spf/record.ts";

/** Any character, halves of pairs among them. */
const ANY = fc.nat(0xffff).map((unit) => String.fromCharCode(unit));

Deno.test("isSpf() knows a record by its version alone (RFC 7208 §4.5)", () => {
  for (const text of ["v=spf1", "V=sPf1 -all", "v=spf1 ", "v=spf1 nonsense"]) {
    assert(isSpf(text), text);
  }
  for (
    const text of ["v=spf10", " v=spf1", "v=spf1-all", "v=spf1\n-all", "v=spf1\t-all", "", "spf1"]
  ) {
    assert(!isSpf(text), text);
  }
});

Deno.test("parseSpf() refuses what RFC 7208 §4.6.1 and §12 call a syntax error", () => {
  const hosts = ["a:", "a/33", "a//129", "a/032", "a:/24", "a/24/64", "mx//", "a:1.2.3.4", "a:x"];
  const networks = ["ip4:192.0.2", "ip4:2001:db8::1", "ip4:192.0.2.1/33", "ip6:192.0.2.1", "ip4"];
  const others = ["mxx", "all:x", "all/8", "include", "include:", "exists", "ptr:", "ptr/8", "-"];
  const modifiers = [
    "redirect=",
    "redirect=a.b redirect=c.d",
    "exp=",
    "x=%",
    "=x",
    "1x=y",
    "exp=-all",
  ];
  const characters = ["a:é.test", "\tall", "all\n", "a:x.test\0", "\ufeffall"];
  for (const words of [...hosts, ...networks, ...others, ...modifiers, ...characters]) {
    assertEquals(parseSpf(`v=spf1 ${words}`).status, "bad", words);
    assertEquals(parseSpf(`v=spf1 -all ${words} mx`).status, "bad", "anywhere in it");
  }
  const good = [
    "v=spf1",
    "v=spf1  a//64 MX:x.test/24//64 ptr foo=bar exp=x.test -ALL ",
    "v=spf1 a:x:y/z.test/8 Redirect=%{d2}.test moo.cow_far-out=a:b/c ip6:::/0 ip4:1.2.3.4/0",
  ];
  for (const text of good) assertEquals(parseSpf(text).status, "record", text);
});

Deno.test("parseSpf() gives terms as they stand, and what they say", () => {
  const read = parseSpf("v=spf1 +a ?MX/24//64 ~ip4:192.0.2.7/24 -include:x.test exp=e.test");
  assert(read.status === "record");
  const { directives, redirect, explanation } = read.record;
  assertEquals(directives.map(({ text, qualifier }) => `${text} ${qualifier}`), [
    "+a pass",
    "?MX/24//64 neutral",
    "~ip4:192.0.2.7/24 softfail",
    "-include:x.test fail",
  ]);
  assertEquals(directives[0]?.mechanism, { kind: "a", domain: null, prefix4: 32, prefix6: 128 });
  assertEquals(directives[1]?.mechanism, { kind: "mx", domain: null, prefix4: 24, prefix6: 64 });
  assertEquals(directives[2]?.mechanism, {
    kind: "ip4",
    network: { address: Uint8Array.of(192, 0, 2, 7), prefix: 24 },
  });
  assertEquals([redirect, explanation?.text], [null, "exp=e.test"]);
});

Deno.test("parseSpf() says what is wrong, whatever stands there", () => {
  const reason = (words: string) => {
    const read = parseSpf(`v=spf1 ${words}`);
    return read.status === "bad" ? read.reason : null;
  };
  assertEquals(reason("mxx -all"), "mxx is no mechanism of SPF");
  assertEquals(
    reason("a:192.0.2.1"),
    "a:192.0.2.1 has an address where a domain belongs: ip4 and ip6 have those",
  );
  assertEquals(reason("exp=a.test exp=b.test"), "exp=b.test is there twice");
  assertEquals(reason("ev\x1bil\u202e"), "ev?il? is no mechanism of SPF");
  assertEquals(reason("x".repeat(5000))?.length, 80 + "... is no mechanism of SPF".length);
  assertEquals(reason("ip4:192.0.2.1 ".repeat(8000)), "it has more than 8192 characters");
});

Deno.test("parseSpf() never throws", () => {
  const word = fc.string({
    unit: fc.constantFrom(..."v=spf1 amxip46:/.-~?%{}include0dl"),
    maxLength: 60,
  });
  fc.assert(fc.property(fc.oneof(word, fc.string({ unit: ANY })), (text) => {
    const read = parseSpf(`v=spf1 ${text}`);
    if (read.status === "bad") assert(/^[ -~]+$/.test(read.reason), read.reason);
  }));
});
