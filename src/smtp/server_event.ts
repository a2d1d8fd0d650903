/**
 * What a server session tells its driver, and what the driver answers. Values only.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { MailParameters, RcptParameters } from "./parameters.ts";
import type { Reply } from "./reply.ts";
import type { ScramVerifier } from "./sasl/scram.ts";

/**
 * What happened. Events marked *answer* hold the session until {@link ServerAnswer} is given; the
 * others are facts, and `next()` may be called again at once.
 */
export type ServerEvent =
  /** *answer*: the greeting: 220, or 4xx/5xx to turn the client away (RFC 5321 §3.1). */
  | { readonly type: "connect" }
  /** *answer*: the client said who it is. */
  | { readonly type: "hello"; readonly verb: "HELO" | "EHLO" | "LHLO"; readonly name: string }
  /** *answer*: credentials to check (PLAIN, LOGIN). */
  | {
    readonly type: "auth";
    readonly mechanism: string;
    /** Whom to act as; equal to `name` when the client did not say. */
    readonly authorize: string;
    readonly name: string;
    readonly password: string;
  }
  /** *answer*: a SCRAM exchange needs the verifier of a name. */
  | { readonly type: "scram"; readonly mechanism: string; readonly name: string }
  /** *answer*: a SCRAM exchange proved the password of `name`. */
  | {
    readonly type: "authenticated";
    readonly mechanism: string;
    readonly authorize: string;
    readonly name: string;
  }
  /** A SASL exchange failed for reasons of its own (bad proof, bad syntax, cancelled). */
  | {
    readonly type: "auth-failed";
    readonly mechanism: string;
    readonly name: string | null;
    readonly reason: string;
  }
  /** *answer*: MAIL. A 2xx answer opens the transaction. */
  | {
    readonly type: "sender";
    readonly sender: Address | null;
    readonly parameters: MailParameters;
  }
  /** *answer*: RCPT. */
  | { readonly type: "recipient"; readonly recipient: Address; readonly parameters: RcptParameters }
  /** *answer*: DATA, or the first BDAT. 354 goes on (it is sent for DATA only); anything else refuses the body. */
  | { readonly type: "body"; readonly command: "DATA" | "BDAT" }
  /** Octets of the message, dots and chunk heads removed. The view is valid until the next `next()`. */
  | { readonly type: "chunk"; readonly bytes: Uint8Array }
  /** *answer*: the message is whole. */
  | { readonly type: "end"; readonly size: number }
  /** The transaction is gone: RSET or EHLO came, or its message is refused with `refusal`. */
  | { readonly type: "abort"; readonly reason: string; readonly refusal?: Reply }
  /** *answer*: VRFY. */
  | { readonly type: "verify"; readonly argument: string }
  /** *answer*: EXPN. */
  | { readonly type: "expand"; readonly argument: string }
  /** *answer*: ETRN (RFC 1985). */
  | { readonly type: "etrn"; readonly domain: string }
  /** The client wants TLS: write what `take()` gives, secure the socket, call `tlsStarted()`. */
  | { readonly type: "starttls" }
  /** Something a log or a ban counter wants to know; the reply is already made. */
  | { readonly type: "fault"; readonly kind: FaultKind; readonly detail: string }
  /** QUIT, or the session gave up on the client; `waiting` is "closed". */
  | { readonly type: "quit"; readonly clean: boolean };

/** What a client did wrong. */
export type FaultKind =
  | "refused"
  | "early-talk"
  | "unauthorized-pipelining"
  | "syntax"
  | "too-many-errors"
  | "too-many-commands"
  | "line-too-long"
  | "bare-newline"
  | "too-big"
  | "not-smtp"
  | "plaintext-after-starttls";

/** The driver's answer to an event. */
export type ServerAnswer =
  | { readonly reply: Reply }
  /** LMTP after the message: one for each accepted recipient, in order (RFC 2033 §4.2). */
  | { readonly replies: readonly Reply[] }
  /** To "scram"; never null: unknown names get a fake. */
  | { readonly verifier: ScramVerifier }
  /** To "auth" and "authenticated": who the client is from now on. */
  | { readonly identity: string };
