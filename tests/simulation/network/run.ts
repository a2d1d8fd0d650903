/**
 * Runs one seed from beginning to end.
 *
 * @module
 */

import { describeError } from "../../../src/events.ts";
import { checkMail } from "./invariants.ts";
import type { Found } from "./mail.ts";
import { World } from "./world.ts";

/** What came of a seed. Plain data. */
export interface SeedOutcome {
  readonly seed: number;
  /** What is wrong; none: all is well. */
  readonly problems: readonly string[];
  /** What happened, where it was to be traced. */
  readonly lines: readonly string[];
  /** Milliseconds of virtual time. */
  readonly time: number;
  /** Mails sent, each time they were; of these acknowledged; copies, notices and copies too many that were found. */
  readonly sent: number;
  readonly acknowledged: number;
  readonly copies: number;
  readonly reports: number;
  readonly duplicates: number;
  /** Troubles made, by kind. */
  readonly troubles: Readonly<Record<string, number>>;
}

const DAY = 86_400_000;

/** Runs it. Never throws: what throws is a problem of the seed. */
export async function runSeed(seed: number, { trace = false } = {}): Promise<SeedOutcome> {
  const world = new World(seed, trace);
  const { hub: { clock }, journal, problems, clients: { sendings } } = world;
  const begun = clock.now();
  let found = { copies: 0, reports: 0, duplicates: 0 };
  try {
    await clock.runUntil(world.run(), 60 * DAY);
    await clock.settle();
    if (clock.sleepers > 0) problems.push(`${clock.sleepers} still sleep`);
    const mailboxes = new Map<string, readonly Found[]>();
    for (const { mailboxes: taken } of world.sinks) {
      taken.forEach((mails, name) => mailboxes.set(name, mails));
    }
    for (const station of world.stations) {
      (await station.mailboxes()).forEach((mails, name) => mailboxes.set(name, mails));
    }
    const findings = checkMail(sendings, mailboxes, journal.troubles);
    problems.push(...findings.problems);
    found = findings;
  } catch (error) {
    problems.push(`threw ${describeError(error)}`);
    journal.note("world", String(error instanceof Error ? error.stack : error));
  }
  const { copies, reports, duplicates } = found;
  return {
    seed,
    problems,
    lines: journal.lines,
    time: clock.now() - begun,
    sent: sendings.length,
    acknowledged: sendings.filter(({ fate }) => fate === "acknowledged").length,
    copies,
    reports,
    duplicates,
    troubles: journal.counts,
  };
}
