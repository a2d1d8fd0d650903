/**
 * What must hold when all has ended, whatever was done to the network: compares what clients were told with what
 * lies in the mailboxes of stations and of others.
 *
 *  - A mail that was acknowledged lies in each mailbox that its addresses lead to; of what leads nowhere
 *    its sender has a notice, if there is one who can have it and wants it.
 *  - Mail that reached all its mailboxes is not bounced. What was refused, or never ended, is nowhere.
 *  - Nobody has mail, or a notice, that is not for him.
 *  - Every copy is whole, octet for octet. More copies than ways there are only where there was trouble.
 *
 * @module
 */

import type { Sending } from "./ledger.ts";
import type { Found } from "./mail.ts";
import { type End, endsOf, STATIONS } from "./places.ts";

/** What was found. */
export interface Findings {
  /** What is wrong, in words. */
  readonly problems: readonly string[];
  /** Copies of mails in mailboxes. */
  readonly copies: number;
  /** Notices in mailboxes. */
  readonly reports: number;
  /** Copies beyond one for each way. */
  readonly duplicates: number;
}

/** A mail goes through no more stations than this (RFC 5321 §6.3), and its last one. */
const MOST_HOPS = 101;

const POSTMASTERS = STATIONS.map((name) => `pm@${name}.test`);

/** Compares. `troubles` is how much was done to the network. */
export function checkMail(
  sendings: readonly Sending[],
  mailboxes: ReadonlyMap<string, readonly Found[]>,
  troubles: number,
): Findings {
  const problems: string[] = [];
  const byId = new Map(sendings.map((sending) => [sending.id, sending]));
  /** Copies by mail and mailbox. */
  const copies = new Map<string, number>();
  /** Mailboxes with a notice of failure, by mail. */
  const told = new Map<string, Set<string>>();
  let [copyCount, reports, duplicates] = [0, 0, 0];
  for (const [name, mails] of mailboxes) {
    for (const found of mails) {
      if (found.kind === "garbage") {
        problems.push(
          `${name} has what was never sent: ${JSON.stringify(found.text.slice(0, 200))}`,
        );
      } else if (found.kind === "copy") {
        copyCount++;
        const key = `${found.id} ${name}`;
        copies.set(key, (copies.get(key) ?? 0) + 1);
        if (found.flaw !== undefined) problems.push(`${found.id} in ${name}: ${found.flaw}`);
        if (found.hops > MOST_HOPS) problems.push(`${found.id} in ${name}: ${found.hops} hops`);
      } else {
        reports++;
        const { id, failed } = found;
        const sending = byId.get(id ?? "");
        if (sending === undefined) {
          if (!POSTMASTERS.includes(name)) problems.push(`${name} has a notice about nothing`);
          continue;
        }
        if (failed) told.set(sending.id, (told.get(sending.id) ?? new Set()).add(name));
        const senders = sending.sender === null ? [] : boxesOf(sending.sender);
        if (!senders.includes(name) && !POSTMASTERS.includes(name)) {
          problems.push(`${name} has a notice about ${sending.id}, which is not for it`);
        }
      }
    }
  }
  for (const sending of sendings) {
    const { id, fate } = sending;
    const ways = countWays(sending.taken.map(({ address }) => address));
    for (const name of mailboxes.keys()) {
      const count = copies.get(`${id} ${name}`) ?? 0;
      if (count === 0) continue;
      if (fate === "refused" || fate === "unsent") {
        problems.push(`${id} was ${fate}, and is in ${name}`);
      }
      const most = ways.get(name) ?? 0;
      if (most === 0) {
        problems.push(`${id} is in ${name}, to whom it was not sent`);
        continue;
      }
      if (count <= most) continue;
      duplicates += count - most;
      if (count - most > troubles) problems.push(`${id} is in ${name} ${count} times`);
    }
    if (fate === "acknowledged") checkEnds(sending, copies, told.get(id) ?? new Set(), problems);
    else if (fate !== "unknown" && told.has(id)) problems.push(`${id} was ${fate}, and bounced`);
  }
  return { problems, copies: copyCount, reports, duplicates };
}

/** An acknowledged mail: where it must be, and who must have heard of it. */
function checkEnds(
  { id, sender, taken }: Sending,
  copies: ReadonlyMap<string, number>,
  told: ReadonlySet<string>,
  problems: string[],
): void {
  const sawFailure = sender === null ? null : boxesOf(sender);
  let mayFail = false;
  for (const { address, notify } of taken) {
    for (const end of endsOf(address)) {
      if (end.kind !== "box") mayFail = true;
      const arrived = end.kind !== "nobody" && copies.has(`${id} ${end.name}`);
      if (arrived) continue;
      if (end.kind === "box") {
        problems.push(`${id} to ${address} is lost: not in ${end.name}`);
        continue;
      }
      const wanted = notify === null || notify.includes("FAILURE");
      if (sawFailure === null || sawFailure.length === 0 || !wanted) continue;
      if (!sawFailure.some((name) => told.has(name))) {
        problems.push(`${id} to ${address} vanished: ${sender} never heard of it`);
      }
    }
  }
  if (!mayFail && told.size > 0) problems.push(`${id} arrived and bounced all the same`);
}

/** The mailboxes that an address leads to for certain. */
function boxesOf(address: string): string[] {
  return endsOf(address).flatMap((end) => end.kind === "box" ? [end.name] : []);
}

/** How many ways lead to each mailbox. */
function countWays(addresses: readonly string[]): Map<string, number> {
  const ways = new Map<string, number>();
  const ends: readonly End[] = addresses.flatMap((address) => endsOf(address));
  for (const end of ends) {
    if (end.kind !== "nobody") ways.set(end.name, (ways.get(end.name) ?? 0) + 1);
  }
  return ways;
}
