/**
 * Who may log in: credentials and proofs checked against the directory, then the policies of stage
 * `auth`. A directory that is down is answered 454 4.7.0 (RFC 4954 §6), not "wrong password".
 *
 * @module
 */

import { mailboxKey, parseAddress } from "../address.ts";
import type { Account } from "../directory/directory.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../smtp/server_event.ts";
import type { IntakeServices } from "./services.ts";

/** The events of a login that want an answer. */
export type LoginEvent = Extract<ServerEvent, { type: "auth" | "scram" | "authenticated" }>;

const WRONG = reply(535, "5.7.8", "authentication failed");
const UNAVAILABLE = reply(454, "4.7.0", "cannot check passwords now: try again later");

/** One login exchange. */
export class Login {
  readonly #services: IntakeServices;
  readonly #anyAuthorize: boolean;
  /** Who the SCRAM verifier belongs to; `null` for a fake one. */
  #claimed: Account | null = null;

  /** @param anyAuthorize whether a login may act for anybody: only where passwords mean nothing. */
  constructor(services: IntakeServices, anyAuthorize: boolean) {
    this.#services = services;
    this.#anyAuthorize = anyAuthorize;
  }

  /** The account behind the event, a verifier to go on with, or the refusal. */
  async check(event: LoginEvent): Promise<{ account: Account } | ServerAnswer> {
    try {
      if (event.type === "scram") return await this.#verifier(event.name);
      const account = event.type === "auth"
        ? await this.#services.directory.verify(event.name, event.password)
        : this.#claimed;
      const self = this.#anyAuthorize || isSelf(event.authorize, event.name);
      if (account === null || !self) return { reply: WRONG };
      return { account };
    } catch (error) {
      this.#services.emit({ type: "internal.error", where: "directory", error: String(error) });
      return { reply: UNAVAILABLE };
    }
  }

  async #verifier(name: string): Promise<{ readonly reply: Reply } | ServerAnswer> {
    const { directory } = this.#services;
    if (directory.scramVerifier === undefined) return { reply: WRONG };
    const { verifier, account } = await directory.scramVerifier(name);
    this.#claimed = account;
    return { verifier };
  }
}

/** Acting for somebody else is not offered; the same name in other case is oneself. */
function isSelf(authorize: string, name: string): boolean {
  return authorize === name || key(authorize) === key(name);
}

function key(name: string): string {
  const address = parseAddress(name, { smtputf8: true });
  return address === null ? name.toLowerCase() : mailboxKey(address);
}
