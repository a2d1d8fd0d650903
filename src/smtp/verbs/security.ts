/**
 * STARTTLS and AUTH: whether they may begin now (RFC 3207 §4, RFC 4954 §4).
 *
 * @module
 */

import {
  answer,
  notOffered,
  outOfOrder,
  type ServerState,
  type VerbResult,
} from "../server_state.ts";

/** STARTTLS: `ask` when the handshake may begin. */
export function starttls(state: ServerState): VerbResult {
  if (state.secure) return outOfOrder("TLS is on already");
  if (!state.settings.extensions.startTls) return notOffered("STARTTLS");
  // RFC 3207 does not ask for EHLO first, and some clients do without.
  if (state.transaction !== null) return outOfOrder("not within a transaction");
  return { ask: { type: "starttls" } };
}

/** AUTH: the refusal, or `null` when the exchange may begin. */
export function authRefusal(
  command: { readonly mechanism: string },
  state: ServerState,
): VerbResult | null {
  const { settings } = state;
  if (settings.extensions.auth.length === 0) return notOffered("AUTH");
  if (state.hello === null || state.hello.verb === "HELO") return outOfOrder("say EHLO first");
  if (state.identity !== null) return outOfOrder("logged in already");
  if (state.transaction !== null) return outOfOrder("not within a transaction");
  if (!state.secure && (settings.tls === "required" || !settings.authInClear)) {
    return answer(538, "5.7.11", "encryption required: say STARTTLS first");
  }
  if (!settings.extensions.auth.some((offered) => offered === command.mechanism.toUpperCase())) {
    return answer(
      504,
      "5.5.4",
      `unknown mechanism; offered: ${settings.extensions.auth.join(" ")}`,
    );
  }
  return null;
}
