/**
 * The signature of a request, by which its receiver knows that it is from us, unchanged and new: that of Standard
 * Webhooks (standardwebhooks.com), HMAC-SHA-256 over id, time and body, in three header fields. Any library for
 * Standard Webhooks checks it, or five lines of any language do.
 *
 * Pure; the time and the id are the caller's.
 *
 * @module
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { encode } from "../../bytes.ts";

/** Characters a secret must have. */
export const MIN_HOOK_SECRET = 16;
/** Seconds that the clocks of sender and receiver may differ, as Standard Webhooks has it. */
export const SIGNATURE_TOLERANCE = 300;

/** The header fields of a signed request. */
export interface SignatureHeaders {
  /** Another one for each request. */
  readonly "webhook-id": string;
  /** When it was made: seconds since the epoch. */
  readonly "webhook-timestamp": string;
  /** `v1,` and the HMAC in base64; several parted by a blank where a receiver knows several secrets. */
  readonly "webhook-signature": string;
}

/** What the HMAC is keyed with: the octets behind `whsec_` in base64, or the text of any other secret. */
function keyOf(secret: string): Uint8Array {
  if (!secret.startsWith("whsec_")) return encode(secret);
  try {
    return Uint8Array.fromBase64(secret.slice("whsec_".length));
  } catch {
    return encode(secret);
  }
}

function signatureOf(secret: string, id: string, timestamp: string, body: Uint8Array): string {
  const hmac = createHmac("sha256", keyOf(secret)).update(`${id}.${timestamp}.`).update(body);
  return `v1,${hmac.digest("base64")}`;
}

/**
 * Signs a request.
 *
 * @param time milliseconds since the epoch.
 */
export function signHook(
  secret: string,
  id: string,
  time: number,
  body: Uint8Array,
): SignatureHeaders {
  const timestamp = `${Math.floor(time / 1000)}`;
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatureOf(secret, id, timestamp, body),
  };
}

/**
 * Whether a request is from somebody who knows the secret, and no older (or newer) than
 * {@link SIGNATURE_TOLERANCE}. For receivers written with this library.
 *
 * @param header gives a header field of the request, `null` where there is none. @param time milliseconds since the epoch.
 *
 * @example
 * ```ts
 * import { signHook, verifyHook } from "./signature.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const body = new TextEncoder().encode("{}");
 * const headers = new Headers({ ...signHook("a secret of ours", "1", 1_000_000, body) });
 * const header = (name: string) => headers.get(name);
 * assertEquals(verifyHook("a secret of ours", header, 1_060_000, body), true);
 * assertEquals(verifyHook("another secret", header, 1_060_000, body), false);
 * assertEquals(verifyHook("a secret of ours", header, 1_301_000, body), false);
 * ```
 */
export function verifyHook(
  secret: string,
  header: (name: string) => string | null,
  time: number,
  body: Uint8Array,
): boolean {
  const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"]
    .map(header);
  if (!id || !timestamp || !signatures || !/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(time / 1000 - Number(timestamp)) > SIGNATURE_TOLERANCE) return false;
  const wanted = encode(signatureOf(secret, id, timestamp, body));
  return signatures.split(" ").some((one) => {
    const given = encode(one);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}
