/**
 * The section `authentication`: whether it is checked who sent a stranger's mail, and what is done about it.
 *
 * @module
 */

import { domainPatternKey } from "../../domain_pattern.ts";
import {
  type AuthenticationRules,
  DEFAULT_RULES,
} from "../../policy/mailauth/authentication_rules.ts";
import { parseNetwork } from "../../net_address.ts";
import { domainPattern, hostname, network, wait } from "../fields.ts";
import { z } from "../packages.ts";

const action = z.enum(["accept", "junk", "reject"], "wanted accept, junk or reject");
const unknown = z.enum(["accept", "defer"], "wanted accept or defer");

const spf = z.strictObject({
  fail: action.describe(
    "The domain of MAIL says that the client may not send its mail (-all); reject: at RCPT; junk: unless DMARC passes",
  ),
});

const dmarc = z.strictObject({
  reject: action.describe(
    "DMARC fails, and the author's domain asks to refuse such mail (p=reject)",
  ),
  quarantine: action.describe("The same, and it asks to be wary of it (p=quarantine)"),
  none: action.describe("The same, and it asks for nothing (p=none)"),
});

const whenUnknown = unknown.describe(
  "What becomes of mail while DNS gives no answer that matters; defer: 451",
);

/** The section. */
export const authenticationSchema = z.strictObject({
  enabled: z.boolean().optional().describe(
    "Check mail of strangers by SPF, DKIM, ARC and DMARC. Default: as relay.enabled, which says whether DNS may be asked",
  ),
  authservId: hostname.optional().describe(
    "The name that our results bear (Authentication-Results); default hostname",
  ),
  borders: z.array(
    network.refine(
      (text) => parseNetwork(text)?.prefix !== 0,
      "wanted your own networks: this one would let anybody write them",
    ),
  ).default([]).describe(
    "Networks of servers whose results in our name are true: servers in front of this one, filters that hand mail " +
      "back. What others write in it is taken out",
  ),
  spf: z.strictObject({ fail: spf.shape.fail.default(DEFAULT_RULES.spfFail) })
    .prefault({}).describe("What follows from SPF"),
  dmarc: z.strictObject({
    reject: dmarc.shape.reject.default(DEFAULT_RULES.dmarcReject),
    quarantine: dmarc.shape.quarantine.default(DEFAULT_RULES.dmarcQuarantine),
    none: dmarc.shape.none.default(DEFAULT_RULES.dmarcNone),
  }).prefault({}).describe("What follows from DMARC; junk: into the folder Junk"),
  whenUnknown: whenUnknown.default(DEFAULT_RULES.whenUnknown),
  malformedFrom: action.default("reject").describe(
    "What becomes of mail with several From fields, or with more authors than are checked",
  ),
  sealers: z.array(
    domainPattern.refine(
      (text) => text !== "*",
      "wanted domains: to believe all is to believe forgers",
    ),
  ).default([]).describe(
    "Forwarders and lists whose word is taken (ARC): mail they saw pass is not held to DMARC",
  ),
  seal: z.boolean().default(true).describe(
    "Seal mail of strangers that goes on from here, by an alias or as a relay (ARC), where there is a DKIM key (RSA) for " +
      "hostname, or for the domain of a recipient, or one above it",
  ),
  domains: z.record(
    domainPattern,
    z.strictObject({
      spf: spf.partial().describe("What follows from SPF"),
      dmarc: dmarc.partial().describe("What follows from DMARC"),
      whenUnknown,
    }).partial(),
  ).default({}).describe(
    "What differs for mail of a domain, or .example.org for all below it: that of From for dmarc, of MAIL for spf",
  ),
  timeout: wait.default(20_000).describe(
    "How long SPF may take, and SPF, DKIM and ARC together when a message has come; DMARC has 8 s more",
  ),
}).describe("Who sent it: SPF, DKIM, ARC and DMARC, for mail of strangers");

/** As it is once it was read. */
export type AuthenticationConfig = z.output<typeof authenticationSchema>;

/** The rules that a section, or what it says of a domain, has. */
export function rulesOf(
  { spf, dmarc, whenUnknown }: {
    readonly spf?: { readonly fail?: AuthenticationRules["spfFail"] };
    readonly dmarc?: {
      readonly reject?: AuthenticationRules["dmarcReject"];
      readonly quarantine?: AuthenticationRules["dmarcQuarantine"];
      readonly none?: AuthenticationRules["dmarcNone"];
    };
    readonly whenUnknown?: AuthenticationRules["whenUnknown"];
  },
): Partial<AuthenticationRules> {
  const given = {
    spfFail: spf?.fail,
    dmarcReject: dmarc?.reject,
    dmarcQuarantine: dmarc?.quarantine,
    dmarcNone: dmarc?.none,
    whenUnknown,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** What a section says of domains, by the keys of their patterns. */
export function domainRulesOf(
  { domains }: Pick<AuthenticationConfig, "domains">,
): Map<string, Partial<AuthenticationRules>> {
  return new Map(
    Object.entries(domains).map(([pattern, given]) => [domainPatternKey(pattern), rulesOf(given)]),
  );
}
