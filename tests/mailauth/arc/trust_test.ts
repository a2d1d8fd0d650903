import { assertEquals } from "@std/assert";
import { trustedArcPass } from "../../../src/mailauth/arc/trust.ts";
import type { ArcResult } from "../../../src/mailauth/arc/verify.ts";
import { domainPatternKey } from "../../../src/domain_pattern.ts";
import { CountingResolver, PLAIN } from "./chains.ts";

const PASS = "mx; dmarc=pass (p=reject) header.from=author.example";

/** A chain that holds: who sealed, and what they saw, the oldest first. */
function chain(...sets: (readonly [domain: string, results: string])[]): ArcResult {
  return {
    result: "pass",
    sets: sets.map(([domain, authenticationResults], index) => ({
      ...{ instance: index + 1, domain, selector: "s", amsDomain: domain },
      authenticationResults,
    })),
    oldestPass: 0,
    boundToMessage: true,
  };
}

/** The instance that is believed. */
function believed(arc: ArcResult, ...trusted: string[]): number | null {
  const keys = new Set(trusted.map(domainPatternKey));
  return trustedArcPass(arc, keys, "Author.example")?.instance ?? null;
}

Deno.test("trustedArcPass() believes whom the operator trusts", () => {
  const arc = chain(["list.example", PASS]);
  assertEquals(believed(arc, "list.example"), 1);
  assertEquals(believed(arc, "@example"), 1);
  assertEquals(believed(arc, "LIST.example", "other.example"), 1);
  assertEquals(believed(arc, ".list.example"), null);
  assertEquals(believed(arc, "other.example"), null);
  assertEquals(believed(arc), null);
});

Deno.test("trustedArcPass() wants all trusted from the newest set to the one that saw the pass", () => {
  const later = chain(["one.example", PASS], ["two.example", "mx; dmarc=fail; arc=pass"]);
  assertEquals(believed(later, "one.example", "two.example"), 1);
  // Whoever sealed last could have written the message anew.
  assertEquals(believed(later, "one.example"), null);
  assertEquals(believed(later, "two.example"), null);
  const before = chain(["one.example", PASS], ["two.example", PASS]);
  assertEquals(believed(before, "two.example"), 2);
  const between = chain(["one.example", PASS], ["evil.example", PASS], ["two.example", "mx; none"]);
  assertEquals(believed(between, "one.example", "two.example"), null);
});

Deno.test("trustedArcPass() believes a pass for this author only", () => {
  const other = chain(["list.example", "mx; dmarc=pass header.from=other.example"]);
  assertEquals(believed(other, "list.example"), null);
  const nobody = chain(["list.example", "mx; dmarc=pass"]);
  assertEquals(believed(nobody, "list.example"), null);
  const failed = chain(["list.example", "mx; dmarc=fail header.from=author.example"]);
  assertEquals(believed(failed, "list.example"), null);
  const elsewhere = chain(["list.example", "mx; dmarc=pass smtp.from=author.example"]);
  assertEquals(believed(elsewhere, "list.example"), null);
  const words = chain(["list.example", "mx; spf=pass (dmarc=pass header.from=author.example)"]);
  assertEquals(believed(words, "list.example"), null);
  const malformed = chain(["list.example", `${PASS}; ;`]);
  assertEquals(believed(malformed, "list.example"), null);
});

Deno.test("trustedArcPass() reads names in A-labels and U-labels as one", () => {
  const arc = chain(["xn--bcher-kva.example", "mx; dmarc=pass header.from=xn--bcher-kva.example"]);
  const trusted = new Set([domainPatternKey("bücher.example")]);
  assertEquals(trustedArcPass(arc, trusted, "bücher.example")?.instance, 1);
});

Deno.test("trustedArcPass() believes nothing of chains that do not hold, or do not hold the message", () => {
  const arc = chain(["list.example", PASS]);
  for (const result of ["none", "fail", "temperror"] as const) {
    assertEquals(believed({ ...arc, result }, "list.example"), null);
  }
  assertEquals(believed({ ...arc, boundToMessage: false }, "list.example"), null);
});

Deno.test("trustedArcPass() gives what the station found out", async () => {
  const results = "mx.one.example; spf=fail; dmarc=pass header.from=author.example";
  const sealed = await (await PLAIN.sealed("one.example", { results })).sealed("two.example", {
    results: "mx.two.example; arc=pass; dmarc=fail header.from=author.example",
  });
  const arc = await sealed.verified(new CountingResolver());
  const found = trustedArcPass(arc, new Set(["one.example", "two.example"]), "author.example");
  assertEquals(found?.domain, "one.example");
  assertEquals(found?.results.authservId, "mx.one.example");
  assertEquals(found?.results.results.map(({ method, result }) => `${method}=${result}`), [
    "spf=fail",
    "dmarc=pass",
  ]);
});
