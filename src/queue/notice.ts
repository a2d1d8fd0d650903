/**
 * Which notices (RFC 3464) a message's sender is owed: by what became of each recipient and by what
 * the sender asked for (NOTIFY, RFC 3461 §4.1). Pure. `settle.ts` asks at the end of a round;
 * `delivery/bounce.ts` writes the messages.
 *
 * @module
 */

import type { NoticeKind, QueuedRecipient, QueueEntry } from "./entry.ts";
import type { ScheduleFor } from "./retry.ts";
import type { NewMessage } from "./store.ts";

/** One notice to write: all recipients of one message with one fate in one round. */
export interface Notice {
  /** What it tells. */
  readonly kind: NoticeKind;
  /** Of whom: indexes in the entry's recipients, ascending, at least one. Their history says why. */
  readonly recipients: readonly number[];
}

/**
 * Writes notices: gives the messages to be queued for them, none where nobody is to be told.
 *
 * Called with the entry as it is after the round. What it gives is made durable before the round is
 * recorded, so after a crash it may be asked the same again: the id (and the Message-ID) must
 * follow from the entry's id, the kind and *all* the recipients, so that the same notice made twice
 * is one, and one that tells of more is another.
 *
 * An entry with the null sender (RFC 5321 §4.5.5) has nobody to tell: its failures come here all
 * the same, whatever NOTIFY says, as a notice of kind `failed`, for the postmaster or for an event.
 * With `origin.kind` `"notice"` it is a notice of ours that could not be delivered (a double
 * bounce), else one that others sent through us. The chain must end here: nothing is to be made of
 * an entry that went to the postmaster already.
 *
 * What it throws is a trouble of ours: the round stays open, and it is asked again later.
 */
export type NoticeMaker = (
  entry: QueueEntry,
  notices: readonly Notice[],
) => Promise<readonly NewMessage[]>;

/**
 * Whether the sender wants to be told, or there is nobody to tell and the failure must not pass
 * unseen. Who did not say whether to hear of a delay hears of it only as a user of ours: the sender
 * of a stranger's mail may be forged, and RFC 3461 §4.1 leaves it to us.
 */
function isWanted(
  { sender, origin }: QueueEntry,
  recipient: QueuedRecipient,
  kind: NoticeKind,
): boolean {
  if (recipient.noticed?.includes(kind)) return false;
  if (sender === null) return kind === "failed";
  const { notify } = recipient;
  switch (kind) {
    case "failed":
      return notify === undefined || notify.includes("FAILURE");
    case "delayed":
      return notify?.includes("DELAY") ??
        (origin.kind === "submit" || origin.identity !== undefined);
    case "delivered":
      return notify !== undefined && notify.includes("SUCCESS");
    case "relayed":
      // A station that was told NOTIFY reports success itself (RFC 3461 §5.2.2).
      return notify !== undefined && notify.includes("SUCCESS") && !recipient.dsnHandedOn;
  }
}

/** What there is to tell of a recipient, whether or not anybody wants to know. */
function kindFor(
  recipient: QueuedRecipient,
  age: number,
  scheduleFor: ScheduleFor,
): NoticeKind | null {
  if (recipient.status !== "waiting") return recipient.status;
  // Nothing to say of one that was not tried, as by a hold; one whose way is down has its reason
  // recorded.
  if (recipient.history.length === 0) return null;
  const { delayNotice } = scheduleFor(recipient);
  return delayNotice !== null && age >= delayNotice ? "delayed" : null;
}

/** The order in which notices of one round are written. */
const KINDS: readonly NoticeKind[] = ["failed", "delayed", "delivered", "relayed"];

/** The notices that are owed at `now`, one of a kind at most; see {@link Notice}. */
export function noticesOwed(
  entry: QueueEntry,
  now: number,
  scheduleFor: ScheduleFor,
): readonly Notice[] {
  const age = now - entry.received;
  const owed = new Map<NoticeKind, number[]>();
  entry.recipients.forEach((recipient, index) => {
    const kind = kindFor(recipient, age, scheduleFor);
    if (kind === null || !isWanted(entry, recipient, kind)) return;
    const known = owed.get(kind);
    if (known === undefined) owed.set(kind, [index]);
    else known.push(index);
  });
  if (owed.size === 0) return [];
  return KINDS.flatMap((kind) => {
    const recipients = owed.get(kind);
    return recipients === undefined ? [] : [{ kind, recipients }];
  });
}

/**
 * Whether something that is over has not been told yet: so it is after a crash between the record
 * of what became of some and the end of the round. It is told before anything else is tried, so
 * that what is told twice is the same.
 */
export function isUntold(entry: QueueEntry): boolean {
  return entry.recipients.some((recipient) =>
    recipient.status !== "waiting" && isWanted(entry, recipient, recipient.status)
  );
}

/** The entry with its notices noted as sent. */
export function noteNotices(entry: QueueEntry, notices: readonly Notice[]): QueueEntry {
  if (notices.length === 0) return entry;
  const recipients = [...entry.recipients];
  for (const { kind, recipients: told } of notices) {
    for (const index of told) {
      const recipient = recipients[index]!;
      recipients[index] = { ...recipient, noticed: [...recipient.noticed ?? [], kind] };
    }
  }
  return { ...entry, recipients };
}
