/**
 * Which SMTP conversations somebody wants to listen to: those with a peer, of a message, of a listener, or all.
 * Pure.
 *
 * @module
 */

import { type Network, networkContains } from "../net_address.ts";

/** Who talks with whom. */
export interface ConversationFacts {
  /** `in`: a client with us. `out`: we, with a server that is to get a mail. */
  readonly side: "in" | "out";
  /** Of the session, or of the message that is brought. */
  readonly id: string;
  /** Who is at the other end, for people. */
  readonly peer: string;
  /** Its IP address, or `unix`. */
  readonly address: string;
  /** The name that led to it, where we looked for it. */
  readonly host?: string;
  /** The listener of ours that it came to. */
  readonly listener?: string;
}

/** Which conversations. */
export type TraceFilter =
  | { readonly by: "all" }
  /** With an address in one of the networks, over a unix socket, or with a host of this name. */
  | {
    readonly by: "peer";
    readonly networks: readonly Network[];
    readonly unix?: boolean;
    readonly host?: string;
  }
  /** Of a session, or of a message: the session that brings it here, the attempts to bring it on. */
  | { readonly by: "id"; readonly id: string }
  | { readonly by: "listener"; readonly name: string };

/** Whether a conversation is one of those that the filter means. */
export function letsThrough(filter: TraceFilter, facts: ConversationFacts): boolean {
  switch (filter.by) {
    case "all":
      return true;
    case "listener":
      return facts.listener === filter.name;
    case "id":
      return isOf(facts.id, filter.id) || (facts.side === "in" && isOf(filter.id, facts.id));
    case "peer":
      if (filter.unix && facts.address === "unix") return true;
      if (filter.host !== undefined && facts.host?.toLowerCase() === filter.host) return true;
      return filter.networks.some((network) => networkContains(network, facts.address));
  }
}

/** A message's id is that of the session that brought it, and a count. */
function isOf(id: string, session: string): boolean {
  return id === session || id.startsWith(`${session}.`);
}
