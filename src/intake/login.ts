/**
 * Who may log in: the policies of stage `credentials` are asked, credentials and proofs are checked against the
 * directory, then the policies of stage `auth` have their say. A directory that is down is answered 454 4.7.0 (RFC 4954 §6), not "wrong password".
 *
 * @module
 */

import { mailboxKey, parseAddress } from "../address.ts";
import type { Account } from "../directory/directory.ts";
import type { Decision } from "../policy/chain.ts";
import type { Policy, SessionView } from "../policy/policy.ts";
import { describeReply, type Reply, reply } from "../smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../smtp/server_event.ts";
import type { Soon } from "../soon.ts";
import type { IntakeClient } from "./client.ts";
import type { Refusals } from "./refusals.ts";
import type { IntakeServices } from "./services.ts";

/** The events of a login that want an answer. */
export type LoginEvent = Extract<ServerEvent, { type: "auth" | "scram" | "authenticated" }>;

/** What the directory says to one. */
type LoginAnswer =
  | { readonly account: Account }
  | Extract<ServerAnswer, { verifier: unknown } | { reply: unknown }>;

/** The logins of one session, one exchange at a time. */
export class Login {
  readonly #services: IntakeServices;
  readonly #client: IntakeClient;
  readonly #refusals: Refusals;
  /** Who the SCRAM verifier belongs to; `null` for a fake one, and where none was asked for. */
  #claimed: Account | null = null;

  /** @param client whose session it is. */
  constructor(services: IntakeServices, client: IntakeClient, refusals: Refusals) {
    this.#services = services;
    this.#client = client;
    this.#refusals = refusals;
  }

  /** Credentials, a name that needs a verifier, or a proof. Gives an identity to whom the policies let be. */
  async answer(event: LoginEvent): Promise<ServerAnswer> {
    if (event.type !== "authenticated") {
      const decision = await this.#ask("credentials", this.#client.view, event.name);
      // Nothing was checked: whoever is turned away here learns nothing about the password.
      if (decision.action !== "accept") return await this.#turnedAway(event, decision);
    }
    const outcome = await this.#check(event);
    if ("reply" in outcome) return await this.#refused(event, outcome.reply);
    if (!("account" in outcome)) return outcome;
    this.#claimed = null;
    const { account: { name: identity } } = outcome;
    const { mechanism } = event;
    const view = Object.freeze({ ...this.#client.view, identity, mechanism });
    const decision = await this.#ask("auth", view, identity);
    if (decision.action !== "accept") return await this.#turnedAway(event, decision);
    const { id: session, client } = this.#client;
    this.#services.emit({ type: "auth.succeeded", session, client, identity, mechanism });
    return { identity };
  }

  /** An exchange came to nothing; gives what a policy ends the session with. */
  failed(
    mechanism: string,
    name: string | null,
    reason: string,
    reply: Reply = WRONG,
  ): Soon<Reply | undefined> {
    this.#claimed = null;
    const { id: session, client } = this.#client;
    const identity = name ?? "";
    this.#services.emit({ type: "auth.failed", session, client, identity, mechanism, reason });
    return this.#refusals.tell({ stage: "auth", reply, ...(name !== null && { name }) });
  }

  #ask(stage: "credentials" | "auth", view: SessionView, name: string): Soon<Decision> {
    const hook = (policy: Policy) =>
      stage === "auth" ? policy.auth?.(view) : policy.credentials?.(view, name);
    return this.#services.policies.decide(stage, hook, this.#client);
  }

  async #refused(event: LoginEvent, reply: Reply): Promise<ServerAnswer> {
    const last = await this.failed(event.mechanism, event.name, describeReply(reply), reply);
    return { reply: last ?? reply };
  }

  #turnedAway(
    event: LoginEvent,
    decision: Exclude<Decision, { action: "accept" }>,
  ): Promise<ServerAnswer> {
    return this.#refused(event, decision.action === "refuse" ? decision.reply : NOT_ACCEPTED);
  }

  /** The account behind the event, a verifier to go on with, or the refusal. */
  async #check(event: LoginEvent): Promise<LoginAnswer> {
    try {
      if (event.type === "scram") return await this.#verifier(event.name);
      const account = event.type === "auth"
        ? await this.#services.directory.verify(event.name, event.password)
        : this.#claimed;
      // Acting for anybody is only for where passwords mean nothing.
      const self = this.#client.role === "catcher" || isSelf(event.authorize, event.name);
      if (account === null || !self) return { reply: WRONG };
      return { account };
    } catch (error) {
      this.#services.emit({ type: "internal.error", where: "directory", error: String(error) });
      return { reply: UNAVAILABLE };
    }
  }

  async #verifier(name: string): Promise<LoginAnswer> {
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

const WRONG = reply(535, "5.7.8", "authentication failed");
const NOT_ACCEPTED = reply(535, "5.7.8", "login not accepted");
const UNAVAILABLE = reply(454, "4.7.0", "cannot check passwords now: try again later");
