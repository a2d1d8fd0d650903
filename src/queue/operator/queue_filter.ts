/**
 * Which messages of the queue are meant: by recipient, sender and state. Addresses and domains are
 * compared as mailboxes are, without regard to case or to how Unicode wrote them.
 *
 * @module
 */

import { type Address, domainKey, mailboxKey, parseAddress } from "../../address.ts";
import { parseAddressLiteral, parseDomain } from "../../address.ts";
import type { QueuedRecipient, QueueEntry } from "../entry.ts";

/** What somebody wants to see or change; what is absent matches everything. */
export interface QueueFilter {
  /** A recipient still to be reached, as an address or a domain. */
  readonly to?: string;
  /** The reverse-path, as an address or a domain, or `<>`. */
  readonly from?: string;
  /** What it is doing. */
  readonly state?: QueueState;
}

/** `active`: an attempt runs, or is next in line. `held`: an operator stopped it. */
export type QueueState = "waiting" | "held" | "active";

/** The states, for messages to people. */
export const QUEUE_STATES: readonly QueueState[] = ["waiting", "held", "active"];

/** A filter made ready. */
export interface QueueMatcher {
  /** Whether an entry is meant. */
  matches(entry: QueueEntry, state: QueueState): boolean;
  /** Whether a recipient of such an entry is. */
  matchesRecipient(recipient: QueuedRecipient): boolean;
}

/**
 * Readies a filter, or says which part of it is neither an address nor a domain.
 *
 * @example
 * ```ts
 * import { queueMatcher } from "./queue_filter.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(queueMatcher({ to: "not an address" }), { wrong: "to" });
 * ```
 */
export function queueMatcher(
  filter: QueueFilter,
): QueueMatcher | { readonly wrong: "to" | "from" } {
  const to = filter.to === undefined ? anybody : addressMatcher(filter.to);
  if (to === null) return { wrong: "to" };
  const from = filter.from === undefined ? anybody : senderMatcher(filter.from);
  if (from === null) return { wrong: "from" };
  const matchesRecipient = ({ address }: QueuedRecipient) => to(address);
  return {
    matchesRecipient,
    matches(entry, state) {
      if (filter.state !== undefined && filter.state !== state) return false;
      if (!from(entry.sender)) return false;
      return filter.to === undefined || openRecipients(entry).some(matchesRecipient);
    },
  };
}

/** Those still to be reached; all of them where only notices are left to be sent. */
export function openRecipients({ recipients }: QueueEntry): readonly QueuedRecipient[] {
  const waiting = recipients.filter(({ status }) => status === "waiting");
  return waiting.length > 0 ? waiting : recipients;
}

type Matcher = (address: Address | null) => boolean;

const anybody: Matcher = () => true;

function senderMatcher(text: string): Matcher | null {
  return text === "<>" ? (address) => address === null : addressMatcher(text);
}

function addressMatcher(text: string): Matcher | null {
  const options = { smtputf8: true };
  const domain = text.startsWith("[") ? parseAddressLiteral(text) : parseDomain(text, options);
  if (domain !== null) {
    const key = domainKey(domain);
    return (address) => address !== null && domainKey(address.domain) === key;
  }
  const wanted = parseAddress(text, options);
  if (wanted === null) return null;
  const key = mailboxKey(wanted);
  return (address) => address !== null && mailboxKey(address) === key;
}
