/**
 * What messages showed of the use of domains on one day, counted for aggregate reports (RFC 9990 §3.1): by policy domain,
 * and there in rows of those that were alike in source, identifiers and results. Bounded in all that strangers may
 * multiply; what finds no room is counted all the same, as not listed.
 *
 * Who got a message is not kept: a report must not tell strangers who lives here (RFC 9990 §7).
 *
 * @module
 */

import type {
  DmarcObservation,
  DmarcOverride,
  ObservedSignature,
} from "../../mailauth/dmarc/observation.ts";
import type { DmarcAlignment, DmarcRequest } from "../../mailauth/dmarc/record.ts";
import type { AuthResult } from "../../mailauth/result.ts";

/** A policy as it was published, all defaults in their places. */
export interface ReportedPolicy {
  readonly p: DmarcRequest;
  readonly sp: DmarcRequest;
  readonly np: DmarcRequest;
  readonly adkim: DmarcAlignment;
  readonly aspf: DmarcAlignment;
  /** As the record has it: `0`, `1:d`. */
  readonly fo: string;
  readonly testing: boolean;
  readonly discovery: string;
}

/** What SPF said. */
export interface ReportedSpf {
  readonly domain: string;
  readonly result: AuthResult;
  /** In words; of the first message. */
  readonly reason?: string;
}

/** Messages that were alike. */
export interface ReportedRow {
  /** An IP address. */
  readonly source: string;
  readonly headerFrom: string;
  /** Empty for the null reverse-path. */
  readonly envelopeFrom: string;
  /** `pass`: it passed, under a policy that asks for something (RFC 9990 §3.1.1.7). */
  readonly disposition: DmarcRequest | "pass";
  readonly dkimAligned: boolean;
  readonly spfAligned: boolean;
  readonly overrides: readonly DmarcOverride[];
  readonly dkim: readonly ObservedSignature[];
  /** `null`: SPF was not asked. */
  readonly spf: ReportedSpf | null;
  count: number;
}

/** What was seen of one policy domain. */
export interface DomainCounts {
  /** The last that was seen, … */
  policy: ReportedPolicy;
  /** … in epoch milliseconds. */
  seen: number;
  /** By what makes them alike. */
  readonly rows: Map<string, ReportedRow>;
  /** Messages that found no row. */
  unlisted: number;
  /** Whether any of it is more than an answer to mail of ours: reports, and notices of what became of ours. */
  worthwhile: boolean;
}

/** Counts of a day, by policy domain. */
export type DmarcTotals = Map<string, DomainCounts>;

/** Domains of a day, rows of a domain, and of a day. */
const MAX_DOMAINS = 5_000;
const MAX_ROWS = 1_000;
const MAX_ROWS_OF_DAY = 20_000;
/** Signatures of a row, and characters of words and names. */
const MAX_SIGNATURES = 20;
const MAX_REASON = 200;
const MAX_NAME = 255;

/** How many rows the counts of a day have. */
const rowsOf = new WeakMap<DmarcTotals, number>();

/** Counts a message. */
export function countObservation(totals: DmarcTotals, seen: DmarcObservation): void {
  const { published: { domain }, time } = seen;
  const counts = countsOf(totals, domain, policyOf(seen), time);
  if (counts === null) return;
  addRow(totals, counts, rowOf(seen));
  counts.worthwhile ||= !isAnswer(seen);
}

/**
 * Whether a message only answers what we sent: a report, or a notice. Two stations that reported each other's reports
 * would write to one another every day for ever. One that DMARC does not vouch for may be anybody's, and counts.
 */
function isAnswer({ result, isReport, envelopeFrom }: DmarcObservation): boolean {
  return result === "pass" && (isReport === true || envelopeFrom === null);
}

/** Adds one day's counts to another's. */
export function addDmarcTotals(to: DmarcTotals, more: DmarcTotals): void {
  for (const [domain, { policy, seen, rows, unlisted, worthwhile }] of more) {
    const counts = countsOf(to, domain, policy, seen);
    if (counts === null) continue;
    for (const row of rows.values()) addRow(to, counts, { ...row });
    counts.unlisted += unlisted;
    counts.worthwhile ||= worthwhile;
  }
}

function countsOf(
  totals: DmarcTotals,
  domain: string,
  policy: ReportedPolicy,
  seen: number,
): DomainCounts | null {
  let counts = totals.get(domain);
  if (counts === undefined) {
    if (totals.size >= MAX_DOMAINS) return null;
    counts = { policy, seen, rows: new Map(), unlisted: 0, worthwhile: false };
    totals.set(domain, counts);
  }
  if (seen > counts.seen) {
    counts.policy = policy;
    counts.seen = seen;
  }
  return counts;
}

function addRow(totals: DmarcTotals, counts: DomainCounts, row: ReportedRow): void {
  const key = rowKey(row);
  const known = counts.rows.get(key);
  if (known !== undefined) {
    known.count += row.count;
    return;
  }
  const all = rowsOf.get(totals) ?? countRows(totals);
  if (counts.rows.size >= MAX_ROWS || all >= MAX_ROWS_OF_DAY) {
    counts.unlisted += row.count;
    return;
  }
  counts.rows.set(key, row);
  rowsOf.set(totals, all + 1);
}

function countRows(totals: DmarcTotals): number {
  return totals.values().reduce((sum, { rows }) => sum + rows.size, 0);
}

/** What makes messages alike: all but words and their number. */
export function rowKey(row: ReportedRow): string {
  const { source, headerFrom, envelopeFrom, disposition, dkimAligned, spfAligned } = row;
  return [
    ...[source, headerFrom, envelopeFrom, disposition, dkimAligned, spfAligned],
    ...[row.spf?.domain, row.spf?.result],
    ...row.overrides.map(({ type }) => type),
    ...row.dkim.flatMap(({ domain, selector, result }) => [domain, selector, result]),
  ].join("\n");
}

function policyOf({ published: { record, discovery } }: DmarcObservation): ReportedPolicy {
  const { p, sp = p, np = sp, adkim, aspf, fo, t: testing } = record;
  return { ...{ p, sp, np, adkim, aspf, testing, discovery }, fo: fo.join(":") };
}

function rowOf(seen: DmarcObservation): ReportedRow {
  const { sourceIp, headerFrom, envelopeFrom, dkimAligned, spfAligned, spf } = seen;
  return {
    source: sourceIp,
    headerFrom: headerFrom.slice(0, MAX_NAME),
    envelopeFrom: (envelopeFrom ?? "").slice(0, MAX_NAME),
    disposition: dispositionOf(seen),
    ...{ dkimAligned, spfAligned },
    overrides: seen.overrides.map(({ type, comment }) => ({ type, comment: words(comment) })),
    dkim: seen.dkim.slice(0, MAX_SIGNATURES).map(({ domain, selector, result, reason }) => ({
      domain: domain.slice(0, MAX_NAME),
      selector: selector.slice(0, MAX_NAME),
      result,
      ...(reason !== undefined && { reason: words(reason) }),
    })),
    spf: spf && {
      domain: spf.domain.slice(0, MAX_NAME),
      result: spf.result,
      ...(spf.reason !== undefined && { reason: words(spf.reason) }),
    },
    count: 1,
  };
}

function dispositionOf({ result, requested, disposition }: DmarcObservation) {
  const passed = result === "pass" && requested !== "none" && disposition === "none";
  return passed ? "pass" : disposition;
}

function words(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, " ").slice(0, MAX_REASON);
}
