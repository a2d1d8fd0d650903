/**
 * VRFY, EXPN, ETRN, HELP: questions that open no transaction (RFC 5321 §3.5, RFC 1985).
 *
 * @module
 */

import { answer, gate, notOffered, type ServerState, type VerbResult } from "../server_state.ts";

/** VRFY. Switched off it is still answered, with 252: RFC 5321 §3.5.3 wants no 5xx. */
export function verify(argument: string, state: ServerState): VerbResult {
  if (!state.settings.extensions.verify) {
    return answer(252, "2.5.0", "cannot verify here; send the mail and see");
  }
  return gate(state) ?? { ask: { type: "verify", argument } };
}

/** EXPN. */
export function expand(argument: string, state: ServerState): VerbResult {
  if (!state.settings.extensions.expand) return notOffered("EXPN");
  return gate(state) ?? { ask: { type: "expand", argument } };
}

/** ETRN (RFC 1985): the driver starts the queue, or says why not. */
export function etrn(domain: string, state: ServerState): VerbResult {
  if (!state.settings.extensions.etrn) return notOffered("ETRN");
  return gate(state) ?? { ask: { type: "etrn", domain } };
}

/** HELP. */
export function help(state: ServerState): VerbResult {
  return answer(214, "2.0.0", state.settings.help);
}
