/**
 * What is told of the checks of a message: the field Authentication-Results (RFC 8601), the event for the log, and the
 * observations that reports to domains are made of (RFC 9990). Pure.
 *
 * @module
 */

import { isAddressLiteral, toAsciiDomain } from "../../address.ts";
import type { MtaFact } from "../../events.ts";
import { formatArcResult } from "../../mailauth/arc/result_text.ts";
import type { ArcResult } from "../../mailauth/arc/verify.ts";
import type { DkimResult } from "../../mailauth/dkim/verify.ts";
import type { DmarcResult } from "../../mailauth/dmarc/evaluate.ts";
import type { DmarcObservation, ObservedSignature } from "../../mailauth/dmarc/observation.ts";
import type { MethodResult, ResultProperty } from "../../message/authentication_results.ts";
import { fieldValue, findField } from "../../message/header.ts";
import type { MessageView } from "../policy.ts";
import type { SpfFinding } from "./authentication_checks.ts";
import { type Decision, dispositionOf, type Known, overridesOf } from "./authentication_verdict.ts";

/** The results for a field of ours. */
export function methodResults({ spf, dkim, arc, authors, dmarc }: Known): MethodResult[] {
  return [
    spfResult(spf),
    ...(dkim.length === 0 ? [NO_SIGNATURE] : dkim.map(dkimResult)),
    ...(arc.result === "none" ? [] : [arcResult(arc)]),
    ...dmarc.map(dmarcResult),
    ...(authors.status === "named" ? [] : [{
      method: "dmarc",
      result: authors.status === "nobody" ? "none" as const : "permerror" as const,
      reason: authors.reason,
      properties: [],
    }]),
  ];
}

const NO_SIGNATURE: MethodResult = { method: "dkim", result: "none", properties: [] };

function spfResult({ scope, identity, result, reason, mechanism }: SpfFinding): MethodResult {
  const name = scope === "mfrom" ? "mailfrom" : "helo";
  return {
    method: "spf",
    result,
    ...(mechanism !== undefined && { comment: mechanism }),
    ...(reason !== undefined && { reason }),
    properties: identity === "" ? [] : [{ type: "smtp", name, value: identity }],
  };
}

function dkimResult(found: DkimResult): MethodResult {
  const { result, reason, testing, domain, selector, algorithm, signature } = found;
  const named: Record<string, string | null> = {
    d: domain,
    s: selector,
    a: algorithm,
    b: signature,
  };
  return {
    method: "dkim",
    result,
    ...(testing && { comment: "testing" }),
    ...(reason !== undefined && { reason }),
    properties: Object.entries(named).flatMap(([name, value]): ResultProperty[] =>
      value === null ? [] : [{ type: "header", name, value }]
    ),
  };
}

/** RFC 8617 §11.2. */
function arcResult({ result, reason, sets, oldestPass }: ArcResult): MethodResult {
  const newest = sets.at(-1);
  const properties: ResultProperty[] = oldestPass === undefined
    ? []
    : [{ type: "header", name: "oldest-pass", value: String(oldestPass) }];
  return {
    method: "arc",
    ...formatArcResult(result),
    ...(newest !== undefined && { comment: `i=${newest.instance} ${newest.domain}` }),
    ...(reason !== undefined && { reason }),
    properties,
  };
}

/** RFC 9989 §9.1. */
function dmarcResult({ result, reason, domain, policy, disposition }: DmarcResult): MethodResult {
  const properties: ResultProperty[] = [{ type: "header", name: "from", value: domain }];
  if (result === "fail") properties.push({ type: "policy", name: "dmarc", value: disposition });
  return {
    method: "dmarc",
    result,
    ...(policy !== null && { comment: describePolicy(policy.record) }),
    ...(reason !== undefined && { reason }),
    properties,
  };
}

function describePolicy({ p, sp, np, t }: NonNullable<DmarcResult["policy"]>["record"]): string {
  return `p=${p}${sp === undefined ? "" : ` sp=${sp}`}${np === undefined ? "" : ` np=${np}`}` +
    (t ? " t=y" : "");
}

/** The event. */
export function authenticatedFact(view: MessageView, known: Known, decision: Decision): MtaFact {
  const { spf, dkim, arc, authors, dmarc } = known;
  return {
    type: "message.authenticated",
    session: view.session.id,
    message: view.id,
    client: view.session.client,
    from: authors.status === "named" ? [...authors.domains] : [],
    spf: spf.result,
    spfDomain: spf.domain,
    dkim: bestOf(dkim.map(({ result }) => result)),
    signatures: dkim.map(({ result, domain, selector }) =>
      `${domain ?? "?"}/${selector ?? "?"}: ${result}`
    ),
    arc: arc.result,
    dmarc: authors.status === "malformed" ? "permerror" : gravestOf(dmarc),
    policy: dmarc.find(({ policy }) => policy !== null)?.requested ?? null,
    disposition: decision.action,
  };
}

/** One valid signature makes it valid. */
function bestOf(results: readonly string[]): string {
  return results.includes("pass") ? "pass" : results[0] ?? "none";
}

const GRAVEST = ["fail", "temperror", "permerror", "none", "pass"] as const;

/** Of several authors the one that is worst. */
function gravestOf(results: readonly DmarcResult[]): string {
  return GRAVEST.find((word) => results.some(({ result }) => result === word)) ?? "none";
}

/** What a message shows of each author's domain that has a policy. One that is put off is not counted: it comes again. */
export function observationsOf(
  view: MessageView,
  known: Known,
  decision: Decision,
  time: number,
): DmarcObservation[] {
  if (decision.action === "defer") return [];
  const { sender, recipients } = view.envelope;
  const { client: sourceIp } = view.session;
  const { domain, scope, result, reason } = known.spf;
  const shared = {
    ...{ time, message: view.id, sourceIp },
    envelopeFrom: sender && asciiOf(sender.domain),
    envelopeTo: [...new Set(recipients.map(({ address }) => asciiOf(address.domain)))],
    dkim: known.dkim.flatMap(observedSignature),
    spf: { domain, scope, result, ...(reason !== undefined && { reason }) },
    disposition: dispositionOf(decision),
    ...(isAggregateReport(view) && { isReport: true }),
  };
  return known.dmarc.flatMap((each) => {
    const { policy, result, requested, dkimAligned, spfAligned } = each;
    if (policy === null || (result !== "pass" && result !== "fail")) return [];
    const overrides = overridesOf(each, known, decision);
    const own = { published: policy, result, requested, dkimAligned, spfAligned, overrides };
    return [{ ...shared, headerFrom: each.domain, ...own }];
  });
}

/** RFC 9990 §3.5.2 says how the subject begins. */
function isAggregateReport({ fields }: MessageView): boolean {
  const subject = findField(fields, "Subject");
  return subject !== null && /^\s*Report\s+Domain:/i.test(fieldValue(subject));
}

function observedSignature(found: DkimResult): ObservedSignature[] {
  const { domain, selector, result, reason } = found;
  if (domain === null) return [];
  return [{ domain, selector: selector ?? "", result, ...(reason !== undefined && { reason }) }];
}

function asciiOf(domain: string): string {
  return isAddressLiteral(domain) ? domain : toAsciiDomain(domain) ?? domain;
}
