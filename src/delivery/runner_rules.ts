/**
 * What a runner goes by: ways, schedules, notices, limits. A value: a reload makes another one and lets the
 * runner adopt it.
 *
 * @module
 */

import type { NoticeMaker } from "../queue/notice.ts";
import type { ScheduleFor } from "../queue/retry.ts";
import type { OpenRoute } from "./jobs.ts";
import type { SchedulerLimits } from "./scheduler.ts";
import type { Transport } from "./transport.ts";
import type { FindRoute, SenderFor } from "./ways.ts";

/** How much, and how long. Times in milliseconds. */
export interface RunnerLimits extends SchedulerLimits {
  /** Messages claimed in one go. Default 256. */
  readonly batch: number;
  /** Recipients that come due so soon after are tried along. Default 30 seconds. */
  readonly slack: number;
  /** Recipients of one job. RFC 5321 §4.5.3.1.8 lets a station count on 100. Default 100. */
  readonly jobRecipients: number;
  /** Jobs at once into mailboxes of this machine. Default 32. */
  readonly localJobs: number;
}

/** Those of them that are not the scheduler's. */
export type OwnLimits = Omit<RunnerLimits, keyof SchedulerLimits>;

/** What a runner goes by. */
export interface RunnerRules {
  /** The way of each recipient. */
  readonly route: FindRoute;
  readonly senderFor: SenderFor;
  /** The ways out, by kind of route. One that is missing puts its mail off. */
  readonly transports: Readonly<Partial<Record<OpenRoute["kind"], Transport>>>;
  readonly notices: NoticeMaker;
  readonly scheduleFor: ScheduleFor;
  readonly limits?: Partial<RunnerLimits>;
  /** Nothing is taken up but what an order names (`orders.attemptNow`). Default `false`. */
  readonly paused?: boolean;
}

/** The limits that are not the scheduler's, filled in. */
export function ownLimits(limits: Partial<RunnerLimits> = {}): OwnLimits {
  const { batch = 256, slack = 30_000, jobRecipients = 100, localJobs = 32 } = limits;
  return { batch, slack, jobRecipients, localJobs };
}

/** Limits of nothing, or of no number, would let mail lie without a word. @throws {RangeError} */
export function checkRunnerLimits(limits: Partial<RunnerLimits> = {}): void {
  const counts = ["window", "concurrency", "startWidth", "batch", "jobRecipients", "localJobs"];
  for (const [name, value] of Object.entries(limits)) {
    const least = counts.includes(name) ? 1 : 0;
    if (value >= least) continue;
    throw new RangeError(`queue limits: ${name} must be ${least} or more, not ${value}`);
  }
}
