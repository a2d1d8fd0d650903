/**
 * Counts of a day as text, for the disk: JSON with a version, a line for each domain. Pure.
 *
 * @module
 */

import { type DayForm, formatDay, parseDay } from "../reports/day_files.ts";
import {
  addTotals,
  type FailureCount,
  type PolicyCount,
  type ReportedPolicy,
  type Totals,
} from "./totals.ts";

const NAME = "results of TLS";

/** Writes counts. */
export function formatTotals(totals: Totals): string {
  return formatDay(NAME, totals, (domain, policies) => ({ domain, policies }));
}

/** Reads counts; what cannot be read is left out. */
export function parseTotals(text: string): Totals {
  return parseDay(NAME, text, ({ policies }) => {
    return Array.isArray(policies) && policies.every(isPolicyCount) ? policies : undefined;
  });
}

/** The results of TLS, as counts of a day. */
export const TLS_TOTALS: DayForm<PolicyCount[]> = {
  name: NAME,
  format: formatTotals,
  parse: parseTotals,
  add: addTotals,
};

function isPolicyCount(value: unknown): value is PolicyCount {
  const { policy, successes, failures } = (value ?? {}) as Partial<PolicyCount>;
  return isPolicy(policy) && isCount(successes) && Array.isArray(failures) &&
    failures.every(isFailure);
}

function isPolicy(value: unknown): value is ReportedPolicy {
  const { type, domain, lines, mx } = (value ?? {}) as Partial<ReportedPolicy>;
  return typeof type === "string" && typeof domain === "string" && isTexts(lines) && isTexts(mx);
}

function isFailure(value: unknown): value is FailureCount {
  const { type, count, source, host, address, reason } = (value ?? {}) as Partial<FailureCount>;
  return typeof type === "string" && isCount(count) &&
    [source, host, address, reason].every((text) => text === undefined || typeof text === "string");
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
