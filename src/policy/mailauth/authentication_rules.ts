/**
 * What is done about mail that is not authenticated, as a station's operator wants it: for all domains, and for some
 * otherwise. Pure.
 *
 * @module
 */

import { findByDomain } from "../../domain_pattern.ts";
import type { DmarcRequest } from "../../mailauth/dmarc/record.ts";

/** What becomes of a message: it is taken, taken into the folder Junk, or refused. */
export type AuthenticationAction = "accept" | "junk" | "reject";

/** What is done about what. */
export interface AuthenticationRules {
  /**
   * The domain of MAIL says by SPF that the client may not send its mail (`-all`). `reject`: at RCPT. `junk`: unless
   * DMARC passes. Default `accept`: forwarded mail fails, and DMARC, which looks at signatures too, is to judge.
   */
  readonly spfFail: AuthenticationAction;
  /** DMARC fails, and the author's domain asks for `reject`. Default `reject`. */
  readonly dmarcReject: AuthenticationAction;
  /** It asks for `quarantine`. Default `junk`. */
  readonly dmarcQuarantine: AuthenticationAction;
  /** It asks for nothing. Default `accept`. */
  readonly dmarcNone: AuthenticationAction;
  /** DNS gives no answer, and it matters. `defer` is 451. Default `accept`: no outage of DNS stops the mail. */
  readonly whenUnknown: "accept" | "defer";
}

/** Those where nothing is said. */
export const DEFAULT_RULES: AuthenticationRules = {
  spfFail: "accept",
  dmarcReject: "reject",
  dmarcQuarantine: "junk",
  dmarcNone: "accept",
  whenUnknown: "accept",
};

/** Rules for all, and what differs for some. */
export class AuthenticationRuleBook {
  readonly #rules: AuthenticationRules;
  readonly #domains: ReadonlyMap<string, Partial<AuthenticationRules>>;

  /** @param domains by the key of a domain pattern (`domain_pattern.ts`), or `*`. */
  constructor(
    rules: Partial<AuthenticationRules> = {},
    domains: ReadonlyMap<string, Partial<AuthenticationRules>> = new Map(),
  ) {
    this.#rules = { ...DEFAULT_RULES, ...rules, ...domains.get("*") };
    this.#domains = domains;
  }

  /** Those for mail of a domain: that of the author for DMARC, of MAIL for SPF. */
  of(domain: string): AuthenticationRules {
    const own = findByDomain(this.#domains, domain);
    return own === undefined ? this.#rules : { ...this.#rules, ...own };
  }
}

/** What the rules make of a request by DMARC. */
export function actionFor(rules: AuthenticationRules, request: DmarcRequest): AuthenticationAction {
  switch (request) {
    case "reject":
      return rules.dmarcReject;
    case "quarantine":
      return rules.dmarcQuarantine;
    case "none":
      return rules.dmarcNone;
  }
}
