/**
 * What a client is refused: those who watch are told, and then the policies, before the client is. One of them may
 * end the session: the reply of code 421 that it gives is said in place of the other (RFC 5321 §3.8).
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import type { Refusal } from "../policy/policy.ts";
import { describeReply, type Reply } from "../smtp/reply.ts";
import { type Soon, whenKnown } from "../soon.ts";
import type { IntakeClient } from "./client.ts";
import type { IntakeServices } from "./services.ts";

/** A refusal, and whose mail it was about. */
export interface RefusedCommand extends Refusal {
  readonly stage: Exclude<Refusal["stage"], "auth" | "message">;
  /** The sender of the transaction that is open; absent where there is none. */
  readonly sender?: Address | null;
}

/** The refusals of one session. */
export class Refusals {
  readonly #services: IntakeServices;
  readonly #client: IntakeClient;

  /** @param client whose session it is. */
  constructor(services: IntakeServices, client: IntakeClient) {
    this.#services = services;
    this.#client = client;
  }

  /** Tells of a command that is refused; gives the reply when the client may have it. */
  command({ sender, ...refusal }: RefusedCommand): Soon<Reply> {
    const { stage, address, reply, policy } = refusal;
    const { id: session, client, identity } = this.#client;
    this.#services.emit({
      type: "command.refused",
      ...{ session, client, stage },
      ...(address !== undefined && { address: formatPath(address) }),
      ...(sender !== undefined && { sender: formatPath(sender) }),
      ...(identity !== null && { identity }),
      reply: describeReply(reply),
      ...(policy !== undefined && { policy }),
    });
    return whenKnown(this.tell(refusal), (last) => last ?? reply);
  }

  /** Tells the policies; gives what one of them ends the session with. */
  tell(refusal: Refusal): Soon<Reply | undefined> {
    if (this.#client.over) return;
    const { view } = this.#client;
    let last: Reply | undefined;
    const hear = (said: Reply | void) => {
      if (said?.code === 421) last ??= said;
    };
    const told = this.#services.policies.tell(
      "refused",
      (policy) => whenKnown(policy.refused?.(view, refusal), hear),
      this.#client,
    );
    return whenKnown(told, () => last);
  }
}

function formatPath(address: Address | null): string {
  return address === null ? "<>" : formatAddress(address);
}
