/**
 * Aggregate reports of many, summed up: by domain, and there by source. What a source seems to be follows from what was
 * found of its mail, and says what is to be done about it. Pure.
 *
 * Anybody can send a report that says anything: numbers, not proof.
 *
 * @module
 */

import { canonicalIp } from "../../net_address.ts";
import type { AggregateReport, AggregateRow } from "./report.ts";

/**
 * What a source seems to be.
 *
 * - `passes`: all of its mail passed
 * - `mixed`: some of it passed
 * - `own`: it is this host, and none of its mail passed
 * - `forwarder`: none passed, and reporters say that it forwards or is a mailing list
 * - `service`: none passed, but SPF or a signature did for another domain: somebody sends in our name, or forwards
 * - `unknown`: nothing passed, for any domain
 */
export type SourceKind = "passes" | "mixed" | "own" | "forwarder" | "service" | "unknown";

/** Messages that were reported. */
export interface MessageCounts {
  messages: number;
  /** Those that passed DMARC, … */
  passed: number;
  /** … by an aligned signature, by SPF, or both. */
  dkimAligned: number;
  spfAligned: number;
  quarantined: number;
  rejected: number;
}

/** What was reported of one source. */
export interface SourceSummary extends Readonly<MessageCounts> {
  /** An IP address. */
  readonly source: string;
  readonly kind: SourceKind;
  /** Whether it is this host. */
  readonly own: boolean;
  /** Other domains for which it passed, the most frequent first. */
  readonly otherDomains: readonly string[];
  /** Domains in From, the most frequent first. */
  readonly headerFrom: readonly string[];
}

/** What was reported of one domain. */
export interface DomainSummary extends Readonly<MessageCounts> {
  /** The policy domain. */
  readonly domain: string;
  /** What it asked for last. */
  readonly policy: string;
  readonly reports: number;
  /** Who made them. */
  readonly reporters: readonly string[];
  /** The time they are about, in epoch milliseconds. */
  readonly begin: number;
  readonly end: number;
  /** Those with the most mail that failed first. */
  readonly sources: readonly SourceSummary[];
  /** Sources that are not listed: there were too many. */
  readonly moreSources: boolean;
}

/** What is summed up. */
export interface SummaryOptions {
  /** Addresses of this host. */
  readonly own?: readonly string[];
  /** Which domains; absent: all. */
  readonly wants?: (domain: string) => boolean;
  /** Reports that end before are left out, in epoch milliseconds. */
  readonly since?: number;
}

/** What became of a report. */
export type AddedReport = "added" | "old" | "twice" | "other";

/** Sources of a domain, names of a source, and reporters. */
const MAX_SOURCES = 10_000;
const MAX_NAMES = 50;
const MAX_REPORTERS = 1000;

interface SourceCounts extends MessageCounts {
  forwarded: number;
  readonly otherDomains: Map<string, number>;
  readonly headerFrom: Map<string, number>;
}

interface DomainTotals extends MessageCounts {
  policy: string;
  reports: number;
  readonly reporters: Set<string>;
  begin: number;
  end: number;
  readonly sources: Map<string, SourceCounts>;
  moreSources: boolean;
}

/** Sums up. */
export class DmarcSummary {
  readonly #options: SummaryOptions;
  readonly #own: ReadonlySet<string>;
  readonly #domains = new Map<string, DomainTotals>();
  readonly #seen = new Set<string>();

  constructor(options: SummaryOptions = {}) {
    this.#options = options;
    this.#own = new Set((options.own ?? []).map(canonicalIp));
  }

  /** Adds a report, unless it is not wanted or came before (RFC 9990 §3.5.4). */
  add(report: AggregateReport): AddedReport {
    const { domain, organization, email, id, begin, end } = report;
    const { wants, since = 0 } = this.#options;
    if (wants !== undefined && !wants(domain)) return "other";
    if (end < since) return "old";
    const name = [organization, email, id, domain, begin].join("\n");
    if (this.#seen.has(name)) return "twice";
    this.#seen.add(name);
    const totals = this.#totalsOf(report);
    totals.reports++;
    if (totals.reporters.size < MAX_REPORTERS) totals.reporters.add(organization);
    if (end >= totals.end) totals.policy = report.policy;
    totals.begin = Math.min(totals.begin, begin);
    totals.end = Math.max(totals.end, end);
    for (const row of report.rows) addRow(totals, domain, row);
    return "added";
  }

  #totalsOf({ domain, policy, begin, end }: AggregateReport): DomainTotals {
    let totals = this.#domains.get(domain);
    if (totals === undefined) {
      totals = {
        ...{ ...NOTHING, policy, begin, end, reports: 0, moreSources: false },
        ...{ reporters: new Set(), sources: new Map() },
      };
      this.#domains.set(domain, totals);
    }
    return totals;
  }

  /** What was added, by domain. */
  finish(): DomainSummary[] {
    return [...this.#domains].toSorted(([one], [other]) => one < other ? -1 : 1)
      .map(([domain, { sources, reporters, ...totals }]) => ({
        ...{ domain, ...totals },
        reporters: [...reporters].toSorted(),
        sources: [...sources].map(([source, counts]) => this.#describe(source, counts))
          .toSorted((one, other) => failed(other) - failed(one) || other.messages - one.messages),
      }));
  }

  #describe(source: string, counts: SourceCounts): SourceSummary {
    const { messages, passed, dkimAligned, spfAligned, quarantined, rejected } = counts;
    const { otherDomains, headerFrom } = counts;
    const own = this.#own.has(source);
    return {
      ...{ source, own, kind: kindOf(counts, own) },
      ...{ messages, passed, dkimAligned, spfAligned, quarantined, rejected },
      otherDomains: byNumber(otherDomains),
      headerFrom: byNumber(headerFrom),
    };
  }
}

const NOTHING: MessageCounts = {
  messages: 0,
  passed: 0,
  dkimAligned: 0,
  spfAligned: 0,
  quarantined: 0,
  rejected: 0,
};

function addRow(totals: DomainTotals, domain: string, row: AggregateRow): void {
  addCounts(totals, row);
  let source = totals.sources.get(row.source);
  if (source === undefined) {
    if (totals.sources.size >= MAX_SOURCES) {
      totals.moreSources = true;
      return;
    }
    source = { ...NOTHING, forwarded: 0, otherDomains: new Map(), headerFrom: new Map() };
    totals.sources.set(row.source, source);
  }
  addCounts(source, row);
  addName(source.headerFrom, row.headerFrom, row.count);
  if (isPassed(row)) return;
  if (row.reasons.some((reason) => FORWARDING.has(reason))) source.forwarded += row.count;
  const passed = [...row.dkim, ...row.spf].filter(({ result }) => result === "pass");
  for (const other of new Set(passed.map((one) => one.domain))) {
    if (other !== "" && other !== domain) addName(source.otherDomains, other, row.count);
  }
}

/** Of RFC 9990 and of RFC 7489. */
const FORWARDING: ReadonlySet<string> = new Set([
  "forwarded",
  "mailing_list",
  "trusted_forwarder",
]);

function addCounts(counts: MessageCounts, row: AggregateRow): void {
  const { count, dkimAligned, spfAligned, disposition } = row;
  counts.messages += count;
  if (isPassed(row)) counts.passed += count;
  if (dkimAligned) counts.dkimAligned += count;
  if (spfAligned) counts.spfAligned += count;
  if (disposition === "quarantine") counts.quarantined += count;
  if (disposition === "reject") counts.rejected += count;
}

function isPassed({ dkimAligned, spfAligned }: AggregateRow): boolean {
  return dkimAligned || spfAligned;
}

function addName(names: Map<string, number>, name: string, count: number): void {
  if (names.size < MAX_NAMES || names.has(name)) names.set(name, (names.get(name) ?? 0) + count);
}

function byNumber(names: ReadonlyMap<string, number>): string[] {
  return [...names].toSorted(([, one], [, other]) => other - one).map(([name]) => name);
}

function failed({ messages, passed }: MessageCounts): number {
  return messages - passed;
}

function kindOf(counts: SourceCounts, own: boolean): SourceKind {
  const { messages, passed, forwarded, otherDomains } = counts;
  if (passed === messages) return "passes";
  if (passed > 0) return "mixed";
  if (own) return "own";
  if (forwarded > 0) return "forwarder";
  return otherDomains.size > 0 ? "service" : "unknown";
}
