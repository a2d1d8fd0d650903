/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677).
 *
 * @module
 */

/** What a server needs to check a password without having it (RFC 5802 §3, RFC 7677). */
export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}
