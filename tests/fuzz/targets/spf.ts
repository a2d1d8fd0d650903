/**
 * Fuzzing of SPF: records that ask for one another in a small world of DNS, and the macro language.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { decode, encode, isAscii, isPrintable } from "../../../src/bytes.ts";
import { checkHost } from "../../../src/mailauth/spf/check_host.ts";
import {
  expandName,
  expandText,
  isMacroString,
  type MacroLetter,
  parseDomainSpec,
  parseExplanation,
} from "../../../src/mailauth/spf/macro_string.ts";
import type { SpfResolver } from "../../../src/mailauth/spf/questions.ts";
import { isSpf, parseSpf } from "../../../src/mailauth/spf/record.ts";
import type { DnsAnswer } from "../../../src/runtime/resolver.ts";
import type { FuzzTarget } from "../engine/target.ts";

const MACROS = [
  ...["%{s}", "%{l}", "%{o}", "%{d}", "%{i}", "%{p}", "%{v}", "%{h}", "%{c}", "%{r}", "%{t}"],
  ...["%{ir}", "%{D2R}", "%{l1r+-}", "%{L}", "%{d99999}", "%{d0}", "%{s.,/_=}", "%%", "%_", "%-"],
  ...["%", "%{", "%{x}", "%{d", ".example", ".a.example", "a", " ", "é", "\\"],
];

const TERMS = [
  ...["a", "mx", "-all", "~all", "?ptr", "include:a.example", "redirect=b.example"],
  ...["exp=c.example", "exp=%{d}", "include:%{p}", "exists:%{ir}.%{v}.d.example", "a:%{h}/8//8"],
  ...["ip4:192.0.2.0/24", "ip6:2001:db8::/32", "a:b.example/24//64", "mx//129", "exists:%{i}.x.y"],
  ...["ip4:192.0.2.1/33", "include:", "redirect=", "x=%", "+ALL", "all:x", "ip6:::ffff:1.2.3.4/96"],
  ...["-exists:%{l1r-}.%{o}", "mx:e.example", "ptr:%{d1}.example", "a:192.0.2.1"],
];

const WORDS = [...TERMS.map((term) => ` ${term}`), ...MACROS, "\n", "|", "v=spf1", "fail", "\t"];

/**
 * A world of DNS in which each line is all that a name has: of `a.example`, `b.example` and so on, and of all names
 * below. One that is `fail` gives no answer.
 */
function dnsOf(lines: readonly string[], asked: string[]): SpfResolver {
  const answer = <T>(
    name: string,
    records: (line: string) => T[],
  ): Promise<DnsAnswer<T>> => {
    asked.push(name);
    const at = /(?:^|\.)([a-z])\.example$/i.exec(name)?.[1]?.toLowerCase().charCodeAt(0);
    const line = at === undefined ? undefined : lines[at - 97];
    if (line === undefined) return Promise.resolve({ status: "none", reason: "nxdomain" });
    if (line === "fail") return Promise.resolve({ status: "failed", reason: "servfail" });
    return Promise.resolve({ status: "found", records: records(line) });
  };
  return {
    txt: (name) => answer(name, (line) => line.split("|")),
    mx: (name) =>
      answer(name, (line) => line.split(" ").map((exchange) => ({ preference: 1, exchange }))),
    a: (name) => answer(name, (line) => [`192.0.2.${line.length % 256}`, line]),
    aaaa: (name) => answer(name, (line) => [`2001:db8::${line.length % 9}`, line]),
    ptr: () => answer("b.example", (line) => ["a.example", "x.b.example", ...line.split(" ")]),
  };
}

const DECIDED = ["pass", "fail", "softfail", "neutral"];
const SILENT = ["none", "permerror", "temperror"];

const spf: FuzzTarget = {
  name: "spf",
  about:
    "SPF records that ask for one another (a line each for a.example, b.example …): an end, few questions",
  words: WORDS,
  generate: (chance) =>
    encode(
      chance.many(1, 5, () =>
        chance.oneIn(8)
          ? chance.pick(["fail", "", "|", "a b c d e f g h i j k"])
          : chance.oneIn(4)
          ? chance.many(0, 9, () =>
            chance.pick(MACROS))
          : `v=spf1 ${
            chance.many(0, 12, () => chance.pick(TERMS), " ")
          }`, "\n"),
    ),
  async run(input) {
    const lines = decode(input).split("\n");
    for (const line of lines) {
      const read = parseSpf(line);
      if (!isSpf(line)) assertEquals(read.status, "bad");
      if (read.status === "bad") assert(read.reason !== "" && isPrintable(read.reason));
      else {for (const { mechanism } of read.record.directives) {
          if (!("prefix4" in mechanism)) continue;
          const { prefix4, prefix6 } = mechanism;
          assert(prefix4 >= 0 && prefix4 <= 32 && prefix6 >= 0 && prefix6 <= 128);
        }}
    }
    for (const ip of ["192.0.2.7", "::ffff:192.0.2.9", "2001:db8::7"]) {
      const asked: string[] = [];
      const [hello, sender] = [lines.at(-1)!, `x-y+z.${lines[1]}@a.example`];
      const query = { ip, hello, sender, domain: "a.example" };
      const checked = await checkHost(query, { resolver: dnsOf(lines, asked) });
      const { result, explanation, mechanism, reason } = checked;
      assert([...DECIDED, ...SILENT].includes(result));
      assertEquals(reason !== undefined, SILENT.includes(result));
      assert(reason === undefined || isPrintable(reason), reason);
      if (mechanism !== undefined) assert(DECIDED.includes(result) && isPrintable(mechanism));
      if (explanation !== undefined) {
        assert(result === "fail" && explanation.length <= 500 && isPrintable(explanation));
      }
      // RFC 7208 §4.6.4: ten terms that ask, an `mx` ten more each; the client's names, the record, the explanation.
      assert(asked.length <= 1 + 10 * 11 + 11 + 1, `${asked.length} questions`);
    }
  },
};

const VALUES: Readonly<Record<MacroLetter, string>> = {
  ...{ s: "strong-bad@email.example.com", l: "strong-bad", o: "email.example.com" },
  ...{ d: "a.b.c.d.example", i: "192.0.2.3", p: "unknown", v: "in-addr", h: "x'y z/=,é" },
  ...{ c: "192.0.2.3", r: "mx.example.net", t: "1700000000" },
};

/** The same by one replacement of the whole text, as RFC 7208 §7.3 tells it. */
function expandPlainly(text: string): string {
  return text.replace(
    /%(?:([%_-])|\{([a-z])(\d*)(r?)([^}]*)\})/gi,
    (_, special, letter, digits, reverse, delimiters) => {
      if (special !== undefined) return { "%": "%", "_": " ", "-": "%20" }[special as "%"];
      let parts: string[] = [""];
      for (const character of VALUES[letter.toLowerCase() as MacroLetter]) {
        if ((delimiters || ".").includes(character)) parts.push("");
        else parts[parts.length - 1] += character;
      }
      if (reverse) parts = parts.reverse();
      const most = digits === "" ? parts.length : Math.min(Number(digits), parts.length);
      const value = digits + reverse + delimiters === ""
        ? VALUES[letter.toLowerCase() as MacroLetter]
        : parts.slice(parts.length - most).join(".");
      if (/[a-z]/.test(letter)) return value;
      return [...encode(value)].map((octet) => {
        const character = String.fromCharCode(octet);
        if (/[A-Za-z0-9\-._~]/.test(character)) return character;
        return `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
      }).join("");
    },
  );
}

const macro: FuzzTarget = {
  name: "spf-macro",
  about: "SPF's macro language: what is read is filled in as by plain replacement, and bounded",
  words: MACROS,
  longest: 1024,
  generate: (chance) => encode(chance.many(0, 12, () => chance.pick(MACROS))),
  run(input) {
    const text = decode(input);
    const values = (letter: MacroLetter) => VALUES[letter];
    const name = parseDomainSpec(text);
    if (name !== null) {
      assert(isMacroString(text), "a domain-spec is a macro-string");
      const whole = expandPlainly(text).replace(/\.$/, "");
      const expanded = expandName(name, values);
      if (expanded !== null) {
        assert(expanded !== "" && expanded.length <= 253 && isAscii(expanded));
        assert(whole === expanded || whole.length > 253 && whole.endsWith(`.${expanded}`), whole);
      } else assert(whole === "" || !isAscii(whole) || whole.length > 253, whole);
    }
    const explanation = parseExplanation(text);
    if (isMacroString(text)) assert(explanation !== null, "an explanation may have all of it");
    if (explanation === null) return;
    const [whole, expanded] = [expandPlainly(text), expandText(explanation, values, 500)];
    assertEquals(expanded, whole.length <= 500 && isPrintable(whole) ? whole : null);
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [spf, macro];
