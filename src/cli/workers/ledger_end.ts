/**
 * A thread's end of the way to the ledger of the process: what it asks, by number, until it is answered. Answers that
 * never come are the asker's affair: it has its own patience.
 *
 * @module
 */

import type { LedgerAnswer, LedgerPort } from "../../policy/ledger/remote_ledger.ts";
import type { FromThread } from "./messages.ts";

/** Questions that wait for their answers at most: the oldest was given up long ago. */
const MAX_WAITING = 1000;

/** Sends questions and takes answers. */
export class LedgerEnd {
  readonly #send: (message: FromThread) => void;
  readonly #waiting = new Map<number, (answers: readonly LedgerAnswer[]) => void>();
  #count = 0;

  constructor(send: (message: FromThread) => void) {
    this.#send = send;
  }

  /** Asks the process. */
  readonly ask: LedgerPort = (questions) => {
    const id = ++this.#count;
    if (this.#waiting.size >= MAX_WAITING) this.#waiting.delete(this.#waiting.keys().next().value!);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send({ type: "ledger", id, questions });
    });
  };

  /** Takes the answers to a question. */
  answered(id: number, answers: readonly LedgerAnswer[]): void {
    this.#waiting.get(id)?.(answers);
    this.#waiting.delete(id);
  }
}
