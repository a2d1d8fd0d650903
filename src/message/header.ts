/**
 * A message's header section as a list of raw fields (RFC 5322 §2.2, RFC 5321 §4.4): untouched fields
 * stay byte for byte as they came.
 *
 * @module
 */

/** One header field with its folding and its CRLF. */
export interface RawField {
  /** The name as written. */
  readonly name: string;
  /** All octets of the field, from the name to the last CRLF. */
  readonly raw: Uint8Array;
}
