/**
 * From what an address leads to, to recipients of the queue: what was asked for by RCPT goes to each
 * mailbox and each address elsewhere that it stands for.
 *
 * @module
 */

import { type Address, mailboxKey } from "../address.ts";
import type { EnvelopeRecipient, QueuedRecipient } from "../queue/entry.ts";
import type { MailboxDestination } from "./aliases.ts";

/** Where mail for one recipient goes. */
export interface Destinations {
  readonly mailboxes: readonly MailboxDestination[];
  /** Addresses elsewhere. */
  readonly remote: readonly Address[];
  /** The recipient is of ours, an alias perhaps: mail to `remote` is sent on in our name, not only passed. */
  readonly forwarded: boolean;
}

/** The recipients of the queue that one recipient stands for, to be tried at `now`. */
export function toQueued(
  recipient: EnvelopeRecipient,
  { mailboxes, remote, forwarded }: Destinations,
  now: number,
): QueuedRecipient[] {
  const { notify, originalRecipient } = recipient;
  const common = {
    ...(notify && { notify }),
    ...(originalRecipient && { originalRecipient }),
    status: "waiting",
    next: now,
    attempts: 0,
    history: [],
  } as const;
  return [
    ...mailboxes.map(({ mailbox, address }) => ({
      address,
      mailbox,
      // Who is behind an alias is not for its senders to know, here no more than elsewhere.
      ...(mailboxKey(address) !== mailboxKey(recipient.address) && {
        forwardedBy: recipient.address,
      }),
      ...common,
    })),
    ...remote.map((address) => ({
      address,
      ...(forwarded && { forwardedBy: recipient.address }),
      ...common,
    })),
  ];
}

/** Each mailbox and each address elsewhere once, however many recipients lead there. */
export function withoutTwins(recipients: readonly QueuedRecipient[]): QueuedRecipient[] {
  if (recipients.length === 1) return [...recipients];
  const seen = new Set<string>();
  return recipients.filter(({ address, mailbox }) => {
    const key = mailbox === undefined
      ? `to ${mailboxKey(address)}`
      : `in ${mailbox.domain}/${mailbox.user}`;
    return !seen.has(key) && seen.add(key);
  });
}
