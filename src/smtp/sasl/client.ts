/**
 * What every client-side SASL mechanism looks like to the session (RFC 4422, RFC 4954): a machine that takes
 * challenges, base64 already undone, and says what comes next. It asks nobody, waits for nothing and draws no
 * random numbers.
 *
 * It leaves to the session: base64, the line length, `*` (cancelling), and the reply that ends the exchange. To
 * the driver: the slow derivation of a key. Nothing a server sends throws.
 *
 * @module
 */

/** What a mechanism wants next. */
export type SaslClientStep =
  /** Send this: as the initial response, or as the answer to the challenge. */
  | { readonly type: "respond"; readonly data: Uint8Array }
  /** Say the mechanism alone, and wait for a challenge. */
  | { readonly type: "wait" }
  /** Compute PBKDF2-HMAC-SHA-256, 32 octets, and hand it to {@link SaslClient.derived}. */
  | {
    readonly type: "derive";
    readonly password: Uint8Array;
    readonly salt: Uint8Array;
    readonly iterations: number;
  }
  /** Cancel. */
  | { readonly type: "failed"; readonly reason: string };

/** One exchange on the client's side. Made for one AUTH command and then thrown away. */
export interface SaslClient {
  /** The name in the registry, such as `PLAIN`. */
  readonly mechanism: string;
  /**
   * Whether a 235 may be believed now: a mechanism in which the server proves something (SCRAM) says so only
   * after the proof.
   */
  readonly complete: boolean;
  /** Begins. */
  start(): SaslClientStep;
  /** A challenge; `null` for one that was not base64. */
  challenge(data: Uint8Array | null): SaslClientStep;
  /** The answer to a `derive` step. */
  derived?(key: Uint8Array): SaslClientStep;
}

/** A step that ends the exchange. */
export function saslFailed(reason: string): SaslClientStep {
  return { type: "failed", reason };
}
