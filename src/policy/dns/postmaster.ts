/**
 * Who is turned away must still reach somebody, to say that it was a mistake: the postmaster (RFC 5321 §4.5.1), and the
 * address for complaints (RFC 2142 §4). So what is known of a client at its connection is held against it at RCPT
 * only, where these are let through; there the refusal also names sender and recipient in the log.
 *
 * @module
 */

import type { Address } from "../../address.ts";

/** Whether it is `postmaster` or `abuse`, at whatever domain; the case does not matter (RFC 2142 §1). */
export function hearsComplaints({ local }: Address): boolean {
  const name = local.length <= 10 ? local.toLowerCase() : "";
  return name === "postmaster" || name === "abuse";
}
