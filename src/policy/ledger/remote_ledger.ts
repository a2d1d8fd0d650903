/**
 * A ledger that another thread has: so all threads of a process have one limit, not one each. {@link RemoteLedger} is
 * the side that asks, {@link serveLedger} the side that answers; how the questions get there is for others.
 *
 * What is asked in one turn goes as one message. Where no answer comes in time, this thread goes by a small ledger of its
 * own, which knows nothing at first: mail goes on, and whoever has made the other thread too busy to answer meets the
 * limits here. The operator is told once, and for a while nobody is made to wait again.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import type { Ledger, Note, Rate } from "./ledger.ts";
import { type LedgerBounds, MemoryLedger } from "./memory_ledger.ts";

/** What can be asked, as data that can be cloned. */
export type LedgerQuestion =
  | {
    readonly ask: "take";
    readonly key: string;
    readonly rate: Rate;
    readonly amount: number;
  }
  | { readonly ask: "recall"; readonly key: string }
  | {
    readonly ask: "note";
    readonly key: string;
    readonly value: string;
    readonly lifetime: number;
  }
  | { readonly ask: "forget"; readonly key: string }
  /** The newest of these. */
  | { readonly ask: "list"; readonly prefix: string };

/** To `take` a number, to `recall` a note or `null`, to `forget` whether, to `list` notes, to `note` nothing. */
export type LedgerAnswer = number | boolean | Note | null | readonly Note[];

/** Brings questions to who has the ledger; resolves with as many answers, or rejects. */
export type LedgerPort = (questions: readonly LedgerQuestion[]) => Promise<readonly LedgerAnswer[]>;

/** What a remote ledger is made of. */
export interface RemoteLedgerOptions {
  readonly clock: Clock;
  readonly ask: LedgerPort;
  /** Something for the operator. Must not throw. */
  readonly onTrouble: (what: string) => void;
}

/** Milliseconds that an answer has. */
const PATIENCE = 2000;

/** Milliseconds after an answer that did not come in which nobody is asked. */
const PAUSE = 10_000;

/** Questions that may wait for answers: more, and the other side is taken for gone. */
const MAX_WAITING = 20_000;

/** Notes that `list` gives at most. */
const MAX_LISTED = 10_000;

/** Of what a thread remembers by itself meanwhile. */
const OWN_BOUNDS: LedgerBounds = { entries: 20_000, octets: 8 * 1024 ** 2 };

interface Waiting {
  readonly question: LedgerQuestion;
  readonly settle: (answer: LedgerAnswer) => void;
}

/** Asks the thread that has the ledger. Never throws, never rejects. */
export class RemoteLedger implements Ledger {
  readonly #options: RemoteLedgerOptions;
  /** Goes by in place of what does not answer. */
  readonly #own: MemoryLedger;
  #batch: Waiting[] = [];
  #waiting = 0;
  /** Until then nobody is asked. */
  #deafUntil = 0;
  #troubled = false;

  constructor(options: RemoteLedgerOptions) {
    this.#options = options;
    this.#own = new MemoryLedger(options.clock, OWN_BOUNDS);
  }

  take(key: string, rate: Rate, amount = 1): Promise<number> | number {
    return this.#ask({ ask: "take", key, rate, amount }) as Promise<number> | number;
  }

  recall(key: string): Promise<Note | null> | null {
    return this.#ask({ ask: "recall", key }) as Promise<Note | null> | null;
  }

  /** Nothing waits for it: what is asked later is answered later. */
  note(key: string, value: string, lifetime: number): void {
    this.#ask({ ask: "note", key, value, lifetime });
  }

  forget(key: string): Promise<boolean> | boolean {
    return this.#ask({ ask: "forget", key }) as Promise<boolean> | boolean;
  }

  /** As of {@link Ledger}, but the newest 10,000 at most. */
  async *list(prefix: string): AsyncIterable<Note> {
    yield* await this.#ask({ ask: "list", prefix }) as readonly Note[];
  }

  #ask(question: LedgerQuestion): Promise<LedgerAnswer> | LedgerAnswer {
    const isFull = this.#waiting + this.#batch.length >= MAX_WAITING;
    if (isFull || this.#options.clock.now() < this.#deafUntil) {
      return answerAtOnce(this.#own, question);
    }
    return new Promise((settle) => {
      this.#batch.push({ question, settle });
      if (this.#batch.length === 1) queueMicrotask(() => this.#send());
    });
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#waiting += batch.length;
    const answers = await this.#answers(batch.map(({ question }) => question));
    this.#waiting -= batch.length;
    for (const [index, { question, settle }] of batch.entries()) {
      settle(answers === null ? answerAtOnce(this.#own, question) : answers[index]!);
    }
  }

  /** `null`: none came. */
  async #answers(questions: readonly LedgerQuestion[]): Promise<readonly LedgerAnswer[] | null> {
    const { clock, ask, onTrouble } = this.#options;
    const done = new AbortController();
    const late = clock.sleep(PATIENCE, done.signal).then(() => null, () => null);
    try {
      const answers = await Promise.race([ask(questions).catch(() => null), late]);
      if (answers?.length === questions.length) {
        if (this.#troubled) onTrouble("the ledger of limits answers again");
        this.#troubled = false;
        return answers;
      }
    } finally {
      done.abort(null);
    }
    this.#deafUntil = clock.now() + PAUSE;
    if (!this.#troubled) {
      onTrouble("the ledger of limits does not answer: until it does each thread counts by itself");
    }
    this.#troubled = true;
    return null;
  }
}

function answerAtOnce(ledger: MemoryLedger, question: LedgerQuestion): LedgerAnswer {
  switch (question.ask) {
    case "take":
      return ledger.take(question.key, question.rate, question.amount);
    case "recall":
      return ledger.recall(question.key);
    case "note":
      ledger.note(question.key, question.value, question.lifetime);
      return null;
    case "forget":
      return ledger.forget(question.key);
    case "list":
      return ledger.notes(question.prefix).slice(-MAX_LISTED);
  }
}

/**
 * Answers questions from a ledger, in their order.
 *
 * @example
 * ```ts
 * import { MemoryLedger } from "./memory_ledger.ts";
 * import { serveLedger } from "./remote_ledger.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = serveLedger(new MemoryLedger({ now: () => 0 }));
 * const take = { ask: "take", key: "x:1", rate: { count: 1, per: 1000 }, amount: 1 } as const;
 * assertEquals(await answer([take, take]), [0, 1000]);
 * ```
 */
export function serveLedger(ledger: Ledger): LedgerPort {
  return async (questions) => {
    const answers: LedgerAnswer[] = [];
    for (const question of questions) answers.push(await answerOf(ledger, question));
    return answers;
  };
}

async function answerOf(ledger: Ledger, question: LedgerQuestion): Promise<LedgerAnswer> {
  switch (question.ask) {
    case "take":
      return ledger.take(question.key, question.rate, question.amount);
    case "recall":
      return ledger.recall(question.key);
    case "note":
      await ledger.note(question.key, question.value, question.lifetime);
      return null;
    case "forget":
      return ledger.forget(question.key);
    case "list":
      return await newest(ledger.list(question.prefix));
  }
}

async function newest(notes: AsyncIterable<Note>): Promise<readonly Note[]> {
  const all: Note[] = [];
  for await (const note of notes) all.push(note);
  return all.slice(-MAX_LISTED);
}
