/**
 * What came of many seeds together, and the line that says it.
 *
 * @module
 */

import type { SeedOutcome } from "./run.ts";

const DAY = 86_400_000;

/** Sums. */
export class Tally {
  seeds = 0;
  failed = 0;
  time = 0;
  sent = 0;
  acknowledged = 0;
  copies = 0;
  reports = 0;
  duplicates = 0;
  readonly troubles: Record<string, number> = {};

  /** Adds a seed. */
  add(outcome: SeedOutcome): void {
    this.seeds++;
    if (outcome.problems.length > 0) this.failed++;
    this.time += outcome.time;
    this.sent += outcome.sent;
    this.acknowledged += outcome.acknowledged;
    this.copies += outcome.copies;
    this.reports += outcome.reports;
    this.duplicates += outcome.duplicates;
    for (const [kind, count] of Object.entries(outcome.troubles)) {
      this.troubles[kind] = (this.troubles[kind] ?? 0) + count;
    }
  }

  /** Troubles whose kind begins, or ends, so. */
  count(pattern: RegExp): number {
    return Object.entries(this.troubles).reduce(
      (sum, [kind, count]) => pattern.test(kind) ? sum + count : sum,
      0,
    );
  }
}

/** One line. @param took milliseconds of real time. */
export function formatTally(tally: Tally, took: number): string {
  const { seeds, failed, time, sent, acknowledged, copies, reports, duplicates, troubles } = tally;
  const crashes = tally.count(/^crash/);
  const faults = Object.entries(troubles)
    .filter(([kind]) => kind !== "power lost in a file call")
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ${count}`);
  return `${seeds} seeds, ${failed} failed; ${Math.round(time / DAY)} virtual days in ` +
    `${
      (took / 1000).toFixed(1)
    } s; ${sent} mails sent, ${acknowledged} acknowledged, ${copies} copies, ` +
    `${reports} notices, ${duplicates} duplicates; ${crashes} crashes survived; faults: ${
      faults.join(", ")
    }`;
}
