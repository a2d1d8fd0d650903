/**
 * What a server session must be told: who we are, what is offered, and how much a client may do.
 * Plain data; `server/roles.ts` has the usual sets.
 *
 * @module
 */

import type { Extensions } from "./extensions.ts";

/** Settings of one session. */
export interface SessionSettings {
  /** Our name, in the greeting and in the answer to EHLO (RFC 5321 §4.1.1.1). */
  readonly hostname: string;
  /** SMTP, or LMTP (RFC 2033: LHLO, and one reply a recipient after the message). */
  readonly protocol: "smtp" | "lmtp";
  /** What is offered. */
  readonly extensions: Extensions;
  /** How much a client may do. */
  readonly limits: SessionLimits;
  /** `required`: MAIL is refused with 530 5.7.0 until the client has logged in. */
  readonly auth: "none" | "optional" | "required";
  /** Whether AUTH may be used before TLS. Passwords then travel in the clear. */
  readonly authInClear: boolean;
  /**
   * Whether PLAIN and LOGIN take an empty password, against RFC 4616 §2. Only for where any password is
   * right; elsewhere it never reaches whoever checks it, since some (LDAP) take it for no login at all.
   * Default `false`.
   */
  readonly emptyPassword?: boolean;
  /** `required`: MAIL and AUTH are refused with 530 5.7.0 before TLS. */
  readonly tls: "optional" | "required";
  /**
   * What a bare CR or LF in a message leads to: `strict` refuses the message (550 5.5.2), `normalize`
   * makes it CRLF. Neither ends a message.
   */
  readonly newlines: "strict" | "normalize";
  /** Whether talking before the greeting, or on after EHLO, ends the session (RFC 2920 §3.1). */
  readonly refuseEarlyTalk: boolean;
  /** What the greeting says after the host name. */
  readonly banner: string;
  /** How long the greeting waits for a client that talks too early, in milliseconds. */
  readonly greetingDelay: number;
  /** What HELP answers, a line each. */
  readonly help: string;
}

/** How much one client may do in one session. */
export interface SessionLimits {
  /** Octets of a message (RFC 1870). */
  readonly messageSize: number;
  /** Accepted recipients of a message; at least 100 (RFC 5321 §4.5.3.1.8). */
  readonly recipients: number;
  /** RCPT commands refused in a session before it is ended with 421: dictionary attacks. */
  readonly refusedRecipients: number;
  /** Messages in a session, but for clients that are trusted. */
  readonly messages: number;
  /** Octets of a command line with CRLF: 512 by RFC 5321 §4.5.3.1.4, and what extensions add. */
  readonly commandLine: number;
  /** Octets of a line in a SASL exchange (RFC 4954 §4). */
  readonly authLine: number;
  /** Commands answered with 4xx or 5xx before the session is ended with 421. */
  readonly errors: number;
  /** Commands in a session that bring no mail forward (NOOP, RSET, VRFY, …). */
  readonly idleCommands: number;
  /** Logins that fail before the session is ended with 421. */
  readonly failedLogins: number;
  /** Octets a second at which a message must come, on average over `timeouts.data`; 0: at any. */
  readonly bodyRate: number;
  /** Milliseconds (RFC 5321 §4.5.3.2). */
  readonly timeouts: SessionTimeouts;
}

/** How long each wait may last, in milliseconds (RFC 5321 §4.5.3.2). */
export interface SessionTimeouts {
  /** For the next command, and from its first octet to its last: 5 minutes. */
  readonly command: number;
  /** For the next octets of a message: 3 minutes a block. Pauses that follow on each other share it, see `bodyRate`. */
  readonly data: number;
  /** For a client to read what we answer. */
  readonly reply: number;
  /** For a TLS handshake. */
  readonly handshake: number;
  /** For one whole message from 354 to its end. */
  readonly message: number;
  /** For a session until its first message is there, and from each message to the next. */
  readonly withoutMail: number;
  /** For a whole session. */
  readonly session: number;
}
