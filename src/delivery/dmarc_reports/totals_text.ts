/**
 * Counts of a day as text, for the disk. Pure.
 *
 * @module
 */

import { type DayForm, formatDay, parseDay } from "../reports/day_files.ts";
import {
  addDmarcTotals,
  type DmarcTotals,
  type DomainCounts,
  type ReportedPolicy,
  type ReportedRow,
  rowKey,
} from "./totals.ts";

const NAME = "results of DMARC";

/** Writes counts. */
export function formatDmarcTotals(totals: DmarcTotals): string {
  return formatDay(NAME, totals, (domain, { policy, seen, rows, unlisted, worthwhile }) => (
    { domain, policy, seen, unlisted, worthwhile, rows: [...rows.values()] }
  ));
}

/** Reads counts; what cannot be read is left out. */
export function parseDmarcTotals(text: string): DmarcTotals {
  return parseDay(NAME, text, (line): DomainCounts | undefined => {
    const { policy, seen, unlisted, worthwhile, rows } = line;
    if (!isPolicy(policy) || !isCount(seen) || !isCount(unlisted)) return undefined;
    if (!Array.isArray(rows) || !rows.every(isRow)) return undefined;
    return {
      ...{ policy, seen, unlisted, worthwhile: worthwhile === true },
      rows: new Map(rows.map((row) => [rowKey(row), row])),
    };
  });
}

/** The results of DMARC, as counts of a day. */
export const DMARC_TOTALS: DayForm<DomainCounts> = {
  name: NAME,
  format: formatDmarcTotals,
  parse: parseDmarcTotals,
  add: addDmarcTotals,
};

function isPolicy(value: unknown): value is ReportedPolicy {
  const { p, sp, np, adkim, aspf, fo, testing, discovery } = (value ?? {}) as ReportedPolicy;
  return areTexts(p, sp, np, adkim, aspf, fo, discovery) && typeof testing === "boolean";
}

function isRow(value: unknown): value is ReportedRow {
  const row = (value ?? {}) as ReportedRow;
  const { spf, dkim, overrides } = row;
  return areTexts(row.source, row.headerFrom, row.envelopeFrom, row.disposition) &&
    typeof row.dkimAligned === "boolean" && typeof row.spfAligned === "boolean" &&
    isCount(row.count) &&
    (spf === null || areTexts(spf?.domain, spf?.result)) &&
    Array.isArray(dkim) && dkim.every((one) => areTexts(one?.domain, one?.selector, one?.result)) &&
    Array.isArray(overrides) && overrides.every((one) => areTexts(one?.type, one?.comment));
}

function areTexts(...values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === "string");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
