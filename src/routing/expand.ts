/**
 * From what an address leads to, to recipients of the queue: what was asked for by RCPT goes to each
 * mailbox and each address elsewhere that it stands for.
 *
 * @module
 */

import { type Address, mailboxKey } from "../address.ts";
import type { EnvelopeRecipient, QueuedRecipient } from "../queue/entry.ts";
import type { DsnNotify } from "../smtp/parameters.ts";
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
  const asked = recipient.address;
  const queued: QueuedRecipient[] = [];
  for (const { mailbox, address } of mailboxes) {
    // Who is behind an alias is not for its senders to know, here no more than elsewhere.
    const other = address !== asked && mailboxKey(address) !== mailboxKey(asked);
    queued.push(
      waiting(recipient, now, address, { mailbox, ...(other && { forwardedBy: asked }) }),
    );
  }
  for (const address of remote) {
    queued.push(waiting(recipient, now, address, forwarded ? { forwardedBy: asked } : null));
  }
  return queued;
}

/** A recipient that nothing was tried for yet. */
function waiting(
  { notify, originalRecipient }: EnvelopeRecipient,
  next: number,
  address: Address,
  more: Pick<QueuedRecipient, "mailbox" | "forwardedBy"> | null,
): QueuedRecipient {
  // Mail that is passed on for others asks for nothing, as a rule: that is made without a copy.
  const plain = { address, status: "waiting", next, attempts: 0, history: [] } as const;
  if (more === null && notify === undefined && originalRecipient === undefined) return plain;
  return {
    ...plain,
    ...more,
    ...(notify && { notify }),
    ...(originalRecipient && { originalRecipient }),
  };
}

/**
 * Each mailbox and each address elsewhere once, however many recipients lead there; what was asked to be told of any
 * of them is told of the one that stays.
 */
export function withoutTwins(recipients: readonly QueuedRecipient[]): QueuedRecipient[] {
  if (recipients.length === 1) return [...recipients];
  const kept = new Map<string, QueuedRecipient>();
  for (const recipient of recipients) {
    const { address, mailbox } = recipient;
    const key = mailbox === undefined
      ? `to ${mailboxKey(address)}`
      : `in ${mailbox.domain}/${mailbox.user}`;
    const twin = kept.get(key);
    kept.set(key, twin === undefined ? recipient : join(twin, recipient));
  }
  return [...kept.values()];
}

/**
 * One recipient for two: the first, with the wishes of both. Of one for whom nothing is wanted (`NEVER`) no notice
 * may speak (RFC 3461 §4.1), so the other one stays then; and a failure is not kept quiet because of it.
 */
function join(first: QueuedRecipient, second: QueuedRecipient): QueuedRecipient {
  if (second.notify?.includes("NEVER")) return first;
  if (first.notify?.includes("NEVER")) return second;
  if (first.notify === second.notify) return first;
  const wishes = [...first.notify ?? UNSAID, ...second.notify ?? UNSAID];
  return { ...first, notify: [...new Set(wishes)] };
}

/** What is wanted by who says nothing, at least (RFC 3461 §4.1). */
const UNSAID: readonly DsnNotify[] = ["FAILURE"];
