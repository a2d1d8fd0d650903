/**
 * One mail transaction, from MAIL to the end of its message: the envelope as it grows, and what the
 * policies have asked for so far.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { Change } from "../policy/policy.ts";
import type { Envelope, EnvelopeRecipient } from "../queue/entry.ts";
import type { Destinations } from "../routing/expand.ts";
import type { MailParameters, RcptParameters } from "../smtp/parameters.ts";

/** Mailboxes and addresses elsewhere that one message may go to. */
export const MAX_COPIES = 10_000;

/** A recipient that was accepted, and where its mail goes. */
export interface AcceptedRecipient extends Destinations {
  readonly address: Address;
  readonly parameters: RcptParameters;
  /** A policy wants this copy dropped. */
  readonly discard: DiscardOrder | null;
  /** A policy added it when the message was whole: no client waits for an answer about it. Absent: no. */
  readonly added?: true;
}

/** A message that a policy wants dropped, as if it had been taken. */
export interface DiscardOrder {
  readonly policy: string;
  readonly reason: string;
}

/** What is known of the message so far. */
export interface Transaction {
  readonly id: string;
  /** Epoch milliseconds of MAIL. */
  readonly started: number;
  readonly sender: Address | null;
  readonly parameters: MailParameters;
  readonly recipients: AcceptedRecipient[];
  /** Mailboxes and addresses elsewhere that they lead to, in all. */
  copies: number;
  /** What policies want changed in the head, in the order they said so. */
  readonly changes: Change[];
  /** The whole message shall be dropped, as if it had been taken. */
  readonly discard: DiscardOrder | null;
}

/** The envelope as policies see it, with recipients that are about to join it. */
export function envelopeOf(transaction: Transaction, ...more: AcceptedRecipient[]): Envelope {
  return {
    ...withoutRecipients(transaction),
    recipients: Object.freeze([...transaction.recipients, ...more].map(envelopeRecipient)),
  };
}

/** What an envelope says of all its recipients. */
export function withoutRecipients(
  { sender, parameters }: Transaction,
): Omit<Envelope, "recipients"> {
  const { body = "7BIT", smtputf8, requireTls, dsnReturn, dsnEnvelopeId } = parameters;
  const plain = { sender, body, smtputf8: smtputf8 === true, requireTls: requireTls === true };
  if (dsnReturn === undefined && dsnEnvelopeId === undefined) return plain;
  return {
    ...plain,
    ...(dsnReturn && { dsnReturn }),
    ...(dsnEnvelopeId !== undefined && { dsnEnvelopeId }),
  };
}

/** A recipient as the envelope has it. */
export function envelopeRecipient(
  { address, parameters: { notify, originalRecipient } }: AcceptedRecipient,
): EnvelopeRecipient {
  if (notify === undefined && originalRecipient === undefined) return { address };
  return { address, ...(notify && { notify }), ...(originalRecipient && { originalRecipient }) };
}
