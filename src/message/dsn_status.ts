/**
 * The status of a notice (RFC 3463) from the answer of a server, which may have given a better or a worse
 * one, or none at all.
 *
 * @module
 */

import type { Reply } from "../smtp/reply.ts";
import type { DsnKind } from "./dsn_facts.ts";

/** Subject and detail for reply codes that mean one thing only (RFC 5321 §4.2.3, RFC 5248, RFC 7504). */
const KNOWN: ReadonlyMap<number, string> = new Map([
  [421, "3.2"],
  [452, "3.1"],
  [454, "7.0"],
  [500, "5.2"],
  [501, "5.4"],
  [502, "5.1"],
  [503, "5.1"],
  [504, "5.4"],
  [521, "3.2"],
  [530, "7.0"],
  [534, "7.9"],
  [535, "7.8"],
  [551, "1.6"],
  [553, "1.3"],
  [555, "5.4"],
  [556, "1.10"],
]);

/**
 * The status of one recipient: the enhanced code of the answer where it agrees with the reply code, else
 * what the reply code tells.
 *
 * @example
 * ```ts
 * import { statusOf } from "./dsn_status.ts";
 * import { reply } from "../smtp/reply.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(statusOf(reply(550, "5.1.1", "no such user"), "failed"), "5.1.1");
 * assertEquals(statusOf(reply(550, undefined, "go away"), "failed"), "5.0.0");
 * assertEquals(statusOf(reply(250, undefined, "OK"), "relayed"), "2.0.0");
 * ```
 */
export function statusOf({ code, enhanced }: Reply, kind: DsnKind): string {
  const usual = kind === "failed" ? "5" : kind === "delayed" ? "4" : "2";
  const first = String(code)[0] ?? "";
  // Mail that was given up failed with 4yz; that it failed is what Action says (RFC 3464 §2.3.4).
  const fits = first === usual || (kind === "failed" && first === "4");
  const level = fits ? first : usual;
  if (enhanced !== undefined && /^[245](?:\.(?:0|[1-9]\d{0,2})){2}$/.test(enhanced)) {
    if (enhanced[0] === level) return enhanced;
  }
  return `${level}.${fits ? KNOWN.get(code) ?? "0.0" : "0.0"}`;
}
