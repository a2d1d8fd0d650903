/**
 * One message from its claim to the end of the claim: keeps its entry while parts of it are under
 * way, records what they gave, and ends with the settlement. It decides nothing (`queue/settle.ts`
 * does) and delivers nothing (the runner does).
 *
 * What holds whatever happens:
 *
 * - Only one write of an entry is under way at a time. What comes in meanwhile is in the next.
 * - While parts are under way outcomes are recorded by `update`; when the last has ended, notices are
 *   made and `settle` records all that is left with them.
 * - A record that cannot be written stays here, and is tried again until it is written or the lease
 *   is lost; the runner is told, and starts nothing new meanwhile.
 * - When a lease is lost somebody else may have the message: work on it is broken off, and nothing
 *   is recorded.
 * - A round in which nothing happened, or was put off for want of a place, costs no write.
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import { describeError, type MtaFact } from "../events.ts";
import { nextAttempt, type QueuedRecipient, type QueueEntry } from "../queue/entry.ts";
import type { Notice, NoticeMaker } from "../queue/notice.ts";
import type { Outcome } from "../queue/outcome.ts";
import type { ScheduleFor } from "../queue/retry.ts";
import {
  conclude,
  differOnlyInTime,
  postpone,
  type Postponement,
  settle,
  type SettleContext,
} from "../queue/settle.ts";
import { type Claim, LeaseLostError, type NewMessage, type QueueStore } from "../queue/store.ts";
import type { Clock, Random } from "../runtime/runtime.ts";
import { describeReply } from "../smtp/reply.ts";

/** What rounds are made of; the runner gives it. */
export interface RoundServices {
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduleFor: ScheduleFor;
  readonly notices: NoticeMaker;
  readonly emit: (fact: MtaFact) => void;
  /**
   * A record cannot be written (`true`), and that trouble is over (`false`); once each for a round.
   */
  readonly onTrouble: (begins: boolean) => void;
  /** The claim has ended. */
  readonly onEnd: (round: Round) => void;
  /** Aborted when the process will wait no longer: what is not written then is given up. */
  readonly giveUp: AbortSignal;
}

/** Milliseconds between two tries of a write: at first, and at most. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
/** Milliseconds after which notices that could not be made are tried again. */
const NOTICE_PAUSE = 5 * 60_000;

/** One message at work. */
export class Round {
  /** Whether it goes though its domain is held, and whether its destinations were down: by order. */
  readonly forced: boolean;
  readonly #services: RoundServices;
  #claim: Claim;
  #entry: QueueEntry;
  #lost = false;
  /** Parts under way, and one for the planning itself. */
  #open = 1;
  #unwritten = false;
  #writing = false;
  #abort: AbortController | null = null;
  #draw: number | null = null;

  /** Begins with one part open: {@link close} it when all that there is to do is under way. */
  constructor(services: RoundServices, claim: Claim, forced: boolean) {
    this.#services = services;
    this.#claim = claim;
    this.#entry = claim.entry;
    this.forced = forced;
  }

  /** The message with all that has become of it. */
  get entry(): QueueEntry {
    return this.#entry;
  }

  /** Whether the claim is gone, so that nothing may be begun for it. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Aborted when work on the message must stop at once. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  /** Breaks off what is under way; what is not known then is put off. */
  abort(): void {
    (this.#abort ??= new AbortController()).abort();
  }

  /** Makes the lease longer; where it is lost the work ends. */
  renew(now: number): void {
    try {
      if (!this.#lost && !this.#services.store.renew(this.#claim, now)) this.#lose();
    } catch (error) {
      this.#tellTroubleOf("lease", error); // a bug of the store's: the others are to be renewed all the same
    }
  }

  /** One more part is under way. */
  open(): void {
    this.#open++;
  }

  /** A part has ended. With the last the round ends. */
  close(): void {
    this.#open--;
    this.#write();
  }

  /**
   * Takes the outcomes of a part, and tells of them. `way` gives the name of who has a recipient's
   * mail now; `took` are the milliseconds of the attempt, where one was made.
   */
  settle(
    outcomes: readonly Outcome[],
    way: (outcome: Outcome, recipient: QueuedRecipient) => string,
    took?: number,
  ): void {
    if (this.#lost || outcomes.length === 0) return;
    const before = this.#entry;
    this.#entry = settle(before, outcomes, this.#now());
    this.#unwritten = true;
    for (const outcome of outcomes) {
      const recipient = this.#entry.recipients[outcome.recipient];
      if (recipient === undefined || recipient === before.recipients[outcome.recipient]) continue;
      if (outcome.status === "delivered" || outcome.status === "relayed") {
        this.#tellDone(outcome, recipient, way(outcome, recipient), took);
      } else this.#tellTrouble(recipient, took);
    }
  }

  /** Puts recipients off that could not be tried. */
  postpone(indexes: readonly number[], postponement: Postponement): void {
    if (this.#lost) return;
    const before = this.#entry;
    this.#entry = postpone(before, indexes, postponement, this.#now());
    for (const index of indexes) {
      const recipient = this.#entry.recipients[index];
      if (recipient !== undefined && recipient.history !== before.recipients[index]?.history) {
        this.#tellTrouble(recipient);
      }
    }
  }

  #now(): SettleContext {
    const { clock, random, scheduleFor } = this.#services;
    // One draw for all: recipients of a message that are put off together come back together.
    return { now: clock.now(), random: () => this.#draw ??= random.float(), scheduleFor };
  }

  /** Writes what is to be written; when nothing is under way any more, to the end. Never throws. */
  #write(): void {
    if (this.#writing || (this.#open > 0 && (!this.#unwritten || this.#lost))) return;
    this.#writing = true;
    if (this.#open > 0 || this.#lost || !this.#concludeSimply()) this.#writeAll();
  }

  /** Most rounds end with nothing left to do and nobody to be told; `false`: this one does not. */
  #concludeSimply(): boolean {
    const { store, clock, scheduleFor } = this.#services;
    const { next, notices } = conclude(this.#entry, { now: clock.now(), scheduleFor });
    if (next !== null || notices.length > 0) return false;
    const settle = () => store.settle(this.#claim, null);
    const onSettled = (): void => {
      this.#tellOver();
      this.#services.onEnd(this);
    };
    const first = attempt(settle);
    first.then(onSettled, async () => {
      if (await this.#persist(settle, first)) onSettled();
      else this.#services.onEnd(this);
    });
    return true;
  }

  async #writeAll(): Promise<void> {
    while (this.#open > 0 && this.#unwritten && !this.#lost) await this.#update();
    if (this.#open === 0) {
      if (!this.#lost) {
        // What throws here is a bug of the store's. The lease ends by itself, the process must not.
        await this.#conclude().catch((error) => this.#tellTroubleOf("settlement", error));
      }
      this.#services.onEnd(this);
      return; // `writing` stays: nothing comes after the end
    }
    this.#writing = false;
  }

  async #update(): Promise<void> {
    this.#unwritten = false;
    const entry = this.#entry;
    await this.#persist(async () => {
      this.#claim = await this.#services.store.update(this.#claim, entry);
    });
  }

  async #conclude(): Promise<void> {
    const { store, clock, scheduleFor } = this.#services;
    const entry = this.#entry;
    const { next, notices } = conclude(entry, { now: clock.now(), scheduleFor });
    if (next !== null && notices.length === 0 && differOnlyInTime(this.#claim.entry, next)) {
      store.release(this.#claim, nextAttempt(next));
      return;
    }
    const born = notices.length === 0 ? [] : await this.#makeNotices(notices);
    if (born === null) {
      await this.#update();
      if (!this.#lost) store.release(this.#claim, clock.now() + NOTICE_PAUSE);
      return;
    }
    if (!await this.#persist(() => store.settle(this.#claim, next, born))) return;
    born.forEach((message, index) => this.#tellBorn(message, notices, index, born.length));
    if (next === null) this.#tellOver();
  }

  /** `null` when they cannot be made now. */
  async #makeNotices(notices: readonly Notice[]): Promise<readonly NewMessage[] | null> {
    try {
      return await this.#services.notices(this.#entry, notices);
    } catch (error) {
      this.#services.emit({
        type: "internal.error",
        where: "notices",
        error: describeError(error),
        message: this.#entry.id,
      });
      return null;
    }
  }

  /**
   * Writes until it is written: `true`; `false` when it is not, because the lease or the process
   * ends. `first` is what came of a first try.
   */
  async #persist(write: () => Promise<void>, first?: Promise<void>): Promise<boolean> {
    const { clock, onTrouble, giveUp } = this.#services;
    let troubled = false;
    try {
      for (let pause = FIRST_PAUSE;; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
        if (this.#lost) return false;
        try {
          await (first ?? write());
          return true;
        } catch (error) {
          first = undefined;
          if (error instanceof LeaseLostError) {
            this.#lose();
            return false;
          }
          this.#tellTroubleOf("settlement", error);
        }
        if (!troubled) onTrouble(true);
        troubled = true;
        await clock.sleep(pause, giveUp);
      }
    } catch {
      // Only the sleep throws, and only when there is no more time.
      this.#lost = true;
      return false;
    } finally {
      if (troubled) onTrouble(false);
    }
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    const { id } = this.#entry;
    const error = new LeaseLostError(id).message;
    this.#services.emit({ type: "queue.trouble", where: "lease", error, message: id });
    this.abort();
  }

  #tellTroubleOf(where: string, error: unknown): void {
    const { id: message } = this.#entry;
    const facts = { where, error: describeError(error), message };
    this.#services.emit({ type: "queue.trouble", ...facts });
  }

  #tellDone(
    outcome: Outcome,
    recipient: QueuedRecipient,
    destination: string,
    took: number | undefined,
  ): void {
    const { tls, reply } = outcome;
    const facts = {
      type: "delivery.done",
      message: this.#entry.id,
      recipient: formatAddress(recipient.address),
      destination,
      reply: describeReply(reply),
      duration: this.#services.clock.now() - this.#entry.received,
    } as const;
    const more = took === undefined ? facts : { ...facts, took };
    this.#services.emit(tls === undefined ? more : { ...more, tls });
  }

  /** Tells that a recipient failed, or waits. */
  #tellTrouble(
    { address, status, attempts, next, history }: QueuedRecipient,
    took?: number,
  ): void {
    const last = history.at(-1);
    if (last === undefined) return;
    const facts = {
      message: this.#entry.id,
      recipient: formatAddress(address),
      reply: describeReply(last.reply),
      ...(last.host !== undefined && { host: last.host }),
      ...(last.tls !== undefined && { tls: last.tls }),
      ...(took !== undefined && { took }),
    };
    this.#services.emit(
      status === "failed"
        ? { type: "delivery.failed", ...facts }
        : { type: "delivery.deferred", ...facts, attempts, next },
    );
  }

  #tellBorn({ entry }: NewMessage, notices: readonly Notice[], index: number, all: number): void {
    const { id, sender, recipients, headSize, bodySize } = entry;
    const kind = all === notices.length ? notices[index]?.kind : undefined;
    this.#services.emit({
      type: "message.queued",
      message: id,
      sender: sender === null ? "<>" : formatAddress(sender),
      recipients: recipients.map(({ address }) => formatAddress(address)),
      size: headSize + 2 + bodySize,
      about: this.#entry.id,
      ...(kind !== undefined && { notice: kind }),
    });
  }

  #tellOver(): void {
    const { id, recipients, received } = this.#entry;
    let failed = 0;
    for (const { status } of recipients) if (status === "failed") failed++;
    this.#services.emit({
      type: "message.done",
      message: id,
      delivered: recipients.length - failed,
      failed,
      duration: this.#services.clock.now() - received,
    });
  }
}

/** What a store throws before it gives a promise is a failure like any other. */
function attempt(write: () => Promise<void>): Promise<void> {
  try {
    return write();
  } catch (error) {
    return Promise.reject(error);
  }
}
