/**
 * One message on its way in, from MAIL to its end: the envelope as it grows, the head in memory, the
 * body in the store, and what the policies have asked for so far.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { Mailbox } from "../directory/directory.ts";
import type { HeadCollector } from "../message/head_collector.ts";
import type { RawField } from "../message/header.ts";
import type { BodyObserver, Change, Policy } from "../policy/policy.ts";
import type { Body } from "../queue/body_store.ts";
import type { Envelope } from "../queue/entry.ts";
import type { MailParameters, RcptParameters } from "../smtp/parameters.ts";

/** A recipient that was accepted, and where its mail goes. */
export interface AcceptedRecipient {
  readonly address: Address;
  readonly parameters: RcptParameters;
  /** One for most addresses, several for an alias. */
  readonly mailboxes: readonly { readonly mailbox: Mailbox; readonly address: Address }[];
  /** A policy wants this copy dropped. */
  readonly discard: boolean;
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
  /** What policies want changed in the head, in the order they said so. */
  readonly changes: Change[];
  discard: DiscardOrder | null;
  content: Content | null;
}

/** The message itself as it comes in. */
export interface Content {
  readonly collector: HeadCollector;
  readonly body: Body;
  /** Set when the head is complete. */
  fields: RawField[] | null;
  readonly observers: Map<Policy, BodyObserver>;
  /** Observers that threw: their policy has failed. */
  readonly broken: Map<Policy, unknown>;
}

/** The envelope as policies and deliveries see it. */
export function envelopeOf(transaction: Transaction): Envelope {
  const { sender, parameters, recipients } = transaction;
  return {
    sender,
    recipients: recipients.map(({ address, parameters: { notify, originalRecipient } }) => ({
      address,
      ...(notify && { notify }),
      ...(originalRecipient && { originalRecipient }),
    })),
    body: parameters.body ?? "7BIT",
    smtputf8: parameters.smtputf8 === true,
    requireTls: parameters.requireTls === true,
    ...(parameters.dsnReturn && { dsnReturn: parameters.dsnReturn }),
    ...(parameters.dsnEnvelopeId !== undefined && { dsnEnvelopeId: parameters.dsnEnvelopeId }),
  };
}
