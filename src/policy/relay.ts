/**
 * Who may send mail through us to addresses that are not ours: who has logged in, and clients in
 * networks named for it. Anybody else is answered {@link RELAY_DENIED}: a station that relays for all is
 * a spammer's (RFC 5321 §3.6, RFC 2505 §2.1).
 *
 * @module
 */

import type { Address } from "../address.ts";
import { type Network, networkContains } from "../net_address.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { SessionView } from "./policy.ts";

/** What RCPT is answered for an address elsewhere when the client may not relay. */
export const RELAY_DENIED: Reply = reply(
  550,
  "5.7.1",
  "relaying denied: that address is not here",
);

/** Why a client may send mail to an address that is not ours. */
export type RelayGround =
  /** It is in a network named for it, or the program itself. */
  | "network"
  /** It has logged in. */
  | "login"
  /** Anybody may send mail to that domain through us. */
  | "accepted-domain";

/** What a decision about relaying is made from. */
export interface RelayAsker {
  /** Whether the client is in a network named for it, or the program itself: {@link mayRelay}. */
  readonly near: boolean;
  /** The login name; `null` without one. */
  readonly identity: string | null;
}

/**
 * On which ground a client may send mail to an address that is not ours; `null`: on none.
 *
 * @param accepts whether anybody may send mail for a domain through us.
 *
 * @example
 * ```ts
 * import { relayGround } from "./relay.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const stranger = { near: false, identity: null };
 * const accepts = (domain: string) => domain === "example.org";
 * assertEquals(relayGround(stranger, { local: "alice", domain: "example.org" }, accepts), "accepted-domain");
 * assertEquals(relayGround(stranger, { local: "alice", domain: "example.net" }, accepts), null);
 * ```
 */
export function relayGround(
  { near, identity }: RelayAsker,
  { local, domain }: Address,
  accepts: (domain: string) => boolean,
): RelayGround | null {
  if (near) return "network";
  if (identity !== null) return "login";
  // The next station trusts us, and may take such a local part for another address to send it on to.
  return accepts(domain) && !/[@%!]/.test(local) ? "accepted-domain" : null;
}

/**
 * Whether the client may send mail to addresses that are not ours.
 *
 * @param networks clients in them need not log in. A unix socket is in none.
 *
 * @example
 * ```ts
 * import { mayRelay } from "./relay.ts";
 * import { parseNetwork } from "../net_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const networks = [parseNetwork("192.0.2.0/24")!];
 * assertEquals(mayRelay({ identity: null, client: "192.0.2.7" }, networks), true);
 * assertEquals(mayRelay({ identity: null, client: "198.51.100.7" }, networks), false);
 * ```
 */
export function mayRelay(
  session: Pick<SessionView, "identity" | "client">,
  networks: readonly Network[],
): boolean {
  return session.identity !== null ||
    networks.some((network) => networkContains(network, session.client));
}
