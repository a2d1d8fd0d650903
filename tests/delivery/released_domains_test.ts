import { assertEquals } from "@std/assert";
import { isMeantBy, patternKey, ReleasedDomains } from "../../src/delivery/released_domains.ts";

const MINUTE = 60_000;

Deno.test("isMeantBy() knows a domain, and with @ all below it (RFC 1985 §5.2)", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["example.org", "example.org", true],
    ["Example.ORG", "example.org", true],
    ["example.org", "a.example.org", false],
    ["@example.org", "example.org", true],
    ["@example.org", "a.b.example.org", true],
    ["@example.org", "badexample.org", false],
    ["bücher.example", "xn--bcher-kva.example", true],
  ];
  for (const [pattern, domain, meant] of cases) {
    const patterns = new Set(["other.example", patternKey(pattern)]);
    assertEquals(isMeantBy(patterns, domain), meant, `${pattern} ${domain}`);
  }
});

Deno.test("pass() lets a released domain go until half an hour after its last mail", () => {
  const released = new ReleasedDomains();
  assertEquals(released.pass("example.org", 0), false);
  released.open("example.org", 0);
  assertEquals(released.pass("example.org", 29 * MINUTE), true);
  assertEquals(released.pass("other.example", 29 * MINUTE), false);
  assertEquals(released.pass("example.org", 58 * MINUTE), true);
  assertEquals(released.pass("example.org", 88 * MINUTE), false);
});

Deno.test("pass() ends after six hours, however much goes", () => {
  const released = new ReleasedDomains();
  released.open("@example.org", 0);
  let time = 0;
  while (released.pass("a.example.org", time)) time += 10 * MINUTE;
  assertEquals(time, 360 * MINUTE);
});
