/**
 * Counts of a day as text, for the disk: JSON with a version, a line for each domain. Pure.
 *
 * @module
 */

import type { FailureCount, PolicyCount, ReportedPolicy, Totals } from "./totals.ts";

const HEAD = JSON.stringify({ yizhan: "results of TLS", version: 1 });

/** Writes counts. */
export function formatTotals(totals: Totals): string {
  const lines = [HEAD];
  for (const [domain, policies] of totals) lines.push(JSON.stringify({ domain, policies }));
  return `${lines.join("\n")}\n`;
}

/** Reads counts; what cannot be read is left out. */
export function parseTotals(text: string): Totals {
  const totals: Totals = new Map();
  const [head, ...lines] = text.split("\n");
  if (head !== HEAD) return totals;
  for (const line of lines) {
    try {
      const { domain, policies } = JSON.parse(line);
      if (typeof domain !== "string" || !Array.isArray(policies)) continue;
      if (policies.every(isPolicyCount)) totals.set(domain, policies);
    } catch {
      // A line that a crash has cut.
    }
  }
  return totals;
}

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
