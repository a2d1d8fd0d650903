/**
 * MAIL: opens a transaction (RFC 5321 §4.1.1.2).
 *
 * @module
 */

import type { Address } from "../../address.ts";
import type { RawParameter } from "../command.ts";
import { type Offer, parseMailParameters } from "../parameters.ts";
import {
  answer,
  gate,
  outOfOrder,
  type ServerState,
  sizeLimit,
  type VerbResult,
} from "../server_state.ts";

/** MAIL FROM:<sender> parameters. */
export function mail(
  command: { readonly sender: Address | null; readonly parameters: readonly RawParameter[] },
  state: ServerState,
): VerbResult {
  const refusal = gate(state);
  if (refusal !== null) return refusal;
  if (state.transaction !== null) return outOfOrder("a transaction is open already");
  const parameters = parseMailParameters(command.parameters, offerOf(state));
  if ("reply" in parameters) return parameters;
  if (parameters.smtputf8 !== true && command.sender !== null && !isAscii(command.sender)) {
    return answer(553, "5.6.7", "this sender needs the SMTPUTF8 parameter");
  }
  const limit = sizeLimit(state.settings);
  if (limit > 0 && parameters.size !== undefined && parameters.size > limit) {
    return answer(552, "5.3.4", `message too big: the limit is ${limit} octets`);
  }
  return { ask: { type: "sender", sender: command.sender, parameters } };
}

/** Which parameters this client may use: none after HELO (RFC 5321 §4.1.1.1). */
export function offerOf(state: ServerState): Offer {
  return {
    extensions: state.settings.extensions,
    extended: state.hello?.verb !== "HELO",
    secure: state.secure,
  };
}

/** Whether an address needs no SMTPUTF8 (RFC 6531 §3.3). */
export function isAscii(address: Address): boolean {
  // deno-lint-ignore no-control-regex
  return /^[\x00-\x7f]*$/.test(address.local) && /^[\x00-\x7f]*$/.test(address.domain);
}
