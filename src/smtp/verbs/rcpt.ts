/**
 * RCPT: names one recipient (RFC 5321 §4.1.1.3).
 *
 * @module
 */

import type { Address } from "../../address.ts";
import type { RawParameter } from "../command.ts";
import { parseRcptParameters } from "../parameters.ts";
import { answer, outOfOrder, type ServerState, type VerbResult } from "../server_state.ts";
import { isAscii, offerOf } from "./mail.ts";

/** RCPT TO:<recipient> parameters. */
export function rcpt(
  command: { readonly recipient: Address; readonly parameters: readonly RawParameter[] },
  state: ServerState,
): VerbResult {
  const { transaction } = state;
  if (transaction === null) return outOfOrder("say MAIL first");
  if (transaction.chunking) return outOfOrder("BDAT has begun: say RSET to start again");
  const parameters = parseRcptParameters(command.parameters, offerOf(state));
  if ("reply" in parameters) return parameters;
  if (!transaction.smtputf8 && !isAscii(command.recipient)) {
    return answer(553, "5.6.7", "this recipient needs SMTPUTF8 in MAIL");
  }
  // RFC 5321 §4.5.3.1.10: 452, so that the client sends the rest in another transaction.
  if (transaction.accepted >= state.settings.limits.recipients) {
    return answer(452, "4.5.3", "too many recipients: send the rest in another message");
  }
  return { ask: { type: "recipient", recipient: command.recipient, parameters } };
}
