/**
 * When to try again, and for how long (RFC 5321 §4.5.4.1): delays that double from minutes to hours,
 * each moved a little by chance so that mail put off together does not come back together; a warning
 * to the sender after some hours, and the end after some days. Per domain where an operator knows
 * better.
 *
 * The first delay is six minutes, less or more a sixth: never under the five minutes that greylisting
 * usually asks for, and about what Postfix waits. It is no shorter for fresh mail, since what passes
 * within seconds (a connection that was closed while it rested in a pool, another host of the same MX
 * set) is tried again inside the attempt itself, and a station that says it is busy means it. After
 * 6, 12, 24, … minutes four attempts lie in the first hour and a half; from the seventh on they are
 * four hours apart, some thirty-five in five days.
 *
 * Pure: time and chance are arguments. `settle.ts` applies it.
 *
 * @module
 */

import { domainPatternKey, findByDomain } from "../domain_pattern.ts";
import type { EnvelopeRecipient } from "./entry.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How one recipient's attempts lie in time. All in milliseconds but `factor` and `jitter`. */
export interface RetrySchedule {
  /** From the first attempt that was put off to the second. */
  readonly first: number;
  /** How much longer each delay is than the one before it; 1 for delays that are all the same. */
  readonly factor: number;
  /** The longest delay. */
  readonly longest: number;
  /** The part of a delay that chance may add or take: 0 for none, less than 1. */
  readonly jitter: number;
  /**
   * How long a message is tried, from when it was accepted: the attempt that comes at its end is
   * the last. RFC 5321 §4.5.4.1 wants four to five days at least.
   */
  readonly lifetime: number;
  /** The same for mail with the null sender, notices above all: nobody is told when it ends. */
  readonly noticeLifetime: number;
  /**
   * After how long the sender is told that the message still waits (RFC 3464, Action: delayed),
   * once, by the next attempt that is put off; `null`: never.
   */
  readonly delayNotice: number | null;
}

/** What holds where nothing was said. */
export const DEFAULT_SCHEDULE: RetrySchedule = {
  first: 6 * MINUTE,
  factor: 2,
  longest: 4 * HOUR,
  jitter: 1 / 6,
  lifetime: 5 * DAY,
  noticeLifetime: 2 * DAY,
  delayNotice: 4 * HOUR,
};

/** Which schedule a recipient has. */
export type ScheduleFor = (recipient: EnvelopeRecipient) => RetrySchedule;

/** Schedules as an operator gives them. */
export interface RetryOptions {
  /** What differs from {@link DEFAULT_SCHEDULE} for all. */
  readonly usual?: Partial<RetrySchedule>;
  /** What differs from that for a domain (`example.org`), or for all below it (`.example.org`). */
  readonly domains?: Readonly<Record<string, Partial<RetrySchedule>>>;
}

/**
 * Makes the schedules of all recipients.
 *
 * @throws {RangeError} when a value cannot be; the message says which, and where.
 *
 * @example
 * ```ts
 * import { retrySchedules } from "./retry.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const scheduleFor = retrySchedules({ domains: { "slow.example": { first: 1_800_000 } } });
 * const address = { local: "alice", domain: "slow.example" };
 * assertEquals(scheduleFor({ address }).first, 1_800_000);
 * assertEquals(scheduleFor({ address: { ...address, domain: "example.org" } }).first, 360_000);
 * ```
 */
export function retrySchedules(options: RetryOptions = {}): ScheduleFor {
  const usual = checkSchedule({ ...DEFAULT_SCHEDULE, ...options.usual }, "the usual schedule");
  const domains = new Map<string, RetrySchedule>();
  for (const [domain, differing] of Object.entries(options.domains ?? {})) {
    const schedule = checkSchedule({ ...usual, ...differing }, `the schedule of ${domain}`);
    domains.set(domainPatternKey(domain), schedule);
  }
  if (domains.size === 0) return () => usual;
  return ({ address }) => findByDomain(domains, address.domain) ?? usual;
}

/** The schedule itself. @throws {RangeError} when it cannot be; `name` says whose it is. */
export function checkSchedule(schedule: RetrySchedule, name: string): RetrySchedule {
  const { first, factor, longest, jitter, lifetime, noticeLifetime, delayNotice } = schedule;
  const demand = (good: boolean, what: string) => {
    if (!good) throw new RangeError(`${name}: ${what}`);
  };
  // A comparison with NaN is false, so that it is refused like any other wrong number.
  demand(first >= 1000 && first < Infinity, `first must be a second at least, not ${first} ms`);
  demand(factor >= 1 && factor < Infinity, `factor must be 1 or more, not ${factor}`);
  demand(longest >= first && longest < Infinity, `longest must not be under first: ${longest} ms`);
  demand(jitter >= 0 && jitter < 1, `jitter must be from 0 to under 1, not ${jitter}`);
  demand(lifetime > 0, `lifetime must be more than 0, not ${lifetime} ms`);
  demand(noticeLifetime > 0, `noticeLifetime must be more than 0, not ${noticeLifetime} ms`);
  demand(
    delayNotice === null || delayNotice > 0,
    `delayNotice must be more than 0, or null, not ${delayNotice} ms`,
  );
  return schedule;
}

/**
 * How long to wait after so many attempts, the last of them put off.
 *
 * @param attempts at least 1. @param random gives a number in [0, 1).
 *
 * @example
 * ```ts
 * import { DEFAULT_SCHEDULE, retryDelay } from "./retry.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const middle = () => 0.5;
 * const minutes = [1, 2, 3, 7].map((n) => retryDelay(DEFAULT_SCHEDULE, n, middle) / 60_000);
 * assertEquals(minutes, [6, 12, 24, 240]);
 * ```
 */
export function retryDelay(
  { first, factor, longest, jitter }: RetrySchedule,
  attempts: number,
  random: () => number,
): number {
  const delay = Math.min(first * factor ** Math.max(0, attempts - 1), longest);
  return Math.round(delay * (1 + jitter * (2 * random() - 1)));
}
