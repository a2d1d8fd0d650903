/**
 * Runs the jobs that the scheduler starts: each is handed to its transport, what became of it goes to its message's round,
 * and how it went back to the scheduler. Which jobs there are is `runner.ts`.
 *
 * What fails: a transport that throws puts its recipients off with 451 4.3.0, and is told of as a fault. Nothing here
 * throws.
 *
 * @module
 */

import type { QueuedRecipient } from "../queue/entry.ts";
import type { Outcome } from "../queue/outcome.ts";
import type { QueueStore } from "../queue/store.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Feedback } from "./destination.ts";
import { completeOutcomes, deferred, feedbackOf, type JobPlan } from "./jobs.ts";
import type { Round } from "./round.ts";
import type { RunnerRules } from "./runner_rules.ts";
import type { Scheduler, Started } from "./scheduler.ts";
import { nameTaker } from "./ways.ts";

/** A job: a part of a round. */
export interface Job {
  /** Of the message. */
  readonly round: Round;
  /** Which recipients, and by which way. */
  readonly plan: JobPlan;
}

/** What jobs are run with. */
export interface JobServices {
  /** Says which is next. */
  readonly scheduler: Scheduler<Job>;
  /** Where the messages are. */
  readonly store: Pick<QueueStore, "open">;
  /** For when a job began, and how long it took. */
  readonly clock: Clock;
  /** Those in force at this moment. */
  readonly transports: () => RunnerRules["transports"];
  /** Whether anything may start now. */
  readonly mayStart: () => boolean;
  /** Something threw that must not. */
  readonly onFault: (where: string, error: unknown) => void;
}

/** Milliseconds after which what was broken off is tried again. */
const BROKEN_OFF = 60_000;

const UNKNOWN: Feedback = { kind: "unknown" };

/** Runs the jobs of one queue. */
export class JobRunner {
  readonly #services: JobServices;
  #pumping = false;

  /** Nothing starts before {@link pump}. */
  constructor(services: JobServices) {
    this.#services = services;
  }

  /** Starts all that may start. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const { scheduler, clock, mayStart } = this.#services;
    while (mayStart()) {
      const started = scheduler.next(clock.now());
      if (started === null) break;
      this.#deliver(started);
    }
    this.#pumping = false;
  }

  /** Never throws: a transport that does is deferred. */
  async #deliver(started: Started<Job>): Promise<void> {
    const { round, plan: { recipients, route } } = started.job;
    const { clock, onFault } = this.#services;
    let feedback: Feedback = UNKNOWN;
    if (!round.lost) {
      const { signal } = round;
      const begun = clock.now();
      let outcomes: readonly Outcome[];
      try {
        outcomes = completeOutcomes(recipients, await this.#hand(started, signal));
        if (!signal.aborted) feedback = feedbackOf(outcomes);
      } catch (error) {
        onFault(`transport ${route.kind}`, error);
        outcomes = recipients.map((recipient) =>
          deferred(recipient, "a local fault: to be repeated")
        );
      }
      const now = clock.now();
      const way = (outcome: Outcome, recipient: QueuedRecipient) =>
        nameTaker(route, outcome, recipient);
      round.settle(outcomes, way, now - begun);
      // Broken off by us: nobody has said that it should wait.
      if (signal.aborted) round.postpone(recipients, { until: now + BROKEN_OFF });
    }
    this.#finish(started, feedback);
  }

  #hand(started: Started<Job>, signal: AbortSignal): Promise<readonly Outcome[]> {
    const { round: { entry }, plan: { route, sender, recipients } } = started.job;
    const transport = this.#services.transports()[route.kind];
    if (transport === undefined) throw new Error(`no transport for ${route.kind}`);
    const open = () => this.#services.store.open(entry.id);
    const onRoom = () => this.#succeed(started);
    const follows = started.before !== null;
    return transport.deliver({ entry, sender, recipients, route, open, onRoom, follows }, signal);
  }

  #finish(started: Started<Job>, feedback: Feedback): void {
    const { scheduler, clock } = this.#services;
    const dropped = scheduler.finish(started, feedback, clock.now());
    for (const { round, plan: { recipients, destination } } of dropped) {
      const downtime = scheduler.downtime(destination, clock.now());
      if (downtime !== null) round.postpone(recipients, downtime);
      round.close();
    }
    started.job.round.close();
    this.pump();
  }

  /** Starts the job that takes the place of one that is about to be over. */
  #succeed(started: Started<Job>): void {
    const { scheduler, clock, mayStart } = this.#services;
    if (!mayStart()) return;
    const successor = scheduler.succeed(started, clock.now());
    if (successor !== null) this.#deliver(successor);
  }
}
