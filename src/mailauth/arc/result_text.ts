/**
 * What a chain came to, as Authentication-Results has it. RFC 8617 §4.4 and the registry of RFC 8601 know `none`, `pass`
 * and `fail` for it, and no `temperror`: a chain that cannot be checked now failed (RFC 8617 §5.2.1), and a reader need
 * not know words that are not registered. Mail::DKIM, dkimpy, mailauth and OpenARC say `fail` as well. Here a comment says
 * so too, for whoever seals: `cv=fail` would break for good a chain that the next station may well be able to check.
 *
 * Pure; nothing fails.
 *
 * @module
 */

import type { MethodResult, ReportedResult } from "../../message/authentication_results.ts";
import type { ArcResult } from "./verify.ts";

/** Says of a `fail` that DNS was why. */
const TEMPORARY = "temporary";

/**
 * The result, and the comment that goes with it.
 *
 * @example
 * ```ts
 * import { formatArcResult, parseArcResult } from "./result_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatArcResult("pass"), { result: "pass" });
 * assertEquals(formatArcResult("temperror"), { result: "fail", comment: "temporary" });
 * assertEquals(parseArcResult({ result: "fail", comment: "temporary" }), "temperror");
 * ```
 */
export function formatArcResult(
  result: ArcResult["result"],
): Pick<MethodResult, "result" | "comment"> {
  return result === "temperror" ? { result: "fail", comment: TEMPORARY } : { result };
}

/** What {@link formatArcResult} wrote; the result as it stands there, where others wrote it. */
export function parseArcResult(
  { result, comment }: Pick<ReportedResult, "result" | "comment">,
): string {
  return result === "fail" && comment === TEMPORARY ? "temperror" : result;
}
