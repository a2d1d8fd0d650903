import { assertEquals } from "@std/assert";
import { isDnsName, normalizeDnsName, reverseDnsName } from "../../src/runtime/dns_name.ts";

Deno.test("isDnsName() holds the limits of RFC 1035 §2.3.4", () => {
  const label = "x".repeat(63);
  const longest = `${label}.${label}.${label}.${"x".repeat(61)}`; // 255 octets on the wire
  for (const good of ["", ".", "a", "a.", "_dmarc.example.org", label, longest, "a\\.b", "\\000"]) {
    assertEquals(isDnsName(good), true, good);
  }
  for (
    const bad of [
      "..",
      ".a",
      "a..b",
      `${label}x`,
      `${longest}x`,
      "é",
      "a\\",
      "\\256",
      "a".repeat(9999),
    ]
  ) {
    assertEquals(isDnsName(bad), false, bad.slice(0, 80));
  }
});

Deno.test("normalizeDnsName() folds ASCII only and drops the last dot", () => {
  assertEquals(normalizeDnsName("MX.Example.ORG."), "mx.example.org");
  assertEquals(normalizeDnsName("."), "");
  assertEquals(normalizeDnsName("a\\."), "a\\.");
  assertEquals(normalizeDnsName("É"), "É");
});

Deno.test("reverseDnsName() writes the names of RFC 1035 §3.5 and RFC 3596 §2.5", () => {
  assertEquals(reverseDnsName("10.2.0.52"), "52.0.2.10.in-addr.arpa");
  assertEquals(
    reverseDnsName("4321:0:1:2:3:4:567:89ab"),
    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
  );
  assertEquals(reverseDnsName("mx.example.org"), null);
});
