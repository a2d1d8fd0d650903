/**
 * What an authority says of when it wants a certificate renewed (ACME Renewal Information, RFC 9773), and what
 * certificates are called in that. Whom to ask is `authority.ts`, when, and what follows, `renewal_times.ts`.
 *
 * Pure; what is no answer is `null`.
 *
 * @module
 */

import type { X509Certificate } from "node:crypto";

/** What an authority says of a certificate. */
export interface RenewalInfo {
  /** Between which times it wants it renewed, epoch milliseconds; both may be over. */
  readonly start: number;
  readonly end: number;
  /** Milliseconds after which it wants to be asked again. */
  readonly again: number;
}

const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;
/** RFC 9773 §4.3.3, where an authority does not say. */
export const USUAL_PAUSE = 6 * HOUR;
/** `id-ce-authorityKeyIdentifier` in DER, as an object identifier, and the octet string behind it. */
const KEY_IDENTIFIER = Uint8Array.of(0x06, 0x03, 0x55, 0x1d, 0x23, 0x04);

/**
 * What a certificate is called (RFC 9773 §4.1): the identifier of its issuer's key and its serial number, in base64url;
 * `null` where it names no such key.
 */
export function certificateId({ raw, serialNumber }: X509Certificate): string | null {
  const at = raw.indexOf(KEY_IDENTIFIER);
  // [length, SEQUENCE, length, [0] keyIdentifier, length, octets]; it is short, and comes first (RFC 5280 §4.2.1.1).
  const [, sequence, , tag, length = 0] = raw.subarray(at + KEY_IDENTIFIER.length);
  if (at === -1 || sequence !== 0x30 || tag !== 0x80 || length >= 0x80) return null;
  const start = at + KEY_IDENTIFIER.length + 5;
  const digits = serialNumber.length % 2 === 0 ? serialNumber : `0${serialNumber}`;
  // As DER has it: positive.
  const serial = Uint8Array.fromHex(/^[89a-f]/i.test(digits) ? `00${digits}` : digits);
  return `${base64url(raw.subarray(start, start + length))}.${base64url(serial)}`;
}

/**
 * Reads an answer (RFC 9773 §4.2); `null` where it is none.
 *
 * @param retryAfter the field of that name, seconds or a date.
 *
 * @example
 * ```ts
 * import { readRenewalInfo } from "./renewal_info.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const suggestedWindow = { start: "2026-01-02T00:00:00Z", end: "2026-01-03T00:00:00Z" };
 * const start = Date.UTC(2026, 0, 2);
 * assertEquals(readRenewalInfo({ suggestedWindow }, "21600", 0), {
 *   start,
 *   end: start + 86_400_000,
 *   again: 21_600_000,
 * });
 * assertEquals(readRenewalInfo({ suggestedWindow: { start: "soon" } }, undefined, 0), null);
 * ```
 */
export function readRenewalInfo(
  body: unknown,
  retryAfter: unknown,
  now: number,
): RenewalInfo | null {
  const window = Object(Object(body).suggestedWindow);
  const [start, end] = [timeOf(window.start), timeOf(window.end)];
  if (!(start < end)) return null;
  const text = String(retryAfter);
  const wanted = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  const again = Number.isNaN(wanted) ? USUAL_PAUSE : Math.min(Math.max(wanted, HOUR), DAY);
  return { start, end, again };
}

/** `NaN` where it is none; some objects of JSON cannot even be made a text. */
function timeOf(value: unknown): number {
  return typeof value === "string" ? Date.parse(value) : NaN;
}

function base64url(octets: Uint8Array): string {
  return octets.toBase64({ alphabet: "base64url", omitPadding: true });
}
