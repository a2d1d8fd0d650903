/**
 * The envelope: what SMTP says about a message beside the message (RFC 5321 §2.3.1), and what a
 * station must remember to hand it on: the entry of the queue.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { Mailbox } from "../directory/directory.ts";
import type { DsnNotify, OriginalRecipient } from "../smtp/parameters.ts";
import type { Reply } from "../smtp/reply.ts";

/** The envelope of one message. */
export interface Envelope {
  /** The reverse-path; `null` for the null sender `<>` (RFC 5321 §4.5.5). */
  readonly sender: Address | null;
  /** The forward-paths, as accepted. */
  readonly recipients: readonly EnvelopeRecipient[];
  /** RFC 6152, RFC 3030. */
  readonly body: "7BIT" | "8BITMIME" | "BINARYMIME";
  /** The client asked for SMTPUTF8 (RFC 6531). */
  readonly smtputf8: boolean;
  /** The message must only travel over TLS (RFC 8689). */
  readonly requireTls: boolean;
  /** What a failure notice shall hold (RFC 3461 §4.3). */
  readonly dsnReturn?: "FULL" | "HDRS";
  /** The sender's own mark of the envelope, decoded from xtext (RFC 3461 §4.4). */
  readonly dsnEnvelopeId?: string;
}

/** One recipient and what its sender asked to be told of it. */
export interface EnvelopeRecipient {
  /** The forward-path. */
  readonly address: Address;
  /** RFC 3461 §4.1; absent: on failure, and on delay if the station wishes. */
  readonly notify?: readonly DsnNotify[];
  /** RFC 3461 §4.2. */
  readonly originalRecipient?: OriginalRecipient;
}

/**
 * One message in the queue: its envelope and what became of each recipient so far. A value: whoever
 * changes it makes another one.
 */
export interface QueueEntry extends Envelope {
  /** Unique for all time; letters, digits, `.`, `_` and `-`, no dot in front, at most 100: fit for a file name. */
  readonly id: string;
  /** When the message was accepted, in milliseconds since the epoch. */
  readonly received: number;
  /** Octets of the header section, every field with its CRLF, the empty line not counted. */
  readonly headSize: number;
  /** Octets of the body, the empty line before it not counted. */
  readonly bodySize: number;
  /** Each with what became of it. */
  readonly recipients: readonly QueuedRecipient[];
  /** Where it came from, for the log and for people. */
  readonly origin: EntryOrigin;
  /** An operator stopped it: no attempts until it is released. */
  readonly held?: { readonly since: number; readonly reason: string };
  /** Why its copies in mailboxes here lie in the folder Junk; absent: they lie in the inbox. */
  readonly junk?: string;
}

/** Where an entry came from. */
export interface EntryOrigin {
  /** A session brought it, a program submitted it, or it is a notice (RFC 3464) we made. */
  readonly kind: "session" | "submit" | "notice";
  /** The session's id, or for a notice the id of the entry it is about. */
  readonly session?: string;
  /** The client's IP address, or `"unix"`. */
  readonly client?: string;
  /** Who had logged in. */
  readonly identity?: string;
}

/** What has become of one recipient. */
export type RecipientStatus =
  /** To be tried at `next`. */
  | "waiting"
  /** In its mailbox, or taken by the LMTP server or program that ends the road. */
  | "delivered"
  /** Another station has it. */
  | "relayed"
  /** It cannot be done. */
  | "failed";

/** One recipient of a message in the queue. */
export interface QueuedRecipient extends EnvelopeRecipient {
  /** A mailbox here, the end of the road; absent: `address` is to be routed. */
  readonly mailbox?: Mailbox;
  /**
   * The address of ours that sent it on, an alias: senders are told of it, and not where it leads (RFC 3461
   * §5.2.7). Where that is elsewhere, the envelope sender is rewritten (SRS) for this recipient.
   */
  readonly forwardedBy?: Address;
  /** What has become of it. */
  readonly status: RecipientStatus;
  /**
   * When to try next, in milliseconds since the epoch; means nothing but while waiting. Of mail that is kept until
   * its domain asks for it (ETRN), the end of its lifetime.
   */
  readonly next: number;
  /** Attempts so far. */
  readonly attempts: number;
  /** The last attempts, oldest first, ten at most. */
  readonly history: readonly Attempt[];
  /** Kinds of notice (RFC 3464) that its sender has been sent, or that are not to be sent. */
  readonly noticed?: readonly NoticeKind[];
  /** Relayed to a station that does DSN itself: success is for it to report (RFC 3461 §5.2.2). */
  readonly dsnHandedOn?: boolean;
}

/** What a notice tells: the Action of RFC 3464 §2.3.3. */
export type NoticeKind = "failed" | "delayed" | "delivered" | "relayed";

/** One attempt and its answer. */
export interface Attempt {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Who answered, such as `mx.example.org [192.0.2.7]:25`; absent: nobody, the answer is ours. */
  readonly host?: string;
  /** The answer, or our own words for what happened (RFC 3463 codes in either case). */
  readonly reply: Reply;
  /** What TLS was used, such as `TLSv1.3`. */
  readonly tls?: string;
}

/**
 * When the entry has work to do: the earliest attempt of a waiting recipient, or at once (0) where only
 * notices are left. One whose attempt is at `Infinity` has none.
 */
export function nextAttempt({ recipients }: QueueEntry): number {
  let next: number | null = null;
  for (const { status, next: time } of recipients) {
    if (status === "waiting" && (next === null || time < next)) next = time;
  }
  return next ?? 0;
}
