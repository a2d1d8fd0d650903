/**
 * DATA and BDAT: whether a message may follow now (RFC 5321 §4.1.1.4, RFC 3030 §2).
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

/** DATA: 354 is the driver's to give. */
export function data(state: ServerState): VerbResult {
  const { transaction } = state;
  if (transaction === null) return outOfOrder("say MAIL first");
  if (transaction.chunking) return outOfOrder("BDAT has begun: go on with BDAT or say RSET");
  if (transaction.binary) return outOfOrder("a BINARYMIME message comes by BDAT (RFC 3030)");
  return withoutRecipients(state) ?? { ask: { type: "body", command: "DATA" } };
}

/** BDAT: `null` goes on with a message already begun. Whatever it says, the octets of the chunk follow. */
export function bdat(state: ServerState): VerbResult | null {
  if (!state.settings.extensions.chunking) return notOffered("BDAT");
  const { transaction } = state;
  if (transaction === null) return outOfOrder("say MAIL first");
  if (transaction.chunking) return null;
  return withoutRecipients(state) ?? { ask: { type: "body", command: "BDAT" } };
}

function withoutRecipients(state: ServerState): VerbResult | null {
  const { transaction, settings } = state;
  if (transaction === null || transaction.accepted > 0) return null;
  // RFC 2033 §4.2 asks for 503 in LMTP; RFC 5321 §3.3 allows either in SMTP.
  if (transaction.refused === 0 || settings.protocol === "lmtp") {
    return outOfOrder("say RCPT first");
  }
  return answer(554, "5.5.1", "no valid recipients");
}
