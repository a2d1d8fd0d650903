/**
 * What a peer offers, as its answer to EHLO or LHLO says (RFC 5321 §4.1.1.1).
 *
 * What cannot be read of a line (a SIZE that is no number, a limit of zero) is as if it were not there; lines
 * that name nothing we know are passed over. Nothing is thrown.
 *
 * @module
 */

/** What a peer offers. */
export interface PeerExtensions {
  /** What it calls itself: not to be relied on. */
  readonly name: string;
  /** Whether it answered EHLO or LHLO; after HELO nothing is offered. */
  readonly extended: boolean;
  /** RFC 2920. */
  readonly pipelining: boolean;
  /** RFC 1870: the greatest message in octets, 0 for no fixed limit, `false` for not offered. */
  readonly size: number | false;
  /** RFC 6152. */
  readonly eightBitMime: boolean;
  /** RFC 6531. */
  readonly smtputf8: boolean;
  /** RFC 2034. */
  readonly enhancedStatusCodes: boolean;
  /** RFC 3030. */
  readonly chunking: boolean;
  /** RFC 3030; only together with chunking. */
  readonly binaryMime: boolean;
  /** RFC 3461. */
  readonly dsn: boolean;
  /** RFC 3207; not once the socket is secured. */
  readonly startTls: boolean;
  /** RFC 4954: the mechanisms, in upper case, in the order offered. */
  readonly auth: readonly string[];
  /** RFC 8689; only over TLS. */
  readonly requireTls: boolean;
  /** RFC 1985. */
  readonly etrn: boolean;
  /** RFC 9422. */
  readonly limits: PeerLimits;
}

/** RFC 9422 §4: how much one session may carry; absent: not said. */
export interface PeerLimits {
  /** Transactions in a session. */
  readonly mailMax?: number;
  /** Recipients of a transaction. */
  readonly rcptMax?: number;
  /** Different domains among the recipients of a transaction. */
  readonly rcptDomainMax?: number;
}
