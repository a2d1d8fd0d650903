/**
 * Who is turned away must still reach the postmaster, to say that it was a mistake (RFC 5321 §4.5.1). So what is known
 * of a client at its connection is held against it at RCPT only, where that address is let through; there the refusal
 * also names sender and recipient in the log.
 *
 * @module
 */

import type { Address } from "../../address.ts";

/** Whether it is `postmaster`, at whatever domain; the case does not matter (RFC 5321 §4.1.1.3). */
export function isPostmaster({ local }: Address): boolean {
  return local.length === 10 && local.toLowerCase() === "postmaster";
}
