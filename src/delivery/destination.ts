/**
 * What is known of one destination: how many jobs it may have at once, by feedback, and whether it is
 * down. The rules are Postfix's: every job that reached it adds one part of its width to the width
 * (so a whole cohort adds one), every job that did not takes as much; after as many failures in a
 * row as it is wide (a failed cohort) it is down, and nobody knocks for a while that doubles each
 * time. Then one job goes ahead: it opens the way for all, or closes it again.
 *
 * Pure; time is an argument. `scheduler.ts` keeps these, and lets go of those that have nothing to
 * do.
 *
 * @module
 */

import type { Reply } from "../smtp/reply.ts";

/** How a job went, as far as its destination is concerned. */
export type Feedback =
  /** It answered, whatever it said of the recipients. */
  | { readonly kind: "reached" }
  /** No connection, no greeting, 421. */
  | { readonly kind: "unreachable"; readonly reply: Reply; readonly host?: string }
  /** Nothing is known: the job was broken off, or it was a fault of ours. */
  | { readonly kind: "unknown" };

/** How widths and times are reckoned. Times in milliseconds. */
export interface FeedbackLimits {
  /** Jobs at once for a destination nothing is known of. Default 5. */
  readonly startWidth: number;
  /**
   * How long a destination is left alone when it is found down for the first time. Default a
   * minute.
   */
  readonly downFirst: number;
  /** The longest it is left alone. Default half an hour. */
  readonly downLongest: number;
}

/** That it is down: until when it is left alone, and what was heard of it last. */
export interface Downtime {
  readonly until: number;
  readonly reply: Reply;
  readonly host?: string;
}

/** A line of jobs, first in, first out, without moving what is in it. */
export class Line<T> {
  /** Whether its destination stands in the ring of those that may start one of it. */
  inRing = false;
  #jobs: (T | undefined)[] = [];
  #head = 0;

  /** How many wait. */
  get length(): number {
    return this.#jobs.length - this.#head;
  }

  /** Puts one at the end. */
  push(job: T): void {
    this.#jobs.push(job);
  }

  /** Takes those out that are meant, and leaves the others as they stand. */
  take(isMeant: (job: T) => boolean): readonly T[] {
    const waiting = this.#jobs.slice(this.#head) as T[];
    const taken = waiting.filter(isMeant);
    if (taken.length === 0) return taken;
    this.#jobs = taken.length === waiting.length ? [] : waiting.filter((job) => !isMeant(job));
    this.#head = 0;
    return taken;
  }

  /** Takes the first. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const job = this.#jobs[this.#head];
    this.#jobs[this.#head++] = undefined;
    if (this.#head > 32 && this.#head * 2 > this.#jobs.length) {
      this.#jobs = this.#jobs.slice(this.#head);
      this.#head = 0;
    }
    return job;
  }
}

/**
 * What a job's duration is taken for before one is over, in milliseconds: what is too fast costs a
 * claim, what is too slow costs time.
 */
const FIRST_GUESS = 10;

/**
 * For how many of the longest times a destination is remembered that was down: longer than retries
 * are apart.
 */
const MEMORY = 12;

/** One destination. */
export class Destination<T> {
  /** Its name, by `destinationOf`. */
  readonly name: string;
  /** Jobs that wait: of mail never tried before, and of mail that was. */
  readonly lines: { readonly fresh: Line<T>; readonly retry: Line<T> } = {
    fresh: new Line(),
    retry: new Line(),
  };
  /** Jobs under way. */
  running = 0;
  /** Jobs at once that its route allows. */
  limit = 1;
  /** The time for which the last of those who found no place was told to come back. */
  lineEnd = -Infinity;
  /** How it is reckoned; may be changed at any time. */
  limits: FeedbackLimits;
  #width: number;
  /** Parts of a cohort that failed since it was last reached. */
  #failures = 0;
  /** How often it was found down since it was last reached. */
  #strikes = 0;
  #downUntil = -Infinity;
  #lastWords: Omit<Downtime, "until"> | null = null;
  /** Milliseconds a job takes, on average. */
  #duration = FIRST_GUESS;

  /** Nothing is known of it yet. */
  constructor(name: string, limits: FeedbackLimits) {
    this.name = name;
    this.limits = limits;
    this.#width = limits.startWidth;
  }

  /** Jobs that wait or are under way. */
  get size(): number {
    return this.lines.fresh.length + this.lines.retry.length + this.running;
  }

  /** Jobs at once, as things stand. After it was down one goes ahead. */
  get width(): number {
    return this.#strikes > 0 ? 1 : Math.max(1, Math.min(Math.floor(this.#width), this.limit));
  }

  /** Whether another job may be started. */
  get hasPlace(): boolean {
    return this.running < this.width;
  }

  /** `null`: it may be tried. */
  downtime(now: number): Downtime | null {
    return now < this.#downUntil && this.#lastWords !== null
      ? { until: this.#downUntil, ...this.#lastWords }
      : null;
  }

  /**
   * Milliseconds between two jobs that are over, by what is known, when it is as wide as it may be.
   */
  get interval(): number {
    return this.#duration / (this.#strikes > 0 ? 1 : Math.max(1, this.limit));
  }

  /**
   * Whether nothing is lost by forgetting it. One that was down is remembered, so that the next
   * time is longer, and one job goes ahead.
   */
  isIdle(now: number): boolean {
    if (this.size > 0) return false;
    return this.#strikes > 0
      ? now >= this.#downUntil + MEMORY * this.limits.downLongest
      : this.#failures === 0;
  }

  /** Notes how a job went that was begun at `started`. `true`: with this it is down. */
  note(feedback: Feedback, started: number, now: number): boolean {
    this.#duration += (now - started - this.#duration) / 8;
    switch (feedback.kind) {
      case "unknown":
        return false;
      case "reached":
        if (this.#strikes > 0) this.forgive();
        this.#failures = 0;
        this.#width = Math.min(this.#width + 1 / this.#width, Math.max(1, this.limit));
        return false;
      case "unreachable":
        return this.#fail(feedback, started, now);
    }
  }

  #fail({ reply, host }: Omit<Downtime, "until">, started: number, now: number): boolean {
    this.#lastWords = { reply, ...(host !== undefined && { host }) };
    // What was begun before it was found down says nothing new.
    if (started < this.#downUntil) return false;
    const { width } = this;
    this.#failures += 1 / width;
    this.#width = Math.max(1, Math.min(this.#width, this.limit) - 1 / width);
    // Five fifths may be a little less than one.
    if (this.#failures < 0.999) return false;
    const { downFirst, downLongest } = this.limits;
    this.#downUntil = now + Math.min(downFirst * 2 ** this.#strikes, downLongest);
    this.#strikes++;
    this.#failures = 0;
    return true;
  }

  /** Forgets that it was down. */
  forgive(): void {
    this.#strikes = 0;
    this.#failures = 0;
    this.#downUntil = -Infinity;
    this.#width = this.limits.startWidth;
  }
}
