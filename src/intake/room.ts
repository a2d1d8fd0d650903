/**
 * Whether there is room in the mailboxes behind one recipient.
 *
 * Mailboxes are asked one after the other: behind an alias there may be thousands, and each that has a quota may have
 * to be counted. Where all answer at once, so does this. What a mailbox throws goes through.
 *
 * @module
 */

import type { LocalDelivery } from "../queue/local_delivery.ts";
import type { Destinations } from "../routing/expand.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { isPending, type Soon } from "../soon.ts";

/** What RCPT is answered for want of room for `size` octets; `null` where there is enough. */
export function checkRoom(
  delivery: Pick<LocalDelivery, "checkRoom">,
  { mailboxes, remote }: Pick<Destinations, "mailboxes" | "remote">,
  size: number,
): Soon<Reply | null> {
  const count = mailboxes.length + remote.length;
  const answers: (Reply | null)[] = [];
  for (const { mailbox } of mailboxes) {
    const answer = delivery.checkRoom(mailbox, size);
    if (isPending(answer)) return goOn(answer);
    answers.push(answer);
  }
  return verdict(answers, count);

  /** The rest, from one that has not answered yet. */
  async function goOn(pending: PromiseLike<Reply | null>): Promise<Reply | null> {
    answers.push(await pending);
    for (const { mailbox } of mailboxes.slice(answers.length)) {
      answers.push(await delivery.checkRoom(mailbox, size));
    }
    return verdict(answers, count);
  }
}

/** While others of the `count` destinations have room, a full one is no reason to give up for good. */
function verdict(answers: readonly (Reply | null)[], count: number): Reply | null {
  const full = answers.filter((answer) => answer !== null);
  return full.length > 0 && full.length < count ? SOME_FULL : full[0] ?? null;
}

const SOME_FULL = reply(452, "4.2.2", "a mailbox behind this address is full");
