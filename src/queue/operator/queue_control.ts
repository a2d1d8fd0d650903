/**
 * The queue seen and changed by its operator: list, show, retry, hold, release, remove. It works beside
 * whoever delivers: every change is made under a claim of its own, so that none is made to an entry while
 * an attempt runs. Such an entry is waited for, for a few seconds, and then reported as busy.
 *
 * Changes of many entries are a stream: each is durable when its line comes, and the stream may be left
 * at any time. What the store cannot do is the result of that entry; the others go on.
 *
 * @module
 */

import { describeError, type MtaFact } from "../../events.ts";
import type { QueuedRecipient, QueueEntry } from "../entry.ts";
import type { MessageSource } from "../local_delivery.ts";
import type { QueueStore } from "../store.ts";
import type { Clock } from "../../runtime/runtime.ts";
import {
  applyChange,
  type ChangeResult,
  type ChangeServices,
  describeMissing,
  describeUnderWay,
  firstOfDomains,
} from "./apply_change.ts";
import { HELD, type QueueChange } from "./queue_change.ts";
import type { QueueMatcher, QueueState } from "./queue_filter.ts";
import { detail, type QueueDetails, type QueueSummary, summarize } from "./queue_view.ts";

/** What is asked of whoever works on the queue. */
export interface QueueWorker {
  /** Whether it has the entry: an attempt runs, or is next in line. */
  isActive(id: string): boolean;
  /**
   * Tries an entry now, all its recipients that wait, and tells of it (`queue.changed`). `held`: an operator
   * stopped it.
   */
  attemptNow(id: string): Promise<"started" | "busy" | "held" | "gone">;
  /**
   * What comes due for the domain of a recipient, given by its index, is tried without delay: that its destination
   * was out of reach is forgotten, and what waits for ETRN may go.
   */
  makeWay(entry: QueueEntry, recipient: number): Promise<void>;
  /** Gives the entry back where no attempt for it runs yet. */
  giveBack?(id: string): void;
}

/** What the control is made of. */
export interface QueueControlOptions {
  /** The queue. */
  readonly store: QueueStore;
  /** Who works on it. */
  readonly worker: QueueWorker;
  /** Times the waits. */
  readonly clock: Clock;
  /** Is told of every change. */
  readonly emit: (fact: MtaFact) => void;
  /** Milliseconds a request waits for entries that are being worked on; default 5,000. */
  readonly patience?: number;
}

/** Which entries. */
export type QueueSelection = { readonly ids: readonly string[] } | {
  readonly matcher: QueueMatcher;
};

/** Milliseconds between two looks at entries that are being worked on. */
const LOOK_AGAIN = 100;

/** Busy entries that are kept in mind to be tried once more; the active window is no larger. */
const MAX_BUSY = 10_000;

/** Entries of one request that are kept in mind; beyond, one may be changed twice, which is harmless. */
const MAX_SEEN = 1_000_000;

/** Domains that way is made for in one request; beyond, they come round by themselves. */
const MAX_DOMAINS = 10_000;

/** The operator's hand in the queue. */
export class QueueControl {
  readonly #store: QueueStore;
  readonly #worker: QueueWorker;
  readonly #clock: Clock;
  readonly #services: ChangeServices;
  readonly #patience: number;

  /**
   * Beside whoever works on the queue.
   *
   * @param options what it works on and with.
   */
  constructor(options: QueueControlOptions) {
    this.#store = options.store;
    this.#worker = options.worker;
    this.#clock = options.clock;
    this.#services = options;
    this.#patience = options.patience ?? 5000;
  }

  /** The entries that match, in no order; streams, however many there are. */
  async *list(matcher: QueueMatcher, signal: AbortSignal): AsyncGenerator<QueueSummary> {
    for await (const entry of this.#store.list()) {
      signal.throwIfAborted();
      const state = this.#stateOf(entry);
      if (matcher.matches(entry, state)) yield summarize(entry, state);
    }
  }

  /** One entry in full; `null` when there is none. */
  async show(id: string): Promise<QueueDetails | null> {
    const entry = await this.#store.get(id);
    return entry === null ? null : detail(entry, this.#stateOf(entry));
  }

  /** The message of an entry. @throws when it is gone or cannot be read. */
  async open(id: string): Promise<MessageSource> {
    return await this.#store.open(id);
  }

  /**
   * Changes entries, one after the other; each result comes when its change is durable. Of entries that a
   * matcher found nothing is told where there was nothing to do.
   */
  async *change(
    selection: QueueSelection,
    change: QueueChange,
    signal: AbortSignal,
  ): AsyncGenerator<ChangeResult> {
    const work: Work = {
      change,
      concerns: "ids" in selection ? null : selection.matcher.matchesRecipient,
      domains: new Set(),
    };
    const named = "ids" in selection;
    const busy = new Set<string>();
    for await (const id of this.#select(selection, work, signal)) {
      const result = await this.#change(id, work);
      if (result.result === "busy" && busy.size < MAX_BUSY) {
        this.#worker.giveBack?.(id);
        busy.add(id);
      } else if (named || isWorthTelling(result)) {
        yield result;
      }
    }
    for await (const result of this.#waitFor(busy, work, signal)) {
      if (named || isWorthTelling(result)) yield result;
    }
  }

  async *#select(
    selection: QueueSelection,
    work: Work,
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    if ("ids" in selection) {
      for (const id of new Set(selection.ids)) {
        signal.throwIfAborted();
        yield id;
      }
      return;
    }
    // A list of what changes under it may come upon an entry again, where its change has put it.
    const seen = new Set<string>();
    for await (const entry of this.#store.list()) {
      signal.throwIfAborted();
      if (seen.has(entry.id) || !selection.matcher.matches(entry, this.#stateOf(entry))) continue;
      if (seen.size < MAX_SEEN) seen.add(entry.id);
      if (work.change.action === "retry") await this.#makeWay(entry, work);
      yield entry.id;
    }
  }

  /**
   * Entries that were busy at the first look: each is changed as soon as it is free, whatever the others do;
   * what is busy still when time is up is given up.
   */
  async *#waitFor(
    busy: Iterable<string>,
    work: Work,
    signal: AbortSignal,
  ): AsyncGenerator<ChangeResult> {
    const giveUp = this.#clock.now() + this.#patience;
    let waiting = [...busy];
    while (waiting.length > 0) {
      const isLast = this.#clock.now() >= giveUp;
      const still: string[] = [];
      for (const id of waiting) {
        signal.throwIfAborted();
        const result = await this.#change(id, work);
        if (result.result !== "busy" || isLast) {
          yield result;
        } else {
          this.#worker.giveBack?.(id);
          still.push(id);
        }
      }
      waiting = still;
      if (waiting.length > 0) await this.#clock.sleep(LOOK_AGAIN, signal);
    }
  }

  /** One try, without waiting. */
  #change(id: string, work: Work): Promise<ChangeResult> {
    // An entry that was named is tried at once. Many go their usual way, within the limits of the worker.
    return work.change.action === "retry" && work.concerns === null
      ? this.#attempt(id)
      : applyChange(this.#services, id, work.change, work.concerns ?? undefined);
  }

  async #attempt(id: string): Promise<ChangeResult> {
    try {
      return ATTEMPTS[await this.#worker.attemptNow(id)](id);
    } catch (error) {
      return { id, result: "failed", reason: describeError(error) };
    }
  }

  /** Before the entry is due: it may be taken up at once. */
  async #makeWay(entry: QueueEntry, { concerns, domains }: Work): Promise<void> {
    const meant = concerns ?? (() => true);
    for (const index of firstOfDomains(entry.recipients, meant, domains, MAX_DOMAINS)) {
      await this.#worker.makeWay(entry, index);
    }
  }

  #stateOf(entry: QueueEntry): QueueState {
    if (entry.held !== undefined) return "held";
    return this.#worker.isActive(entry.id) ? "active" : "waiting";
  }
}

/** Whether it is news of an entry that was not named: what is so already, or is gone by itself, is none. */
function isWorthTelling({ result }: ChangeResult): boolean {
  return result !== "unchanged" && result !== "missing";
}

/** A change of many entries, under way. */
interface Work {
  readonly change: QueueChange;
  /** Which recipients it is for; `null`: all, of entries that were named. */
  readonly concerns: ((recipient: QueuedRecipient) => boolean) | null;
  /** Those that way was made for. */
  readonly domains: Set<string>;
}

/** What the answers to an order mean. */
const ATTEMPTS = {
  started: (id: string): ChangeResult => ({ id, result: "changed" }),
  busy: describeUnderWay,
  held: (id: string): ChangeResult => ({ id, result: "refused", reason: HELD }),
  gone: describeMissing,
};
