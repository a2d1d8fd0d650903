/**
 * The advice that a developer needs whose mail program does not trust the certificate a station made
 * for itself: such a program breaks the handshake off, or ends it and goes away without a word. The
 * log alone would say only that the client left.
 *
 * @module
 */

import type { MtaEvent } from "../events.ts";

/** Turns an event into a line, or `null` for none. */
type Formatter = (event: MtaEvent) => string | null;

/** Sessions under TLS whose client has not shown itself yet, held at once. */
const MAX_HELD = 10_000;

/**
 * Adds a hint to the lines of clients that went away over TLS.
 *
 * @param format makes the lines.
 * @param certificate the path of the certificate that nobody has signed but itself.
 *
 * @example
 * ```ts
 * import { hintAtTrust } from "./trust_hint.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const format = hintAtTrust((event) => event.type, "tls/certificate.pem");
 * const time = 1_795_000_000_000;
 * assertEquals(
 *   format({ time, type: "tls.failed", session: "kx3f", client: "127.0.0.1", error: "cut off" }),
 *   "tls.failed  (the client may not trust our self-signed certificate: tls/certificate.pem, " +
 *     "or start with --no-tls)",
 * );
 * ```
 */
export function hintAtTrust(format: Formatter, certificate: string): Formatter {
  const advice =
    `(the client may not trust our self-signed certificate: ${certificate}, or start with --no-tls)`;
  const silent = new Set<string>();
  return (event) => {
    const failure = asFailure(event, silent);
    const line = format(failure ?? event);
    return failure === null || line === null ? line : `${line}  ${advice}`;
  };
}

/** A handshake that failed, or one that worked for a client that left at once; else `null`. */
function asFailure(event: MtaEvent, silent: Set<string>): MtaEvent & { type: "tls.failed" } | null {
  if (event.type === "tls.failed") return event;
  if (event.type === "tls.started") {
    if (silent.size < MAX_HELD) silent.add(event.session);
    return null;
  }
  const wasSilent = "session" in event && event.session !== undefined &&
    silent.delete(event.session);
  if (!wasSilent || event.type !== "session.closed" || event.reason !== PEER_CLOSED) return null;
  const { time, session, client } = event;
  return { time, type: "tls.failed", session, client, error: "left without a command after it" };
}

/** What `session.closed` says of a client that did not say QUIT. */
const PEER_CLOSED = "closed by peer";
