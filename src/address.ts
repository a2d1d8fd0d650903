/**
 * Mail addresses as values (RFC 5321 §4.1.2, RFC 6531 §3.3): read, written and compared.
 *
 * @module
 */

/** A mailbox. */
export interface Address {
  /** The local part without quoting, as the client wrote it otherwise (case kept). */
  readonly local: string;
  /**
   * The domain in lower case, a name (U-labels kept as given), or a literal with its brackets
   * (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). Empty only for `<Postmaster>` (RFC 5321 §4.1.1.3).
   */
  readonly domain: string;
}
