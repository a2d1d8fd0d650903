/**
 * What SPF and DMARC would say of a mail from an address and a client that are named, as steps of an explanation. There
 * is no message, so nobody has signed it, and its author is taken to be of the sender's domain.
 *
 * What DNS does not say is told as such; nothing fails.
 *
 * @module
 */

import { type Address, isAddressLiteral, toAsciiDomain } from "../address.ts";
import { type DmarcResult, evaluateDmarc } from "../mailauth/dmarc/evaluate.ts";
import { checkHost, mailFromQuery, type SpfAnswer } from "../mailauth/spf/check_host.ts";
import {
  actionFor,
  type AuthenticationAction,
  type AuthenticationRuleBook,
  type AuthenticationRules,
} from "../policy/mailauth/authentication_rules.ts";
import type { Resolver } from "../runtime/resolver.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { ExplainStep } from "./explanation.ts";

/** Who would send. */
export interface AuthenticationQuestion {
  readonly client: string;
  readonly sender: Address;
  /** Our own name. */
  readonly receiver: string;
}

/** What is asked with. */
export interface AuthenticationExplainServices {
  readonly resolver: Pick<Resolver, "a" | "aaaa" | "mx" | "txt" | "ptr">;
  readonly clock: Clock;
  /** What is done about results. */
  readonly book: AuthenticationRuleBook;
}

/** The steps; none for a sender whose domain is no name. */
export async function explainAuthentication(
  { client, sender, receiver }: AuthenticationQuestion,
  { resolver, clock, book }: AuthenticationExplainServices,
): Promise<ExplainStep[]> {
  const domain = isAddressLiteral(sender.domain) ? null : toAsciiDomain(sender.domain);
  if (domain === null || domain === "") return [];
  const query = mailFromQuery({ ip: client, hello: null, receiver }, { ...sender, domain });
  const spf = await checkHost(query, { resolver, clock, now: clock.now() });
  const dmarc = await evaluateDmarc(
    { from: domain, spf: { domain, result: spf.result }, dkim: [] },
    { resolver },
  );
  const rules = book.of(domain);
  return [
    explainSpf(`${domain} for ${client}`, spf, rules.spfFail),
    explainDmarc(dmarc, rules),
  ];
}

function explainSpf(about: string, spf: SpfAnswer, action: AuthenticationAction): ExplainStep {
  const { result, mechanism, reason, explanation } = spf;
  const failed = result === "fail";
  return {
    ...{ step: "spf", about },
    outcome: result === "pass" ? "good" : failed && action !== "accept" ? "bad" : "told",
    verdict: mechanism === undefined ? result : `${result} (${mechanism})`,
    because: reason ??
      (failed
        ? `the domain lets this client send none of its mail: ${
          WHAT[action]
        } (authentication.spf.fail)`
        : "so the SPF record of the domain says"),
    ...(explanation !== undefined && { details: [`the domain explains: ${explanation}`] }),
  };
}

function explainDmarc(
  { result, domain, policy, reason, requested, disposition }: DmarcResult,
  rules: AuthenticationRules,
): ExplainStep {
  const action = actionFor(rules, disposition);
  const step = { step: "dmarc", about: domain } as const;
  const at = policy === null ? "" : ` (p=${requested} at _dmarc.${policy.domain})`;
  switch (result) {
    case "pass":
      return {
        ...{ ...step, outcome: "good", verdict: `pass, by SPF${at}` },
        because: "a mail whose From names this domain is authenticated",
      };
    case "fail":
      return {
        ...step,
        outcome: action === "reject" ? "bad" : action === "junk" ? "later" : "told",
        verdict: `fail, unless it is signed (DKIM) for this domain${at}`,
        because: `SPF does not authenticate it; without a signature ${
          WHAT[action]
        } (authentication.dmarc)`,
      };
    case "temperror": {
      // As the server has it: where it is known what the domain asks for, mail waits until that can be done.
      const matters = requested !== "none" && actionFor(rules, requested) !== "accept";
      const waits = matters || rules.whenUnknown === "defer";
      const why = matters ? "authentication.dmarc" : "authentication.whenUnknown";
      return {
        ...{ ...step, outcome: waits ? "later" : "told", verdict: `${result}${at}` },
        because: `${reason ?? ""}: ${waits ? "it is put off (451)" : WHAT.accept} (${why})`,
      };
    }
    default:
      return {
        ...{ ...step, outcome: "told", verdict: result },
        because: `${reason ?? ""}: mail in its name is not held to anything`,
      };
  }
}

const WHAT: Record<AuthenticationAction, string> = {
  accept: "it is taken all the same",
  junk: "it is taken into Junk",
  reject: "it is refused",
};
