/**
 * Drives the queue: claims what is due, finds the ways, lines up the jobs, and sees each message's round to its end.
 * Which job is next the scheduler says, and `job_runner.ts` hands it to its transport.
 *
 *     store.claim → Round ─ route each recipient ─ jobs ─► Scheduler ─► Transport.deliver
 *                     ▲                                                       │
 *                     └── settle · postpone · conclude ◄──── outcomes ◄───────┘
 *
 * What fails: a router, a transport or a rewriting of senders that throws puts the recipients off with 451 4.3.0 and
 * an event (`internal.error`). A queue that cannot be read or written is an event (`queue.trouble`) and is tried again;
 * until a record is written nothing new starts. Nothing here throws.
 *
 * The rules may be replaced while it runs (`adopt`). Attempts under way, and the rounds they belong
 * to, end by the rules they began with; jobs that wait for their turn find their ways anew.
 *
 * @module
 */

import { describeError, type MtaFact } from "../events.ts";
import { isUntold } from "../queue/notice.ts";
import type { Claim, QueueStore } from "../queue/store.ts";
import type { Clock, Random } from "../runtime/runtime.ts";
import { ClaimLoop, type ClaimRoom } from "./claim_loop.ts";
import type { Downtime } from "./destination.ts";
import { type Job, JobRunner } from "./job_runner.ts";
import { limitOf, planJobs } from "./jobs.ts";
import { LeaseKeeper } from "./lease_keeper.ts";
import { Orders } from "./orders.ts";
import { ReleasedDomains } from "./released_domains.ts";
import { Round, type RoundServices } from "./round.ts";
import { RunnerEnd } from "./runner_end.ts";
import { checkRunnerLimits, type OwnLimits, ownLimits, type RunnerRules } from "./runner_rules.ts";
import { Scheduler } from "./scheduler.ts";
import { findWays, type Ways, type WayServices } from "./ways.ts";

/** What a runner is made of: what stays, and the first rules. */
export interface RunnerOptions extends RunnerRules {
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly emit: (fact: MtaFact) => void;
}

/** Milliseconds after which what was given back is taken up again. */
const GIVEN_BACK = 5000;

/** Drives one queue. */
export class Runner {
  /** To try something at once. */
  readonly orders: Orders;
  readonly #options: Pick<RunnerOptions, "store" | "clock" | "random" | "emit">;
  #rules: RunnerRules & WayServices;
  #limits: OwnLimits;
  readonly #scheduler: Scheduler<Job>;
  readonly #jobs: JobRunner;
  readonly #claims: ClaimLoop;
  readonly #rounds = new Set<Round>();
  /** The same, by the ids of their entries. */
  readonly #active = new Map<string, Round>();
  #services: RoundServices;
  readonly #released = new ReleasedDomains();
  readonly #end: RunnerEnd;
  readonly #leases: LeaseKeeper;
  /** Rounds whose record cannot be written. */
  #troubles = 0;

  /** Nothing runs before {@link run}. @throws {RangeError} for limits by which nothing ever would. */
  constructor(options: RunnerOptions) {
    checkRunnerLimits(options.limits);
    const { store, clock, random, emit } = options;
    this.#options = { store, clock, random, emit };
    this.#rules = options;
    this.#limits = ownLimits(options.limits);
    this.#end = new RunnerEnd(clock, {
      begin: () => this.#beginNothing(),
      isEmpty: () => this.#rounds.size === 0,
      breakOff: () => this.#rounds.forEach((round) => round.abort()),
    });
    const renew = (now: number) => this.#rounds.forEach((round) => round.renew(now));
    this.#leases = new LeaseKeeper(clock, renew, this.#end.over);
    this.#services = this.#roundServices();
    this.#scheduler = new Scheduler(options.limits);
    this.#jobs = new JobRunner({
      ...{ store, clock, scheduler: this.#scheduler },
      transports: () => this.#rules.transports,
      mayStart: () => this.#troubles === 0 && !this.#end.begun.aborted,
      onFault: (where, error) => this.#tellFault(where, error),
    });
    this.#claims = new ClaimLoop({
      ...{ store, clock, emit },
      room: () => this.#claimRoom(),
      begin: (claim) => this.#begin(claim, false),
      signal: this.#end.begun,
    });
    this.orders = new Orders({
      ...{ store, clock, emit, released: this.#released },
      route: (entry, recipient) => this.#rules.route(entry, recipient),
      forget: (destination) => this.forget(destination),
      begin: (claim) => this.#begin(claim, true),
      signal: this.#end.begun,
    });
  }

  /**
   * Goes by other rules from here on. Paused, it gives back what has not begun.
   *
   * @throws {RangeError} as the constructor; nothing has changed then.
   */
  adopt(rules: RunnerRules): void {
    checkRunnerLimits(rules.limits);
    this.#rules = { ...rules, emit: this.#options.emit };
    this.#limits = ownLimits(rules.limits);
    this.#services = this.#roundServices();
    this.#scheduler.limits = rules.limits ?? {};
    for (const [round, jobs] of Map.groupBy(this.#scheduler.withdraw(), ({ round }) => round)) {
      this.#planAgain(round, jobs);
    }
    this.#claims.wake();
    this.#jobs.pump();
  }

  #roundServices(): RoundServices {
    const { store, clock, random, emit } = this.#options;
    const { scheduleFor, notices } = this.#rules;
    return {
      ...{ store, clock, random, scheduleFor, notices, emit },
      onTrouble: (begins) => this.#onTrouble(begins),
      onEnd: (round) => this.#onEnd(round),
      giveUp: this.#end.over,
    };
  }

  /** What goes on, for people. */
  get state(): {
    /** Messages in the window. */
    readonly messages: number;
    /** Jobs that wait for their turn. */
    readonly waiting: number;
    /** Jobs under way. */
    readonly running: number;
    /** Whether nothing new starts because the queue cannot be written. */
    readonly troubled: boolean;
    /** Whether nothing new starts but by order. */
    readonly paused: boolean;
  } {
    const { size, running } = this.#scheduler;
    return {
      messages: this.#rounds.size,
      waiting: size - running,
      running,
      troubled: this.#troubles > 0,
      paused: this.#rules.paused ?? false,
    };
  }

  /** Whether a message is being worked on, or is next in line. */
  isActive(id: string): boolean {
    return this.#active.has(id);
  }

  /** Destinations that are left alone because they are down. */
  down(): Iterable<Downtime & { readonly destination: string }> {
    return this.#scheduler.down(this.#options.clock.now());
  }

  /**
   * Works until it is stopped; resolves when all has ended.
   *
   * @param signal aborted: stops without grace.
   */
  async run(signal?: AbortSignal): Promise<void> {
    const onAbort = () => void this.stop({ grace: 0 });
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#claims.run();
      await this.#end.wait();
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Starts nothing new, lets what is under way go on for `grace` milliseconds (default ten
   * seconds), then breaks it off: what is not known then is tried again a minute later, by whoever
   * has the queue. Resolves when the last record is written, or a few seconds later where that
   * cannot be done. Asked again, the earlier end counts.
   */
  stop({ grace = 10_000 }: { readonly grace?: number } = {}): Promise<void> {
    return this.#end.begin(grace);
  }

  #beginNothing(): void {
    this.#claims.wake();
    // Their recipients are as they were: nothing of these is recorded, the claims are given back.
    for (const { round } of this.#scheduler.withdraw()) round.close();
  }

  /**
   * Gives a message back of which nothing is under way yet, because its jobs wait for their turn: for
   * somebody who wants it for something else. It comes round again a few seconds later.
   */
  giveBack(id: string): void {
    const round = this.#active.get(id);
    if (round === undefined) return;
    const until = this.#options.clock.now() + GIVEN_BACK;
    for (const { plan } of this.#scheduler.withdraw((job) => job.round === round)) {
      round.postpone(plan.recipients, { until });
      round.close();
    }
  }

  /**
   * Forgets that a destination was down (`mx:example.org:25`, as `down()` names it); without a
   * name, that any was.
   */
  forget(destination?: string): void {
    this.#scheduler.forget(destination);
    this.#jobs.pump();
  }

  #claimRoom(): ClaimRoom {
    const messages = this.#rounds.size;
    return {
      idle: this.#troubles > 0 || (this.#rules.paused ?? false),
      room: this.#scheduler.room(messages),
      jobRoom: this.#scheduler.room(0),
      messages,
      batch: this.#limits.batch,
    };
  }

  #onEnd(round: Round): void {
    this.#rounds.delete(round);
    this.#active.delete(round.entry.id);
    this.#claims.wake();
    if (this.#rounds.size === 0) this.#end.emptied();
  }

  #onTrouble(begins: boolean): void {
    this.#troubles += begins ? 1 : -1;
    if (this.#troubles > 0) return;
    this.#claims.wake();
    this.#jobs.pump();
  }

  // One message: its ways, its jobs.

  #begin(claim: Claim, forced: boolean): void {
    const round = new Round(this.#services, claim, forced);
    this.#rounds.add(round);
    this.#active.set(claim.entry.id, round);
    this.#leases.begin(claim.expires - this.#options.clock.now());
    this.#attend(() => this.#plan(round), () => round.close());
  }

  /** Does what may take a while, then something that must be done whatever comes of it. Never throws. */
  #attend(work: () => void | Promise<void>, then: () => void): void {
    try {
      const under = work();
      if (under instanceof Promise) {
        under.catch((error) => this.#tellFault("runner", error)).then(then);
        return;
      }
    } catch (error) {
      this.#tellFault("runner", error);
    }
    then();
  }

  #plan(round: Round): void | Promise<void> {
    const { entry, forced } = round;
    // What a crash kept from being told is told first.
    if (isUntold(entry)) return;
    const latest = forced ? Infinity : this.#options.clock.now() + this.#limits.slack;
    const due: number[] = [];
    const { recipients } = entry;
    for (let index = 0; index < recipients.length; index++) {
      const { status, next } = recipients[index]!;
      if (status === "waiting" && next <= latest) due.push(index);
    }
    return this.#sendOff(round, due);
  }

  /** Jobs that had not begun when the rules changed, all of one message. Never throws. */
  #planAgain(round: Round, jobs: readonly Job[]): void {
    const recipients = jobs.flatMap(({ plan }) => plan.recipients);
    this.#attend(() => this.#sendOff(round, recipients), () => {
      for (const _ of jobs) round.close();
    });
  }

  /** Finds the ways of some recipients, by the rules in force at its end, and lines up their jobs. */
  #sendOff(round: Round, recipients: readonly number[]): void | Promise<void> {
    const { entry, forced } = round;
    const rules = this.#rules;
    if (rules.paused && !forced) return;
    const mayPass = (domain: string) =>
      forced || this.#released.pass(domain, this.#options.clock.now());
    const found = findWays(rules, entry, recipients, mayPass);
    if (!(found instanceof Promise)) return this.#lineUp(round, found);
    return found.then((ways) =>
      rules === this.#rules ? this.#lineUp(round, ways) : this.#sendOff(round, recipients)
    );
  }

  #lineUp(round: Round, { ways, outcomes }: Ways): void {
    round.settle(outcomes, () => "");
    for (const plan of planJobs(ways, this.#limits.jobRecipients)) this.#enter({ round, plan });
    this.#jobs.pump();
  }

  #enter(job: Job): void {
    if (this.#end.begun.aborted) return;
    const { round, plan: { destination, recipients, route } } = job;
    if (round.forced) this.#scheduler.forget(destination);
    const limit = limitOf(route, this.#limits.localJobs);
    const fresh = recipients.every((index) => round.entry.recipients[index]!.attempts === 0);
    const now = this.#options.clock.now();
    const refusal = this.#scheduler.enter(job, { destination, limit, fresh }, now);
    if (refusal === null) round.open();
    else {
      this.#claims.sentBack();
      round.postpone(recipients, refusal);
    }
  }

  #tellFault(where: string, error: unknown): void {
    this.#options.emit({ type: "internal.error", where, error: describeError(error) });
  }
}
