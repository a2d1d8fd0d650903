/**
 * What a chain that holds is worth (RFC 8617 §7.2.1). Anybody can seal anything: that the seals are true says who speaks,
 * not that they speak the truth. So the word of stations counts that the operator trusts, and of no others.
 *
 * Believed is the newest set that saw DMARC pass for the author in question, when whoever sealed it and whoever sealed
 * after it are all trusted: a later station could have changed the message at will, and sealed that. Those before it
 * need no trust, for nothing they said counts. And the message must be the one that was sealed last: its newest
 * signature has to cover From and the whole body.
 *
 * Pure; what is in the sets is a stranger's text, and what cannot be read counts for nothing.
 *
 * @module
 */

import { domainKey } from "../../address.ts";
import { isMeantBy } from "../../domain_pattern.ts";
import {
  type AuthenticationResults,
  parseAuthenticationResults,
  type ReportedResult,
} from "../../message/authentication_results.ts";
import type { ArcResult } from "./verify.ts";

/** The word of a station that is trusted. */
export interface TrustedPass {
  /** The instance of its set. */
  readonly instance: number;
  /** The station: `d=` of its seal. */
  readonly domain: string;
  /** All that it found out about the message. */
  readonly results: AuthenticationResults;
}

/**
 * Whether a station that is trusted saw DMARC pass; `null` where none did.
 *
 * @param trusted domains of stations, by the keys of patterns: see `domainPatternKey`.
 * @param author the domain of the From field, as it is now.
 *
 * @example
 * ```ts
 * import { trustedArcPass } from "./trust.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const authenticationResults = "mx.list.example; dmarc=pass header.from=author.example";
 * const arc = {
 *   result: "pass",
 *   sets: [{
 *     instance: 1,
 *     domain: "list.example",
 *     selector: "s1",
 *     amsDomain: "list.example",
 *     authenticationResults,
 *   }],
 *   oldestPass: 0,
 *   boundToMessage: true,
 * } as const;
 * assertEquals(trustedArcPass(arc, new Set(["list.example"]), "author.example")?.instance, 1);
 * assertEquals(trustedArcPass(arc, new Set(), "author.example"), null);
 * assertEquals(trustedArcPass(arc, new Set(["list.example"]), "other.example"), null);
 * ```
 */
export function trustedArcPass(
  arc: ArcResult,
  trusted: ReadonlySet<string>,
  author: string,
): TrustedPass | null {
  if (arc.result !== "pass" || arc.boundToMessage !== true || trusted.size === 0) return null;
  const wanted = domainKey(author);
  for (const { instance, domain, authenticationResults } of arc.sets.toReversed()) {
    if (!isMeantBy(trusted, domain)) return null;
    const results = parseAuthenticationResults(authenticationResults);
    if (results?.results.some((result) => isPassFor(result, wanted))) {
      return { instance, domain, results };
    }
  }
  return null;
}

/** A pass without a name could be that of any author. */
function isPassFor({ method, result, properties }: ReportedResult, author: string): boolean {
  return method === "dmarc" && result === "pass" &&
    properties.some(({ type, name, value }) =>
      type === "header" && name === "from" && domainKey(value) === author
    );
}
