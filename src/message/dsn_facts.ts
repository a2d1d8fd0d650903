/**
 * What a notice (RFC 3464) is made of, as values.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { OriginalRecipient } from "../smtp/parameters.ts";
import type { Reply } from "../smtp/reply.ts";

/** What a notice tells: the Action of RFC 3464 §2.3.3. */
export type DsnKind = "failed" | "delayed" | "delivered" | "relayed";

/** One recipient of the message it is about. Times are in milliseconds since the epoch. */
export interface DsnRecipient {
  /** Final-Recipient. */
  readonly address: Address;
  /** What ORCPT said (RFC 3461 §4.2). */
  readonly originalRecipient?: OriginalRecipient;
  /** An alias of ours sent it on; `address` is the alias, and nothing tells where it led. */
  readonly forwarded?: boolean;
  /** The last answer. */
  readonly reply: Reply;
  /** Who gave it, such as `mx.example.org [192.0.2.7]:25`; absent: it is ours. */
  readonly host?: string;
  /** The last attempt. */
  readonly lastAttempt?: number;
  /** The next attempt, in a delay notice. */
  readonly nextAttempt?: number;
  /** When it will be given up, in a delay notice. */
  readonly retryUntil?: number;
}

/** What a notice is made of. Times are in milliseconds since the epoch. */
export interface DsnFacts {
  /** What is told. */
  readonly kind: DsnKind;
  /** The notice's own id: an atom. The Message-ID and the boundary are made from it. */
  readonly id: string;
  /** Our name: Reporting-MTA. */
  readonly hostname: string;
  /** Now. */
  readonly time: number;
  /** Who reads it. */
  readonly to: Address;
  /** Whether that is the sender, or the postmaster since the sender cannot be told. */
  readonly audience: "sender" | "postmaster";
  /** Whom people may ask. */
  readonly postmaster?: Address;
  /** The reverse-path of the message it is about. */
  readonly sender: Address | null;
  /** Its ENVID, decoded (RFC 3461 §4.4). */
  readonly envelopeId?: string;
  /** When it came to us. */
  readonly arrived: number;
  /** Its subject, decoded, for people. */
  readonly subject?: string;
  /** Its Message-ID field's value. */
  readonly messageId?: string;
  /** It was sent with SMTPUTF8 (RFC 6531). */
  readonly smtputf8: boolean;
  /** Its header section. */
  readonly head: Uint8Array;
  /** Its body, where it is to be returned whole; `null`: the header section will do. */
  readonly body: Uint8Array | null;
  /** Those with this fate. */
  readonly recipients: readonly DsnRecipient[];
}
