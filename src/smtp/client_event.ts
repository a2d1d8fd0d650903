/**
 * What a client session is told to do and what it tells its driver. Values only.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { DsnNotify, OriginalRecipient } from "./parameters.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import type { Reply } from "./reply.ts";

/** One message's envelope, as it shall be said to the peer. An envelope of the queue is one. */
export interface Transaction {
  /** The reverse-path; `null` for `<>`. */
  readonly sender: Address | null;
  /** The forward-paths: at least one, at most `ClientSession.recipientLimit`. */
  readonly recipients: readonly TransactionRecipient[];
  /** Octets of the message, line ends as CRLF, dots not doubled (RFC 1870 §6.1); may be an estimate. */
  readonly size?: number;
  /** What the message is. A peer that does not take it is not asked: see {@link RecipientOutcome.remote}. */
  readonly body: "7BIT" | "8BITMIME" | "BINARYMIME";
  /** Whether SMTPUTF8 must be said (RFC 6531). */
  readonly smtputf8: boolean;
  /** Whether REQUIRETLS must be said (RFC 8689). */
  readonly requireTls: boolean;
  /** RET; said where DSN is offered (RFC 3461 §4.3). */
  readonly dsnReturn?: "FULL" | "HDRS";
  /** ENVID, decoded; said where DSN is offered (RFC 3461 §4.4). */
  readonly dsnEnvelopeId?: string;
}

/** One recipient of a {@link Transaction}. */
export interface TransactionRecipient {
  /** The forward-path. */
  readonly address: Address;
  /** NOTIFY; said where DSN is offered (RFC 3461 §4.1). */
  readonly notify?: readonly DsnNotify[];
  /** ORCPT, decoded; said where DSN is offered (RFC 3461 §4.2). */
  readonly originalRecipient?: OriginalRecipient;
}

/** How far a recipient came: which command was decided on. `end` is the end of the message. */
export type TransactionStage = "mail" | "rcpt" | "data" | "end";

/** What became of one recipient. */
export interface RecipientOutcome {
  /** The index in {@link Transaction.recipients}. */
  readonly recipient: number;
  /** Whether the peer has taken the message for this recipient: 2xx after its end. */
  readonly accepted: boolean;
  /** What decided it: bounded, and free of controls. */
  readonly reply: Reply;
  /** Whether the reply is the peer's; else the words are ours. */
  readonly remote: boolean;
  /** Which command decided it. */
  readonly stage: TransactionStage;
  /** Accepted by a peer that does DSN, and was told what the sender asked for (RFC 3461 §5.2.2). */
  readonly dsnHandedOn: boolean;
  /**
   * Not accepted as far as we know, but the whole message was sent and its reply was not seen (RFC 1047): to
   * send it again may give a second copy, not to send it again may give none.
   */
  readonly maybeDelivered: boolean;
}

/** Why a session is over. */
export type ClientFailure =
  /** The greeting turned us away: `reply`. */
  | "greeting"
  /** Refused, and no way on: EHLO and HELO too, RSET, or a message in its middle: `reply`. */
  | "refused"
  /** The peer said 421, whenever: `reply`. */
  | "shutting-down"
  /** The connection ended. */
  | "closed"
  /** The peer did not answer in time. */
  | "timeout"
  /** What came is no SMTP reply, too long, or an answer to nothing. */
  | "garbage"
  /** We broke off a message that cannot be broken off otherwise: `ClientSession.abandonBody()`. */
  | "abandoned";

/**
 * What happened. For each `send()` there is exactly one `outcomes`, with one outcome for each recipient, even
 * if the session fails; it comes before `failed` then.
 */
export type ClientEvent =
  /** The peer has told what it offers: again after TLS. An intent is awaited. */
  | {
    readonly type: "ready";
    readonly hello: "EHLO" | "HELO" | "LHLO";
    readonly greeting: Reply;
    readonly peer: PeerExtensions;
  }
  /** 220 to STARTTLS: secure the socket, then call `tlsStarted()`. */
  | { readonly type: "start-tls"; readonly reply: Reply }
  /** No TLS; the session goes on in clear and awaits an intent. `remote`: see {@link RecipientOutcome}. */
  | { readonly type: "tls-refused"; readonly reply: Reply; readonly remote: boolean }
  /** Compute PBKDF2-HMAC-SHA-256 of these, 32 octets, and give it to `derived()`. */
  | {
    readonly type: "derive";
    readonly password: Uint8Array;
    readonly salt: Uint8Array;
    readonly iterations: number;
  }
  /** 235; an intent is awaited. */
  | { readonly type: "authenticated"; readonly mechanism: string; readonly reply: Reply }
  /** Not logged in; an intent is awaited. 4xx: may work later. `remote`: see {@link RecipientOutcome}. */
  | {
    readonly type: "auth-failed";
    readonly mechanism: string | null;
    readonly reply: Reply;
    readonly remote: boolean;
  }
  /** Some recipients are taken, and the message is awaited: `writeBody()`, `endBody()`. */
  | { readonly type: "body" }
  /** The transaction is over. */
  | { readonly type: "outcomes"; readonly outcomes: readonly RecipientOutcome[] }
  /** `reset()` or `noop()` was answered; an intent is awaited. */
  | { readonly type: "done"; readonly command: "RSET" | "NOOP"; readonly reply: Reply }
  /** Octets came in clear after the reply to STARTTLS: somebody injected them, and they are dropped. Told once. */
  | { readonly type: "fault"; readonly kind: "plaintext-after-starttls" }
  /** The session is over, as asked by `quit()`. */
  | { readonly type: "quit" }
  /** The session is over otherwise. */
  | {
    readonly type: "failed";
    readonly kind: ClientFailure;
    /** What the peer said, or our own words. */
    readonly reply: Reply;
    /** Whether the reply is the peer's. */
    readonly remote: boolean;
    /** What was awaited: `greeting`, a command such as `RCPT`, `message` (while sending it), `end`, or `idle`. */
    readonly where: string;
    /** As in {@link RecipientOutcome}, for any recipient. */
    readonly maybeDelivered: boolean;
  };
