import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  expandName,
  expandText,
  isMacroString,
  type MacroLetter,
  type MacroString,
  parseDomainSpec,
  parseExplanation,
} from "../../../src/mailauth/spf/macro_string.ts";

/** Any character, halves of pairs among them. */
const ANY = fc.nat(0xffff).map((unit) => String.fromCharCode(unit));

/** RFC 7208 §7.4: strong-bad@email.example.com from 192.0.2.3, whose validated name is mx.example.org. */
const VALUES: Readonly<Record<MacroLetter, string>> = {
  ...{ s: "strong-bad@email.example.com", l: "strong-bad", o: "email.example.com" },
  ...{ d: "email.example.com", i: "192.0.2.3", p: "mx.example.org", v: "in-addr" },
  ...{ h: "client.example", c: "192.0.2.3", r: "mx.example.net", t: "1700000000" },
};

const tell = (letter: MacroLetter) => VALUES[letter];
const text = (written: string) => expandText(parseExplanation(written)!, tell, 1000);
const name = (written: string) => expandName(parseDomainSpec(written)!, tell);

Deno.test("expandText() does as the table of RFC 7208 §7.4", () => {
  const table: Record<string, string> = {
    "%{s}": "strong-bad@email.example.com",
    "%{o}": "email.example.com",
    "%{d}": "email.example.com",
    "%{d4}": "email.example.com",
    "%{d3}": "email.example.com",
    "%{d2}": "example.com",
    "%{d1}": "com",
    "%{dr}": "com.example.email",
    "%{d2r}": "example.email",
    "%{l}": "strong-bad",
    "%{l-}": "strong.bad",
    "%{lr}": "strong-bad",
    "%{lr-}": "bad.strong",
    "%{l1r-}": "strong",
  };
  for (const [macro, expanded] of Object.entries(table)) assertEquals(text(macro), expanded, macro);
});

Deno.test("expandName() does as the examples of RFC 7208 §7.4", () => {
  const examples: Record<string, string> = {
    "%{ir}.%{v}._spf.%{d2}": "3.2.0.192.in-addr._spf.example.com",
    "%{lr-}.lp._spf.%{d2}": "bad.strong.lp._spf.example.com",
    "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}": "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
    "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}": "3.2.0.192.in-addr.strong.lp._spf.example.com",
    "%{d2}.trusted-domains.example.net": "example.com.trusted-domains.example.net",
  };
  for (const [spec, expanded] of Object.entries(examples)) assertEquals(name(spec), expanded, spec);
});

Deno.test("expandText() escapes what upper case asks for (RFC 7208 §7.3, RFC 3986 §2.3)", () => {
  const of = (local: string) =>
    expandText(parseExplanation("%{L}")!, (letter) => letter === "l" ? local : "", 100);
  assertEquals(of("jack&jill=up"), "jack%26jill%3Dup");
  assertEquals(of("a-b._~1"), "a-b._~1");
  assertEquals(of("!'()*"), "%21%27%28%29%2A");
  assertEquals(of("é"), "%C3%A9");
  assertEquals(text("%%%_%-"), "% %20");
});

Deno.test("parseDomainSpec() holds to the grammar of RFC 7208 §7.1", () => {
  const good = ["%{d}", "a.%{d}", "a.example", "a.example.", "_x.%{i}._y.xn--p1ai", "a.b-1", "a%%"];
  const bad = ["", "example", "example.", "a.1", "a.-b", "a.b-", "a..", "%{d}x", "a.%{d", "a.%"];
  const letters = ["%{c}", "%{r}", "%{t}", "%{x}", "%{}", "%{d0}", "%{dr2}", "%{d:}", "%{d-r}"];
  const characters = ["a b.example", "é.example", "a\0.example", "a.exämple", "a\n.example"];
  for (const spec of good) assert(parseDomainSpec(spec) !== null, spec);
  for (const spec of [...bad, ...letters, ...characters]) {
    assertEquals(parseDomainSpec(spec), null, spec);
  }
  for (const spec of ["", "x", "%{l}x", "%%.."]) assert(isMacroString(spec), spec);
  for (const spec of ["%{c}", "%{R}", "%{t1}", "a b", "%"]) assert(!isMacroString(spec), spec);
  assert(parseExplanation("See %{c} %{r} %{t}.") !== null);
});

Deno.test("expandName() takes labels off the left of a name that is too long (RFC 7208 §7.3)", () => {
  const labels = Array.from({ length: 30 }, (_, at) => `label-${`${at}`.padStart(3, "0")}`);
  const expanded = name(`${labels.join(".")}.example.`)!;
  assert(expanded.length <= 253 && expanded.length > 253 - 10);
  assert(labels.join(".").endsWith(expanded.replace(/\.example$/, "")));
  assertEquals(expanded.split(".")[0]?.length, 9, "a label is whole or gone");
  assertEquals(name(`${"x".repeat(300)}.example`), "example");
  const only = [{ letter: "l", escape: false, parts: Infinity, reverse: false, delimiters: "" }];
  assertEquals(expandName(only as MacroString, () => "x".repeat(300)), null);
});

Deno.test("expandName() makes no name of what DNS cannot carry (RFC 8616 §4)", () => {
  const spec = parseDomainSpec("%{l}._spf.example")!;
  assertEquals(expandName(spec, () => "用户"), null);
  assertEquals(expandName(parseDomainSpec("%{l}")!, () => ""), null);
});

Deno.test("expandText() ends at its limit, and shows no control characters", () => {
  const much = parseExplanation("%{s}".repeat(4000))!;
  let asked = 0;
  assertEquals(expandText(much, (letter) => (asked++, VALUES[letter]), 500), null);
  assert(asked < 30, `${asked}`);
  const bomb = parseDomainSpec("%{s}.".repeat(4000) + "%{d}")!;
  asked = 0;
  assert(expandName(bomb, (letter) => (asked++, VALUES[letter]))!.length <= 253);
  assert(asked < 30, `${asked}`);
  assertEquals(expandText(parseExplanation("%{h}")!, () => "a\r\nb", 500), null);
});

Deno.test("macro strings of any text never throw, and names are bounded", () => {
  const token = fc.constantFrom("%", "{", "}", "%{", "d", "S", "r", "0", "12", "-", "+", ".", "a");
  const written = fc.array(fc.oneof(token, fc.string({ maxLength: 3 })), { maxLength: 30 });
  fc.assert(fc.property(written, fc.string({ unit: ANY }), (tokens, value) => {
    const text = tokens.join("");
    const spec = parseDomainSpec(text);
    const expanded = spec && expandName(spec, () => value);
    if (expanded !== null) assert(expanded.length <= 253);
    const explanation = parseExplanation(text);
    const shown = explanation && expandText(explanation, () => value, 100);
    if (shown !== null) assert(shown.length <= 100);
  }));
});
