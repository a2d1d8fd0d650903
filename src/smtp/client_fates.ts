/**
 * What the recipients of one transaction have come to so far: who was taken at RCPT, and who is decided. The
 * first decision stands. Shared by the parts of a {@link ClientTransaction}; says nothing to anybody.
 *
 * @module
 */

import type { RecipientOutcome, TransactionStage } from "./client_event.ts";
import type { Reply } from "./reply.ts";

/** The recipients' ledger. */
export class RecipientFates {
  /** Those the peer has taken at RCPT, in order. */
  readonly taken: number[] = [];
  readonly #outcomes: (RecipientOutcome | undefined)[];
  readonly #dsn: boolean;

  /** Nobody is decided. @param dsn whether a peer that takes the message reports by itself. */
  constructor(recipients: number, dsn: boolean) {
    this.#outcomes = new Array(recipients).fill(undefined);
    this.#dsn = dsn;
  }

  /** Decides a recipient. @param remote whether the reply is the peer's. */
  decide(
    recipient: number,
    given: Reply,
    stage: TransactionStage,
    remote: boolean,
    accepted = false,
  ): void {
    this.#outcomes[recipient] ??= {
      recipient,
      accepted,
      reply: given,
      remote,
      stage,
      dsnHandedOn: accepted && this.#dsn,
      maybeDelivered: false,
    };
  }

  /** Decides all that were taken. */
  decideTaken(given: Reply, stage: TransactionStage, remote: boolean): void {
    for (const index of this.taken) this.decide(index, given, stage, remote);
  }

  /** Decides a recipient whose session was lost. */
  lose(outcome: Omit<RecipientOutcome, "accepted" | "dsnHandedOn">): void {
    this.#outcomes[outcome.recipient] ??= { ...outcome, accepted: false, dsnHandedOn: false };
  }

  /** Whom nothing was decided of, in order. */
  get undecided(): readonly number[] {
    return [...this.#outcomes.keys()].filter((index) => this.#outcomes[index] === undefined);
  }

  /** What was decided, in the order of the recipients. */
  get outcomes(): readonly RecipientOutcome[] {
    return this.#outcomes.filter((outcome) => outcome !== undefined);
  }
}
