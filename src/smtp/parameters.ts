/**
 * The ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.2): read, checked against what the session
 * offers, and turned into values.
 *
 * @module
 */

/** What MAIL said beside the sender. */
export interface MailParameters {
  /** SIZE: octets the client announces (RFC 1870). */
  readonly size?: number;
  /** BODY (RFC 6152, RFC 3030). Absent: 7BIT. */
  readonly body?: "7BIT" | "8BITMIME" | "BINARYMIME";
  /** SMTPUTF8 (RFC 6531). */
  readonly smtputf8?: true;
  /** RET (RFC 3461 §4.3). */
  readonly dsnReturn?: "FULL" | "HDRS";
  /** ENVID, decoded (RFC 3461 §4.4). */
  readonly dsnEnvelopeId?: string;
  /** AUTH: who sent it first; `"<>"` for unknown (RFC 4954 §5). */
  readonly auth?: string;
  /** REQUIRETLS (RFC 8689). */
  readonly requireTls?: true;
}

/** What RCPT said beside the recipient. */
export interface RcptParameters {
  /** NOTIFY (RFC 3461 §4.1). */
  readonly notify?: readonly DsnNotify[];
  /** ORCPT, decoded (RFC 3461 §4.2). */
  readonly originalRecipient?: OriginalRecipient;
}

/** When to send a notice; `NEVER` stands alone (RFC 3461 §4.1). */
export type DsnNotify = "NEVER" | "SUCCESS" | "FAILURE" | "DELAY";

/** ORCPT: the address the sender first wrote, decoded (RFC 3461 §4.2). */
export interface OriginalRecipient {
  /** Such as `rfc822` or `utf-8` (RFC 6533). */
  readonly type: string;
  /** The address, decoded from xtext. */
  readonly address: string;
}
