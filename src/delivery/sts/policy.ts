/**
 * The policy of a domain (RFC 8461 §3.2): which hosts take its mail, and whether mail may go to them without TLS that
 * proves who they are. Read and written here; who fetches it, and when, is `policies.ts`. Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { domainKey, parseDomain } from "../../address.ts";
import { decodeStrict } from "../../bytes.ts";

/** A policy. */
export interface StsPolicy {
  /**
   * `enforce`: only to hosts of the policy, over TLS with a certificate that is valid for the name. `testing`: mail
   * goes as if there were none, and its domain hears of what would have failed (RFC 8460). `none`: there is no more.
   */
  readonly mode: "enforce" | "testing" | "none";
  /** Host names, or `*.` and a name for all that have one label more; as written. */
  readonly mx: readonly string[];
  /** Seconds for which it holds, a year at most. */
  readonly maxAge: number;
}

/** Octets of a policy; RFC 8461 §3.2 lets nobody count on more. */
export const STS_POLICY_LIMIT = 64 * 1024;

/** Seconds: the most that `max_age` may be (RFC 8461 §3.2). */
export const STS_LONGEST = 31_557_600;

/** RFC 8461 §3.2: a name, a colon, and a value of visible characters and blanks between them. */
const FIELD =
  /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*([^\p{Cc}\s](?:[^\p{Cc}]*[^\p{Cc}\s])?)[ \t]*$/u;
const MODES = ["enforce", "testing", "none"] as const;

/**
 * Reads a policy as it was fetched. Fields that are not known are passed over; of those that must not be twice the
 * first counts (§3.2).
 *
 * @example
 * ```ts
 * import { parseStsPolicy } from "./policy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "version: STSv1\r\nmode: enforce\r\nmx: *.example.net\r\nmax_age: 604800\r\n";
 * assertEquals(parseStsPolicy(text), { mode: "enforce", mx: ["*.example.net"], maxAge: 604_800 });
 * assertEquals(parseStsPolicy("version: STSv2"), { fault: "its version is STSv2" });
 * ```
 */
export function parseStsPolicy(given: string | Uint8Array): StsPolicy | { readonly fault: string } {
  if (given.length > STS_POLICY_LIMIT) return { fault: "it is larger than 64 KiB" };
  const text = typeof given === "string" ? given : decodeStrict(given);
  if (text === null) return { fault: "it is no UTF-8" };
  const first = new Map<string, string>();
  const mx: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^[ \t]*$/.test(line)) continue;
    const [, name, value = ""] = FIELD.exec(line) ?? [];
    if (name === undefined) return { fault: `line ${index + 1} is no field` };
    if (name === "mx") mx.push(value);
    else if (!first.has(name)) first.set(name, value);
  }
  return policyOf(first, mx);
}

function policyOf(
  fields: ReadonlyMap<string, string>,
  mx: readonly string[],
): StsPolicy | { readonly fault: string } {
  const [version, mode, age] = ["version", "mode", "max_age"].map((name) => fields.get(name));
  if (version === undefined) return { fault: "it has no version" };
  if (version !== "STSv1") return { fault: `its version is ${brief(version)}` };
  if (mode === undefined) return { fault: "it has no mode" };
  const known = MODES.find((one) => one === mode);
  if (known === undefined) return { fault: `its mode is ${brief(mode)}` };
  if (age === undefined) return { fault: "it has no max_age" };
  if (!/^\d{1,10}$/.test(age)) return { fault: "its max_age is no number of seconds" };
  const wrong = mx.find((pattern) => parseDomain(pattern.replace(/^\*\./, "")) === null);
  if (wrong !== undefined) return { fault: `its mx ${brief(wrong)} is no host name` };
  if (mx.length === 0 && known !== "none") return { fault: "it has no mx" };
  return { mode: known, mx, maxAge: Math.min(Number(age), STS_LONGEST) };
}

/** A stranger's word in a line of ours. */
function brief(text: string): string {
  const plain = text.slice(0, 64).replace(/[^\x20-\x7e]/g, "?");
  return text.length <= 64 ? plain : `${plain}...`;
}

/** The text of a policy, as it is served at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`. */
export function formatStsPolicy({ mode, mx, maxAge }: StsPolicy): string {
  return stsPolicyLines({ mode, mx, maxAge }).map((line) => `${line}\r\n`).join("");
}

/** The fields of a policy, each in a line of its own: so a report has them too (RFC 8460 §4.4). */
export function stsPolicyLines({ mode, mx, maxAge }: StsPolicy): string[] {
  return [
    "version: STSv1",
    `mode: ${mode}`,
    ...mx.map((pattern) => `mx: ${pattern}`),
    `max_age: ${maxAge}`,
  ];
}

/**
 * An id for the record of a policy of ours (RFC 8461 §3.1), which follows from its text: it is another one whenever the
 * policy is.
 *
 * @example
 * ```ts
 * import { formatStsPolicy, stsPolicyId } from "./policy.ts";
 * import { assertMatch } from "@std/assert";
 *
 * const text = formatStsPolicy({ mode: "testing", mx: ["mx.example.org"], maxAge: 86_400 });
 * assertMatch(stsPolicyId(text), /^[0-9a-f]{32}$/);
 * ```
 */
export function stsPolicyId(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/**
 * Whether a policy has a host (RFC 8461 §4.1): by its name, or by a pattern whose `*` stands for exactly one label.
 *
 * @example
 * ```ts
 * import { stsCovers } from "./policy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const policy = { mode: "enforce", mx: ["*.example.net"], maxAge: 86_400 } as const;
 * assertEquals(stsCovers(policy, "mx1.example.net"), true);
 * assertEquals(stsCovers(policy, "example.net"), false);
 * assertEquals(stsCovers(policy, "a.b.example.net"), false);
 * ```
 */
export function stsCovers({ mx }: StsPolicy, host: string): boolean {
  const name = domainKey(host.replace(/\.$/, ""));
  const dot = name.indexOf(".");
  const wild = dot > 0 ? `*${name.slice(dot)}` : null;
  return mx.some((pattern) => {
    const key = pattern.startsWith("*.") ? `*.${domainKey(pattern.slice(2))}` : domainKey(pattern);
    return key === name || key === wild;
  });
}
