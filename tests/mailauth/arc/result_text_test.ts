import { assert, assertEquals } from "@std/assert";
import { formatArcResult, parseArcResult } from "../../../src/mailauth/arc/result_text.ts";
import {
  formatAuthenticationResults,
  parseAuthenticationResults,
} from "../../../src/message/authentication_results.ts";

function written(result: "none" | "pass" | "fail" | "temperror"): string {
  const arc = { method: "arc", ...formatArcResult(result), properties: [] };
  return formatAuthenticationResults("mx.example.org", [arc]);
}

Deno.test("formatArcResult() writes only what RFC 8617 §4.4 has, and it is read as what it was", () => {
  for (const result of ["none", "pass", "fail", "temperror"] as const) {
    const [read] = parseAuthenticationResults(written(result))!.results;
    assert(["none", "pass", "fail"].includes(read!.result), read!.result);
    assertEquals(parseArcResult(read!), result);
  }
});

Deno.test("parseArcResult() leaves what others wrote as it stands there", () => {
  assertEquals(parseArcResult({ result: "fail", comment: "signature failed" }), "fail");
  assertEquals(parseArcResult({ result: "pass", comment: "temporary" }), "pass");
  assertEquals(parseArcResult({ result: "temperror" }), "temperror");
});
