/**
 * Whom the limits against abuse are for: clients that nobody vouches for. Their own users, the machine itself and
 * the networks that an operator names are known, and what they do is held by other means (passwords, limits of
 * accounts).
 *
 * Pure. Which of its hooks asks, and when in a session, each policy says for itself.
 *
 * @module
 */

import { type Network, networkContains, parseNetwork } from "../../net_address.ts";
import type { SessionView } from "../policy.ts";

/** Networks that are exempt where nothing is said: this machine itself. */
export const DEFAULT_EXEMPT: readonly Network[] = ["127.0.0.0/8", "::1/128"]
  .map((text) => parseNetwork(text)!);

/**
 * Whether the client is one that nobody vouches for. Not strangers are: whoever has logged in or is in a network
 * that may relay; clients of a unix socket and of a listener for LMTP or a catcher, which are not for the open
 * internet; and the networks in `exempt`. Before it logs in, a user's client is a stranger like any other.
 *
 * @example
 * ```ts
 * import { isStranger } from "./stranger.ts";
 * import { parseNetwork } from "../../net_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const session = {
 *   id: "1",
 *   role: "mx",
 *   client: "192.0.2.7",
 *   hello: null,
 *   tls: null,
 *   identity: null,
 *   trusted: false,
 * };
 * assertEquals(isStranger(session), true);
 * assertEquals(isStranger(session, [parseNetwork("192.0.2.0/24")!]), false);
 * assertEquals(isStranger({ ...session, identity: "alice@example.org" }), false);
 * ```
 */
export function isStranger(
  session: SessionView,
  exempt: readonly Network[] = DEFAULT_EXEMPT,
): boolean {
  const { role, client } = session;
  if (session.trusted || session.identity !== null) return false;
  if (role === "lmtp" || role === "catcher" || client === "unix") return false;
  return !exempt.some((network) => networkContains(network, client));
}
