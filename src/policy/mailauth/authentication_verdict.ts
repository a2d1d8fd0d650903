/**
 * What follows from the checks of a message: whether it is taken, into which folder, or refused, and in which words. Pure.
 *
 * A refusal names the domain whose policy it is and what its sender can do, with the codes of RFC 7372.
 *
 * @module
 */

import type { DmarcResult } from "../../mailauth/dmarc/evaluate.ts";
import type { DmarcOverride, DmarcOverrideType } from "../../mailauth/dmarc/observation.ts";
import type { DmarcRequest } from "../../mailauth/dmarc/record.ts";
import { type Reply, reply } from "../../smtp/reply.ts";
import type { Findings, SpfFinding } from "./authentication_checks.ts";
import {
  actionFor,
  type AuthenticationAction,
  type AuthenticationRuleBook,
} from "./authentication_rules.ts";

/** What becomes of a message. */
export type Decision =
  | { readonly action: "accept" }
  /** `reason`: for those who see the queue. */
  | { readonly action: "junk"; readonly reason: string }
  | { readonly action: "reject" | "defer"; readonly reply: Reply };

/** What is known of a message. */
export interface Known extends Findings {
  /**
   * Of which authors' domains a forwarder whose word we take saw DMARC pass, and who that was: a failure now is not held
   * against the message.
   */
  readonly vouched: ReadonlyMap<string, string>;
}

/** What it is decided by. */
export interface DecisionRules {
  readonly book: AuthenticationRuleBook;
  /** What becomes of mail whose author cannot be told: several From fields, too many domains. */
  readonly malformedFrom: AuthenticationAction;
}

/** The decision about a message. */
export function decide(findings: Known, rules: DecisionRules): Decision {
  const decisions = [
    ofAuthors(findings, rules),
    ...findings.dmarc.map((result) => ofDmarc(result, findings, rules.book)),
    ofSpf(findings, rules.book),
  ];
  return decisions.reduce((worst, one) =>
    GRAVITY[one.action] > GRAVITY[worst.action] ? one : worst
  );
}

/** What is for good goes before what may change. */
const GRAVITY: Record<Decision["action"], number> = { accept: 0, junk: 1, defer: 2, reject: 3 };

function ofAuthors({ authors }: Known, { malformedFrom }: DecisionRules): Decision {
  if (authors.status !== "malformed") return ACCEPT;
  return take(malformedFrom, authors.reason, () =>
    reply(
      550,
      "5.7.1",
      `${authors.reason}: whose mail it is cannot be checked (RFC 5322 3.6.2, RFC 9989 11.5)\n` +
        "Send it with one From field that names its author",
    ));
}

function ofDmarc(result: DmarcResult, findings: Known, book: AuthenticationRuleBook): Decision {
  const rules = book.of(result.domain);
  // A forger may choose a name below the owner's whose servers are silent. But then the owner's answer, and honest mail
  // comes again: what would be refused if it failed is put off until that is known.
  const matters = result.requested !== "none" && actionFor(rules, result.requested) !== "accept" &&
    !findings.vouched.has(result.domain);
  if (result.result === "temperror" && (matters || rules.whenUnknown === "defer")) {
    return {
      action: "defer",
      reply: reply(
        451,
        "4.7.1",
        `DMARC: whether this is mail of ${result.domain} cannot be checked now: try again later`,
      ),
    };
  }
  if (result.result !== "fail" || findings.vouched.has(result.domain)) return ACCEPT;
  const action = actionFor(rules, result.disposition);
  return take(action, describeFailure(result), () => refuseByDmarc(result, findings));
}

function describeFailure({ domain, requested, policy }: DmarcResult): string {
  return `DMARC: it is not authenticated as mail of ${domain} (p=${requested} at _dmarc.${policy?.domain})`;
}

/** RFC 9989 §7.3 wants the word DMARC in it. */
function refuseByDmarc(result: DmarcResult, { spf, dkim }: Known): Reply {
  const { domain, policy } = result;
  const passed = dkim.filter(({ result }) => result === "pass").map(({ domain }) => domain ?? "");
  const signed = dkim.length === 0
    ? "no signature"
    : passed.length === 0
    ? `no valid signature of ${dkim.length}`
    : `signed by ${[...new Set(passed)].slice(0, 3).join(", ")}`;
  // RFC 7372 §3.3: more than one check has failed. Where one passed, for another domain, it is a matter of policy.
  const nothing = spf.result !== "pass" && passed.length === 0;
  return reply(
    550,
    nothing ? "5.7.26" : "5.7.1",
    `DMARC: this is not authenticated as mail of ${domain}, whose policy is to refuse such ` +
      `(${result.requested} at _dmarc.${policy?.domain})\n` +
      `SPF: ${spf.result} for ${spf.domain || "no domain"}; DKIM: ${signed}\n` +
      `Send it through a server of ${domain}, with SPF or DKIM for that domain; ` +
      `postmaster@${domain} knows how`,
  );
}

/** The null decision, where SPF is no reason; at RCPT it was refused already, where it had to be. */
function ofSpf({ spf, dmarc }: Known, book: AuthenticationRuleBook): Decision {
  if (spf.result !== "fail" || book.of(spf.domain).spfFail !== "junk") return ACCEPT;
  if (dmarc.length > 0 && dmarc.every(({ result }) => result === "pass")) return ACCEPT;
  return { action: "junk", reason: `SPF: fail for ${spf.domain}` };
}

/** What SPF is to be answered at RCPT; `null` where it is no reason to refuse. */
export function refuseBySpf(
  spf: SpfFinding,
  client: string,
  book: AuthenticationRuleBook,
): Decision | null {
  const { domain, result, explanation } = spf;
  const rules = book.of(domain);
  if (rules.spfFail !== "reject") return null;
  if (result === "temperror" && rules.whenUnknown === "defer") {
    const text = `SPF: whether ${client} may send mail of ${domain} cannot be checked now: ` +
      "try again later";
    return { action: "defer", reply: reply(451, "4.7.24", text) };
  }
  if (result !== "fail") return null;
  return {
    action: "reject",
    reply: reply(
      550,
      "5.7.23",
      `SPF: ${domain} says that ${client} may not send its mail\n` +
        // RFC 7208 §8.4: whose words they are must be seen.
        (explanation === undefined ? "" : `${domain} explains: ${explanation}\n`) +
        `Send it through a server that the SPF record of ${domain} names`,
    ),
  };
}

function take(action: AuthenticationAction, reason: string, refuse: () => Reply): Decision {
  switch (action) {
    case "accept":
      return ACCEPT;
    case "junk":
      return { action, reason };
    case "reject":
      return { action, reply: refuse() };
  }
}

const ACCEPT: Decision = { action: "accept" };

/** What a decision is in a report: what a domain has asked for, as far as it was done. */
export function dispositionOf(decision: Decision): DmarcRequest {
  switch (decision.action) {
    case "junk":
      return "quarantine";
    case "reject":
      return "reject";
    default:
      return "none";
  }
}

/** Why a message fared otherwise than the author's domain asks for. */
export function overridesOf(
  { result, domain, requested, disposition }: DmarcResult,
  { vouched }: Known,
  decision: Decision,
): DmarcOverride[] {
  const overrides: DmarcOverride[] = [];
  const note = (type: DmarcOverrideType, comment: string) => overrides.push({ type, comment });
  const forwarder = vouched.get(domain);
  const done = dispositionOf(decision);
  if (result === "fail" && requested !== disposition) note("policy_test_mode", "");
  if (result === "fail" && forwarder !== undefined && done === "none") {
    note("trusted_forwarder", `arc=pass, sealed by ${forwarder}`);
  } else if (done !== disposition) note("local_policy", "");
  return overrides;
}
