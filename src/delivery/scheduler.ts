/**
 * Which job is next. Jobs enter, each for one destination; it says which may start. Nothing here
 * waits: time is an argument, and what a job is it does not know.
 *
 * What it holds to:
 *
 * - **A bounded window.** Who claims from the queue asks for `room` first, so that a million due
 *   messages are never a million objects.
 * - **No destination fills it.** One may have as many jobs as there is room left for others: alone
 *   it gets half of the window, two get a third each, and some is always free. A job too many is
 *   sent back with a time at which there should be a place for it, by how fast the destination
 *   takes mail.
 * - **Widths by feedback**, and destinations that are down are left alone: see `destination.ts`.
 * - **Fairness.** Destinations take turns, one job each, however many wait.
 * - **Fresh mail first.** A retry gets a turn after four fresh ones, and retries hold three quarters
 *   of all places at most: hosts that were ill before, and time out again, never keep new mail
 *   waiting.
 *
 * @module
 */

import type { Postponement } from "../queue/settle.ts";
import {
  Destination,
  type Downtime,
  type Feedback,
  type FeedbackLimits,
  Line,
} from "./destination.ts";

/** How much at once. */
export interface SchedulerLimits extends FeedbackLimits {
  /** Jobs and claimed messages in memory. Default 5,000. */
  readonly window: number;
  /** Jobs under way, all destinations together. Default 200. */
  readonly concurrency: number;
}

/** What holds where nothing is said. */
export const DEFAULT_SCHEDULER_LIMITS: SchedulerLimits = {
  window: 5000,
  concurrency: 200,
  startWidth: 5,
  downFirst: 60_000,
  downLongest: 30 * 60_000,
};

/** A job as it enters. */
export interface Entrance {
  /** Where it goes, by `destinationOf`. */
  readonly destination: string;
  /** Jobs at once that its route allows there. */
  readonly limit: number;
  /** Whether its mail is tried for the first time. */
  readonly fresh: boolean;
}

/** A job that was started; to be given back to `finish`. */
export interface Started<T> {
  readonly job: T;
  readonly destination: Destination<T>;
  readonly fresh: boolean;
  /** When. */
  readonly time: number;
  /** Whether it holds a place; else its successor has it. */
  holds: boolean;
  /** Whether it was given back. */
  over: boolean;
  /** Whose place it took, while that one goes on. */
  before: Started<T> | null;
}

/** Fresh jobs in a row while retries wait. */
const FRESH_RUN = 4;
/** The part of all places that retries may have. */
const RETRY_SHARE = 3 / 4;
/** The soonest and the latest that a job too many is told to come back, in milliseconds. */
const SOONEST = 100;
const LATEST = 15 * 60_000;
/** Destinations that are kept in mind for having been down. */
const REMEMBERED = 10_000;

/** The scheduler; `T` is whatever a job is. */
export class Scheduler<T> {
  #limits: SchedulerLimits;
  readonly #destinations = new Map<string, Destination<T>>();
  readonly #rings = { fresh: new Line<Destination<T>>(), retry: new Line<Destination<T>>() };
  #size = 0;
  #running = 0;
  #retriesRunning = 0;
  #freshRun = 0;

  constructor(limits: Partial<SchedulerLimits> = {}) {
    this.#limits = { ...DEFAULT_SCHEDULER_LIMITS, ...limits };
  }

  /** Other limits from here on. What is under way beyond them ends by itself. */
  set limits(limits: Partial<SchedulerLimits>) {
    this.#limits = { ...DEFAULT_SCHEDULER_LIMITS, ...limits };
    for (const destination of this.#destinations.values()) destination.limits = this.#limits;
  }

  /** Jobs that wait or are under way. */
  get size(): number {
    return this.#size;
  }

  /** Jobs under way. */
  get running(): number {
    return this.#running;
  }

  /** How many more messages may be claimed, when so many are. */
  room(claimed: number): number {
    return Math.max(0, this.#limits.window - Math.max(claimed, this.#size));
  }

  /** Puts a job in its line. `null` when it is in; else when it is to come again, and why. */
  enter(job: T, { destination: name, limit, fresh }: Entrance, now: number): Postponement | null {
    const destination = this.#destination(name, now);
    destination.limit = limit;
    const down = destination.downtime(now);
    if (down !== null) return { ...down, until: this.#place(destination, down.until) };
    if (!this.#hasRoomFor(destination)) {
      // A little before its turn, so that the line never runs dry.
      const drained = now + destination.size * destination.interval * 0.8;
      return { until: this.#place(destination, Math.max(drained, now + SOONEST)) };
    }
    const kind = fresh ? "fresh" : "retry";
    destination.lines[kind].push(job);
    this.#size++;
    this.#offer(destination, kind);
    return null;
  }

  /** Starts the job whose turn it is; `null` when none may start now. */
  next(now: number): Started<T> | null {
    if (this.#running >= this.#limits.concurrency) return null;
    const retries = this.#retriesRunning < this.#limits.concurrency * RETRY_SHARE;
    if (retries && this.#freshRun >= FRESH_RUN) {
      return this.#start("retry", now) ?? this.#start("fresh", now);
    }
    return this.#start("fresh", now) ?? (retries ? this.#start("retry", now) : null);
  }

  /**
   * Starts the next job for the destination of one that is about to be over, in its place: over its connection,
   * that is, before its answer has come. `null` where there is none, or where others may have a better right.
   */
  succeed(started: Started<T>, now: number): Started<T> | null {
    const { destination, destination: { lines, running, width } } = started;
    const [own, other] = started.fresh ? [lines.fresh, lines.retry] : [lines.retry, lines.fresh];
    if (!started.holds || other.length > 0 || running > width) return null;
    if (this.#running >= this.#limits.concurrency) return null;
    const job = own.shift();
    if (job === undefined) return null;
    started.holds = false;
    return {
      job,
      destination,
      fresh: started.fresh,
      time: now,
      holds: true,
      over: false,
      before: started,
    };
  }

  /**
   * Takes note of how a job went. Gives the jobs that need not be tried any more, because their
   * destination is down: they have left, and {@link downtime} says why.
   */
  finish(started: Started<T>, feedback: Feedback, now: number): readonly T[] {
    const { destination, time } = started;
    this.#size--;
    this.#leave(started);
    const dropped = destination.note(feedback, time, now) ? this.#empty(destination) : [];
    if (destination.isIdle(now)) {
      if (this.#destinations.get(destination.name) === destination) {
        this.#destinations.delete(destination.name);
      }
    } else {
      this.#offer(destination, "fresh");
      this.#offer(destination, "retry");
    }
    return dropped;
  }

  /** A job gives its place up, or back to the one it had it from, or whom that one had it from, that goes on. */
  #leave(started: Started<T>): void {
    const { holds, destination, fresh } = started;
    let { before } = started;
    while (before?.over) before = before.before;
    started.holds = false;
    started.before = before;
    started.over = true;
    if (!holds) return;
    if (before !== null) {
      before.holds = true;
      return;
    }
    destination.running--;
    this.#running--;
    if (!fresh) this.#retriesRunning--;
  }

  /**
   * When a job for a destination that is down shall come again, and why; `null` when it is not
   * down.
   */
  downtime(name: string, now: number): Postponement | null {
    const destination = this.#destinations.get(name);
    const down = destination?.downtime(now) ?? null;
    return down && { ...down, until: this.#place(destination!, down.until) };
  }

  /** Takes the jobs out that were not started: all, or some of them. */
  withdraw(isMeant?: (job: T) => boolean): readonly T[] {
    return [...this.#destinations.values()].flatMap((one) => this.#empty(one, isMeant));
  }

  /** Forgets that a destination was down; without a name, that any was. */
  forget(name?: string): void {
    const forgiven = name === undefined
      ? [...this.#destinations.values()]
      : [this.#destinations.get(name)];
    for (const destination of forgiven) {
      if (destination === undefined) continue;
      destination.forgive();
      if (destination.size === 0) this.#destinations.delete(destination.name);
      this.#offer(destination, "fresh");
      this.#offer(destination, "retry");
    }
  }

  /** The destinations that are down, for people. */
  *down(now: number): Iterable<Downtime & { readonly destination: string }> {
    for (const destination of this.#destinations.values()) {
      const down = destination.downtime(now);
      if (down !== null) yield { destination: destination.name, ...down };
    }
  }

  /**
   * Whether a destination may have one job more: it may have as many as there is room left, or as
   * it is wide.
   */
  #hasRoomFor({ size, width }: Destination<T>): boolean {
    const { window } = this.#limits;
    // One message may go to a thousand destinations: the window can be passed, but not without end.
    return size < window - this.#size || (size < width && this.#size < 2 * window);
  }

  #destination(name: string, now: number): Destination<T> {
    const known = this.#destinations.get(name);
    if (known !== undefined) return known;
    if (this.#destinations.size >= this.#limits.window + REMEMBERED) this.#makeRoom(now);
    const made = new Destination<T>(name, this.#limits);
    this.#destinations.set(name, made);
    return made;
  }

  /** Lets go of destinations that have no jobs: those that are idle, else the oldest. */
  #makeRoom(now: number): void {
    const jobless = [...this.#destinations.values()].filter(({ size }) => size === 0);
    const idle = jobless.filter((destination) => destination.isIdle(now));
    const gone = idle.length > 0 ? idle : jobless.slice(0, REMEMBERED / 2);
    for (const { name } of gone) this.#destinations.delete(name);
  }

  /**
   * A place in the line outside, from `start` on. A line that is too long begins anew at its front,
   * so that those in it lie evenly over the time.
   */
  #place(destination: Destination<T>, start: number): number {
    const place = Math.max(destination.lineEnd, start) + destination.interval;
    destination.lineEnd = place > start + LATEST ? start : place;
    return Math.ceil(destination.lineEnd);
  }

  #offer(destination: Destination<T>, kind: "fresh" | "retry"): void {
    const line = destination.lines[kind];
    if (line.inRing || line.length === 0 || !destination.hasPlace) return;
    line.inRing = true;
    this.#rings[kind].push(destination);
  }

  #start(kind: "fresh" | "retry", now: number): Started<T> | null {
    for (;;) {
      const destination = this.#rings[kind].shift();
      if (destination === undefined) return null;
      const line = destination.lines[kind];
      line.inRing = false;
      // One that has no place any more comes back to the ring when a job of it is over.
      if (!destination.hasPlace) continue;
      const job = line.shift();
      if (job === undefined) continue;
      destination.running++;
      this.#running++;
      if (kind === "retry") this.#retriesRunning++;
      this.#freshRun = kind === "fresh" ? this.#freshRun + 1 : 0;
      this.#offer(destination, kind);
      const fresh = kind === "fresh";
      return { job, destination, fresh, time: now, holds: true, over: false, before: null };
    }
  }

  #empty({ lines: { fresh, retry } }: Destination<T>, isMeant = (_job: T) => true): T[] {
    const jobs = [fresh, retry].flatMap((line) => line.take(isMeant));
    this.#size -= jobs.length;
    return jobs;
  }
}
