/**
 * Why a message cannot be sent to a station as it is, in our own words, whoever finds it out: the client's session,
 * or who re-encodes messages before it.
 *
 * @module
 */

import { type Reply, reply } from "./reply.ts";

/** The way on must be TLS all along: RFC 8689 §4.2.1, its code in §7. */
export const NO_REQUIRETLS: Reply = reply(
  550,
  "5.7.30",
  "the sender requires TLS all the way (REQUIRETLS), and the next station does not promise it",
);
/** An address is beyond ASCII: RFC 6531 §3.5. */
export const NO_UTF8_ADDRESS: Reply = reply(
  553,
  "5.6.7",
  "an address is not ASCII, and the next station does not take such (SMTPUTF8)",
);
/** The header section is beyond ASCII: RFC 6531 §3.5. */
export const NO_UTF8_HEAD: Reply = reply(
  554,
  "5.6.9",
  "the header section is not ASCII, and the next station does not take such (SMTPUTF8)",
);
/** 8-bit content that was not converted: RFC 6152 §3. */
export const NO_EIGHT_BIT: Reply = reply(
  554,
  "5.6.3",
  "the message is 8-bit and was not converted, and the next station takes only 7-bit",
);
/** Binary content that was not converted: RFC 3030 §3. */
export const NO_BINARY: Reply = reply(
  554,
  "5.6.1",
  "the message is binary and was not converted, and the next station takes only text",
);

/** What was signed must not be re-encoded (RFC 6376 §5.3, RFC 3463 §3.7): the signature would be false from then on. */
export const SIGNED_AS_IT_IS: Reply = reply(
  554,
  "5.6.3",
  "the message is signed (DKIM) and would have to be re-encoded for the next station, which would break the signature",
);

/** Its commands went ahead of the reply to the message before it (RFC 2920 §3.1), and that one ended the session. */
export const UNASKED: Reply = reply(
  451,
  "4.4.2",
  "the connection ended before the message was asked about",
);

/** RFC 1870 §6.1. @param size octets of the message. @param limit octets the station takes. */
export function tooLarge(size: number, limit: number): Reply {
  const text = `the message has ${size} octets, and the next station takes at most ${limit}`;
  return reply(552, "5.3.4", text);
}
