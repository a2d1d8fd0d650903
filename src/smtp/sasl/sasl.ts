/**
 * What every server-side SASL mechanism looks like to the session (RFC 4422, and RFC 4954 for how SMTP
 * carries it): a machine that takes the octets the client sent, base64 already undone, and says what
 * comes next. It asks nobody, waits for nothing and draws no random numbers.
 *
 * It leaves to the session: base64, the line length, `*` (cancelled), and the replies. It leaves to
 * the driver: whether a password is right, and whether `name` may act as `authorize`.
 *
 * How the steps become lines of RFC 4954 §4:
 *
 * | step | the session |
 * | --- | --- |
 * | `challenge` | sends `334 ` and base64 of `data` (a bare `334 ` when empty), gives the answer to `respond` |
 * | `credentials` | asks the driver, then 235 or 535 |
 * | `verifier` | asks the driver for the verifier, gives it to `verifier`, goes on with the step that returns |
 * | `proved` | asks the driver whether this name may act so, then 235 or 535 |
 * | `failed` | 501 5.5.2 when `malformed`, else 535 5.7.8 |
 *
 * SMTP cannot carry data in a 235, so a mechanism whose success has data (SCRAM's server signature)
 * sends it as one more challenge, which the client answers with an empty line; only then does it say
 * `proved` (RFC 4954 §4, RFC 4422 §3.6). The session needs no rule of its own for that.
 *
 * What fails: nothing a client sends throws. Calling a method out of turn (`respond` after a step that
 * was no challenge, `verifier` when none was asked for) is a bug of the caller and may.
 *
 * @module
 */

import type { ScramVerifier } from "./scram_verifier.ts";

/** What a mechanism wants next. */
export type SaslStep =
  /** Send this and hand the answer to {@link SaslServer.respond}. */
  | { readonly type: "challenge"; readonly data: Uint8Array }
  /** PLAIN, LOGIN: the machine is done; somebody must check the password. */
  | {
    readonly type: "credentials";
    /** Whom to act as; equal to `name` when the client did not say. */
    readonly authorize: string;
    readonly name: string;
    readonly password: string;
  }
  /** SCRAM: hand the verifier of `name` to {@link SaslServer.verifier}, a fake one when it is unknown. */
  | { readonly type: "verifier"; readonly name: string }
  /** SCRAM: the client has proved that it knows the password behind the verifier given. */
  | { readonly type: "proved"; readonly authorize: string; readonly name: string }
  /** The machine is done, and the client is not logged in. */
  | {
    readonly type: "failed";
    /** For the log; the client is told less. */
    readonly reason: string;
    /** Whom it was about, as far as the client had said. */
    readonly name: string | null;
    /** The client broke the syntax, as opposed to having the wrong password. */
    readonly malformed: boolean;
  };

/** What a mechanism that is told passwords takes for one. */
export interface PasswordRules {
  /** Whether it may be empty, against RFC 4616 §2. Default `false`. */
  readonly emptyPassword?: boolean;
}

/** One exchange on the server's side. Made for one AUTH command and then thrown away. */
export interface SaslServer {
  /** The name in the registry, such as `PLAIN`. */
  readonly mechanism: string;
  /** Begins. `initial` is the initial response, decoded; `null` when AUTH had none. */
  start(initial: Uint8Array | null): SaslStep;
  /** The client's answer to a challenge, decoded. */
  respond(data: Uint8Array): SaslStep;
  /** The answer to a `verifier` step. */
  verifier?(verifier: ScramVerifier): SaslStep;
}

/**
 * Octets of a name (RFC 4616 §2 asks for 255 at least; an address may have 320). Longer ones are
 * malformed.
 */
export const MAX_NAME = 512;

/** Octets of a password. Longer ones are malformed: they would only cost us hashing. */
export const MAX_PASSWORD = 1024;

/** A step that ends the exchange because the client broke the syntax. */
export function malformed(reason: string, name: string | null = null): SaslStep {
  return { type: "failed", reason, name, malformed: true };
}
