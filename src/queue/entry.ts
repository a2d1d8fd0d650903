/**
 * The envelope: what SMTP says about a message beside the message (RFC 5321 §2.3.1), and what a
 * station must remember to hand it on.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { DsnNotify, OriginalRecipient } from "../smtp/parameters.ts";

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
