/**
 * What TLS came to on one day, counted by domain, policy and kind of failure (RFC 8460 §4): so many sessions went well, so
 * many did not, and how. Bounded in all that strangers may multiply.
 *
 * @module
 */

import { isAddressLiteral } from "../../address.ts";
import { parseIp } from "../../net_address.ts";
import { type StsPolicy, stsPolicyLines } from "../sts/policy.ts";
import type { HostGuard, TlsFault, TlsFaultType, TlsResult } from "../tls_guard.ts";

/** A policy that sessions went by, as reports have it (RFC 8460 §4.4). */
export interface ReportedPolicy {
  readonly type: "tlsa" | "sts" | "no-policy-found";
  /** Whose it is: with DANE, the TLSA base domain. */
  readonly domain: string;
  /** Lines of the policy, or TLSA records. */
  readonly lines: readonly string[];
  /** The `mx` of an MTA-STS policy. */
  readonly mx: readonly string[];
}

/** Failures of one kind. */
export interface FailureCount {
  readonly type: TlsFaultType;
  /** The address of ours. */
  readonly source?: string;
  /** The host's name and address. */
  readonly host?: string;
  readonly address?: string;
  /** In words. */
  readonly reason?: string;
  count: number;
}

/** What sessions under one policy came to. */
export interface PolicyCount {
  readonly policy: ReportedPolicy;
  successes: number;
  readonly failures: FailureCount[];
}

/** Counts of a day, by the domain that mail was for. */
export type Totals = Map<string, PolicyCount[]>;

/** Domains of a day, policies of a domain, and kinds of failures of a policy; what is more is not told apart. */
const MAX_DOMAINS = 10_000;
const MAX_POLICIES = 8;
/** Lines of a policy that are kept of it, and characters of each: a record may hold a whole certificate. */
const MAX_LINES = 20;
const MAX_LINE = 300;
const MAX_FAILURES = 100;
/** Characters of a reason. */
const MAX_REASON = 250;

/** Counts how TLS went with a host. */
export function countResult(totals: Totals, result: TlsResult): void {
  const { domain, host, address, source, guard, fault } = result;
  // An address has no DNS where it could ask for reports.
  if (isAddressLiteral(domain) || parseIp(domain) !== null) return;
  const count = countOf(totals, domain, policyOf(guard, domain));
  if (count === null) return;
  if (fault === null) count.successes++;
  else addFailure(count, { ...failureOf(fault), ...defined({ source, host, address }), count: 1 });
}

/** Counts a policy that could not be had. */
export function countFault(totals: Totals, domain: string, fault: TlsFault): void {
  const count = countOf(totals, domain, { ...NO_POLICY, domain });
  if (count !== null) addFailure(count, { ...failureOf(fault), count: 1 });
}

/** Adds one day's counts to another's. */
export function addTotals(to: Totals, more: Totals): void {
  for (const [domain, counts] of more) {
    for (const { policy, successes, failures } of counts) {
      const count = countOf(to, domain, policy);
      if (count === null) continue;
      count.successes += successes;
      for (const failure of failures) addFailure(count, { ...failure });
    }
  }
}

function countOf(totals: Totals, domain: string, policy: ReportedPolicy): PolicyCount | null {
  let counts = totals.get(domain);
  if (counts === undefined) {
    if (totals.size >= MAX_DOMAINS) return null;
    totals.set(domain, counts = []);
  }
  const known = counts.find((count) => isSamePolicy(count.policy, policy));
  if (known !== undefined) return known;
  if (counts.length >= MAX_POLICIES) return null;
  const count: PolicyCount = { policy, successes: 0, failures: [] };
  counts.push(count);
  return count;
}

function addFailure({ failures }: PolicyCount, failure: FailureCount): void {
  const isSame = (one: FailureCount, other: FailureCount) =>
    one.type === other.type && one.host === other.host && one.address === other.address &&
    one.source === other.source && one.reason === other.reason;
  const known = failures.find((one) => isSame(one, failure));
  if (known !== undefined) {
    known.count += failure.count;
  } else if (failures.length < MAX_FAILURES) {
    failures.push(failure);
  } else {
    const { type, count } = failure;
    const rest = failures.find((one) => isSame(one, { type, count }));
    if (rest !== undefined) rest.count += count;
    else if (failures.length < 2 * MAX_FAILURES) failures.push({ type, count });
  }
}

function failureOf({ type, text }: TlsFault): Pick<FailureCount, "type" | "reason"> {
  const reason = text.replace(/[^\x20-\x7e]+/g, " ").slice(0, MAX_REASON);
  return { type, ...(reason !== "" && { reason }) };
}

const NO_POLICY = { type: "no-policy-found", lines: [], mx: [] } as const;

/** What a guard is in a report. */
export function policyOf(guard: HostGuard, domain: string): ReportedPolicy {
  switch (guard.kind) {
    case "dane":
      return {
        type: "tlsa",
        domain: guard.base,
        lines: guard.records.slice(0, MAX_LINES).map(({ usage, selector, matching, data }) =>
          briefLine(`${usage} ${selector} ${matching} ${data.toHex()}`)
        ),
        mx: [],
      };
    case "sts":
      return ofSts(domain, guard.policy);
    case "shut":
      if (guard.policy === undefined) break;
      return ofSts(domain, guard.policy);
  }
  return { ...NO_POLICY, domain };
}

function ofSts(domain: string, { mode, mx, maxAge }: StsPolicy): ReportedPolicy {
  const some = mx.slice(0, MAX_LINES);
  return { type: "sts", domain, lines: stsPolicyLines({ mode, mx: some, maxAge }), mx: some };
}

function briefLine(line: string): string {
  return line.length <= MAX_LINE ? line : `${line.slice(0, MAX_LINE)}...`;
}

function isSamePolicy(one: ReportedPolicy, other: ReportedPolicy): boolean {
  return one.type === other.type && one.domain === other.domain &&
    one.lines.length === other.lines.length &&
    one.lines.every((line, index) => line === other.lines[index]);
}

function defined<T extends Record<string, string | undefined>>(fields: T) {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as { [K in keyof T]?: string };
}
