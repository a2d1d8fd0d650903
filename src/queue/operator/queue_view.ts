/**
 * How a message in the queue is shown: the shapes of `yizhan queue --json`, which are stable. Times are
 * ISO 8601 in UTC, sizes octets, addresses as in SMTP (`""` for the null sender), replies one line.
 *
 * @module
 */

import { type Address, formatAddress } from "../../address.ts";
import { type Attempt, nextAttempt, type QueuedRecipient, type QueueEntry } from "../entry.ts";
import { isKept } from "../outcome.ts";
import { describeReply } from "../../smtp/reply.ts";
import { openRecipients, type QueueState } from "./queue_filter.ts";

/** A message in the queue, in short. */
export interface QueueSummary {
  /** Unique for all time. */
  readonly id: string;
  /** What it is doing. */
  readonly state: QueueState;
  /** When it was accepted. */
  readonly received: string;
  /** Of head and body together, in octets. */
  readonly size: number;
  /** `""` for the null sender. */
  readonly sender: string;
  /** Those still to be reached. */
  readonly recipients: readonly string[];
  /** Recipients in all. */
  readonly recipientCount: number;
  /** The next attempt; `null` while it is held. Where `kept`, the end of its lifetime. */
  readonly next: string | null;
  /** No attempt is made before `next` unless its domain asks for it (ETRN, RFC 1985) or an operator says so. */
  readonly kept: boolean;
  /** Attempts so far, of the recipient that had most. */
  readonly attempts: number;
  /** Why it is held, or else the last answer; `null` for none. */
  readonly reason: string | null;
}

/** A message in the queue, with all that became of it. */
export interface QueueDetails extends Omit<QueueSummary, "recipients"> {
  /** Of the header section. */
  readonly headSize: number;
  /** Of the body. */
  readonly bodySize: number;
  /** RFC 6152, RFC 3030. */
  readonly body: QueueEntry["body"];
  /** RFC 6531. */
  readonly smtputf8: boolean;
  /** RFC 8689. */
  readonly requireTls: boolean;
  /** What a failure notice shall hold (RFC 3461 §4.3). */
  readonly dsnReturn: string | null;
  /** The sender's own mark (RFC 3461 §4.4). */
  readonly dsnEnvelopeId: string | null;
  /** Where it came from. */
  readonly origin: QueueEntry["origin"];
  /** Since when an operator holds it, and why. */
  readonly held: { readonly since: string; readonly reason: string } | null;
  /** Why its copies here lie in Junk; absent: they do not. */
  readonly junk?: string;
  /** All of them. */
  readonly recipients: readonly RecipientDetails[];
}

/** One recipient, with all that became of it. */
export interface RecipientDetails {
  /** The forward-path. */
  readonly address: string;
  /** What became of it. */
  readonly status: QueuedRecipient["status"];
  /** `null` unless it waits. */
  readonly next: string | null;
  /** As for the whole message. */
  readonly kept: boolean;
  /** Attempts so far. */
  readonly attempts: number;
  /** `DOMAIN/USER` where it is a mailbox here. */
  readonly mailbox: string | null;
  /** The address of ours that sent it on. */
  readonly forwardedBy: string | null;
  /** What its sender asked to be told (RFC 3461 §4.1). */
  readonly notify: readonly string[] | null;
  /** What its sender has been told. */
  readonly noticed: readonly string[];
  /** The last attempts, oldest first. */
  readonly history: readonly AttemptDetails[];
}

/** One attempt. */
export interface AttemptDetails {
  /** When. */
  readonly time: string;
  /** The answer, or our own words for what happened. */
  readonly reply: string;
  /** Who answered; `null`: nobody. */
  readonly host: string | null;
  /** What TLS was used. */
  readonly tls: string | null;
}

/** An entry in short. */
export function summarize(entry: QueueEntry, state: QueueState): QueueSummary {
  const { id, received, headSize, bodySize, sender } = entry;
  const open = openRecipients(entry);
  const next = nextAttempt(entry);
  return {
    id,
    state,
    received: formatTime(received),
    size: headSize + bodySize,
    sender: formatSender(sender),
    recipients: open.map(({ address }) => formatAddress(address)),
    recipientCount: entry.recipients.length,
    // Where only notices are left it is due since it came.
    next: entry.held === undefined && next < Infinity ? formatTime(Math.max(next, received)) : null,
    kept: entry.held === undefined && open.every(isKeptRecipient),
    attempts: Math.max(0, ...open.map(({ attempts }) => attempts)),
    reason: entry.held?.reason ?? lastAnswer(open),
  };
}

/** An entry in full. */
export function detail(entry: QueueEntry, state: QueueState): QueueDetails {
  const { held } = entry;
  return {
    ...summarize(entry, state),
    headSize: entry.headSize,
    bodySize: entry.bodySize,
    body: entry.body,
    smtputf8: entry.smtputf8,
    requireTls: entry.requireTls,
    dsnReturn: entry.dsnReturn ?? null,
    dsnEnvelopeId: entry.dsnEnvelopeId ?? null,
    origin: entry.origin,
    held: held === undefined ? null : { since: formatTime(held.since), reason: held.reason },
    ...(entry.junk !== undefined && { junk: entry.junk }),
    recipients: entry.recipients.map(detailRecipient),
  };
}

function detailRecipient(recipient: QueuedRecipient): RecipientDetails {
  const { address, status, next, attempts, mailbox, forwardedBy, notify, history } = recipient;
  return {
    address: formatAddress(address),
    status,
    next: status === "waiting" && next < Infinity ? formatTime(next) : null,
    kept: isKeptRecipient(recipient),
    attempts,
    mailbox: mailbox === undefined ? null : `${mailbox.domain}/${mailbox.user}`,
    forwardedBy: forwardedBy === undefined ? null : formatAddress(forwardedBy),
    notify: notify ?? null,
    noticed: recipient.noticed ?? [],
    history: history.map(detailAttempt),
  };
}

/**
 * Whether a recipient is kept until its domain asks (ETRN), as the last that was said of it tells: nobody has tried
 * since.
 */
export function isKeptRecipient({ status, history }: QueuedRecipient): boolean {
  const last = history.at(-1);
  return status === "waiting" && last !== undefined && last.host === undefined &&
    isKept(last.reply);
}

function detailAttempt({ time, reply, host, tls }: Attempt): AttemptDetails {
  return {
    time: formatTime(time),
    reply: describeReply(reply),
    host: host ?? null,
    tls: tls ?? null,
  };
}

function formatSender(sender: Address | null): string {
  return sender === null ? "" : formatAddress(sender);
}

/** The answer of the last attempt of any of them, with who gave it. */
function lastAnswer(recipients: readonly QueuedRecipient[]): string | null {
  let last: Attempt | undefined;
  for (const { history } of recipients) {
    const attempt = history.at(-1);
    if (attempt !== undefined && (last === undefined || attempt.time > last.time)) last = attempt;
  }
  if (last === undefined) return null;
  const said = describeReply(last.reply);
  return last.host === undefined ? said : `${last.host}: ${said}`;
}

function formatTime(time: number): string {
  return new Date(time).toISOString();
}
