/**
 * The extensions a listener offers in its answer to EHLO. Each can be switched; intake must be able
 * to honour what is offered.
 *
 * @module
 */

/** What is offered. The keyword lines are made by the session from these. */
export interface Extensions {
  /** RFC 2920. */
  readonly pipelining: boolean;
  /** RFC 1870: the greatest message in octets, 0 for no fixed limit, `false` not to offer. */
  readonly size: number | false;
  /** RFC 6152. */
  readonly eightBitMime: boolean;
  /** RFC 6531. */
  readonly smtputf8: boolean;
  /** RFC 2034. */
  readonly enhancedStatusCodes: boolean;
  /** RFC 3030. */
  readonly chunking: boolean;
  /** RFC 3030; needs chunking. */
  readonly binaryMime: boolean;
  /** RFC 3461. */
  readonly dsn: boolean;
  /** RFC 3207; offered in the clear only. */
  readonly startTls: boolean;
  /** RFC 4954: the mechanisms, in the order offered; empty not to offer. */
  readonly auth: readonly SaslMechanism[];
  /** RFC 9422: RCPTMAX and MAILMAX from the session's limits. */
  readonly limits: boolean;
  /** RFC 8689; offered over TLS only. */
  readonly requireTls: boolean;
  /** RFC 1985. */
  readonly etrn: boolean;
  /** Offered so that clients see it works (RFC 5321 §3.5); the answer is the driver's. */
  readonly verify: boolean;
  /** RFC 5321 §3.5. */
  readonly expand: boolean;
}

/** What AUTH can do here. */
export type SaslMechanism = "PLAIN" | "LOGIN" | "SCRAM-SHA-256";
