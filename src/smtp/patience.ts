/**
 * How much a client may do wrong, or do to no end, before its session is over.
 *
 * @module
 */

import type { SessionLimits } from "./session_settings.ts";

/** Counts against the limits of one session. Each method gives `true` when the limit is passed. */
export class Patience {
  readonly #limits: SessionLimits;
  #errors = 0;
  #idle = 0;
  #failedLogins = 0;
  #refusedRecipients = 0;

  /** Full patience. */
  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  /** A command was refused. */
  error(): boolean {
    return ++this.#errors > this.#limits.errors;
  }

  /** A command brought no mail forward. */
  idleCommand(): boolean {
    return ++this.#idle > this.#limits.idleCommands;
  }

  /** A recipient was refused. */
  refusedRecipient(): boolean {
    return ++this.#refusedRecipients > this.#limits.refusedRecipients;
  }

  /** A login failed. */
  failedLogin(): boolean {
    return ++this.#failedLogins >= this.#limits.failedLogins;
  }
}
