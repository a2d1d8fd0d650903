/**
 * The mode in which lines are answers to SASL challenges: from AUTH until the client is logged in or is
 * not (RFC 4954 §4). It leaves to `verbs/security.ts` whether AUTH may be said now, to the session to
 * cut the lines, and to the driver whether a password is right.
 *
 * What fails: an exchange that goes wrong ends with its refusal, and commands follow again; too many of
 * these end the session. A driver that speaks of an exchange that is not there is a bug and throws.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { type Reply, reply } from "./reply.ts";
import { SaslExchange, type SaslOutcome } from "./sasl/exchange.ts";
import type { ScramVerifier } from "./sasl/scram.ts";
import type { SessionCore } from "./session_core.ts";

/** Leads one exchange at a time; made with the first AUTH. */
export class SaslMode {
  readonly #core: SessionCore;
  readonly #nonce: () => string;
  #exchange: SaslExchange | null = null;

  /** @param nonce see `SessionContext.nonce`. */
  constructor(core: SessionCore, nonce: () => string) {
    this.#core = core;
    this.#nonce = nonce;
  }

  /** Whether the next line belongs to an exchange. */
  get active(): boolean {
    return this.#exchange !== null;
  }

  /** AUTH came, and may. */
  begin(command: Extract<Command, { verb: "AUTH" }>): void {
    this.#exchange = new SaslExchange(command.mechanism, this.#nonce, this.#core.settings);
    this.#outcome(this.#exchange.start(command.initialResponse));
  }

  /** A line came, without its CRLF. */
  line(line: Uint8Array): void {
    this.#outcome(this.#underWay().respond(line));
  }

  /** A line was too long to be read, which ends the exchange. */
  lineTooLong(): void {
    this.#exchange = null;
    // RFC 4954 §4 has a code of its own for SASL lines.
    this.#core.say(reply(500, "5.5.6", "line too long"));
  }

  /** The driver's answer to "scram". */
  verifier(verifier: ScramVerifier): void {
    this.#outcome(this.#underWay().verifier(verifier));
  }

  /** The driver lets the client in. */
  loggedIn(identity: string): void {
    this.#exchange = null;
    this.#core.state.identity = identity;
    this.#core.say(reply(235, "2.7.0", "welcome"));
  }

  /** The driver does not, or the exchange failed. */
  notLoggedIn(refusal: Reply): void {
    this.#exchange = null;
    this.#core.refuseLogin(refusal);
  }

  #underWay(): SaslExchange {
    if (this.#exchange === null) throw new Error("no SASL exchange");
    return this.#exchange;
  }

  #outcome(outcome: SaslOutcome): void {
    if ("challenge" in outcome) return this.#core.put(outcome.challenge);
    if ("ask" in outcome) return this.#core.tell(outcome.ask);
    this.#core.tell(outcome.failed);
    this.notLoggedIn(outcome.reply);
  }
}
