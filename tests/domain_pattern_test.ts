import { assertEquals } from "@std/assert";
import {
  domainPatternKey,
  findByDomain,
  isMeantBy,
  parseDomainPattern,
  patternsOf,
} from "../src/domain_pattern.ts";

const MEANT: readonly (readonly [pattern: string, domain: string, meant: boolean])[] = [
  ["example.org", "example.org", true],
  ["Example.ORG", "example.org", true],
  ["example.org", "a.example.org", false],
  [".example.org", "example.org", false],
  [".example.org", "a.b.EXAMPLE.org", true],
  [".example.org", "badexample.org", false],
  // RFC 1985 §5.2
  ["@example.org", "example.org", true],
  ["@example.org", "a.b.example.org", true],
  ["@example.org", "badexample.org", false],
  ["bücher.example", "xn--bcher-kva.example", true],
  [".xn--bcher-kva.example", "a.Bücher.example", true],
  ["[192.0.2.1]", "[192.0.2.1]", true],
  [".2.1]", "[192.0.2.1]", false],
];

for (const [pattern, domain, meant] of MEANT) {
  Deno.test(`isMeantBy() of ${pattern} gives ${meant} for ${domain}`, () => {
    const patterns = new Set(["other.example", domainPatternKey(pattern)]);
    assertEquals(isMeantBy(patterns, domain), meant);
  });
}

Deno.test("findByDomain() finds what is said for the nearest pattern", () => {
  const table = new Map([["b.example", 1], [".b.example", 2], [".example", 3]]);
  const found = ["b.example", "c.a.b.example", "d.example", "example", "b.test"].map((domain) =>
    findByDomain(table, domain)
  );
  assertEquals(found, [1, 2, 3, undefined, undefined]);
});

const PATTERNS: readonly (readonly [string, string | null])[] = [
  ["Example.org", "example.org"],
  [".Bücher.example", ".xn--bcher-kva.example"],
  ["[192.0.2.1]", "[192.0.2.1]"],
  ["@example.org", null],
  ["..example.org", null],
  [".[192.0.2.1]", null],
  ["*", null],
  [".", null],
  ["", null],
];

for (const [text, key] of PATTERNS) {
  Deno.test(`parseDomainPattern() gives ${key} for "${text}"`, () => {
    assertEquals(parseDomainPattern(text), key);
  });
}

Deno.test("patternsOf() an address literal are the literal's own", () => {
  assertEquals(patternsOf("[192.0.2.1]"), ["[192.0.2.1]", "@[192.0.2.1]"]);
});
