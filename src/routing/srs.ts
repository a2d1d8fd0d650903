/**
 * The sender rewriting scheme: mail that an alias sends on leaves with a sender of our domain, so that SPF
 * (RFC 7208) holds at the next station, and a bounce to that address is sent back to whom it belongs.
 *
 * No RFC describes it; this is the guarded scheme of Mail::SRS and libsrs2:
 *
 *     alice@a.example, sent on by b.example   SRS0=HHHHHHHH=TT=a.example=alice@b.example
 *     that, sent on by c.example              SRS1=HHHHHHHH=b.example==HHHHHHHH=TT=a.example=alice@c.example
 *
 * `HHHHHHHH` is the beginning of a base64 HMAC-SHA1 over what follows it, in lower case; `TT` counts days. A
 * bounce is taken only for what we made ourselves, and only for {@link SRS_MAX_AGE} days: else we would
 * be an open relay. Some stations write a local part in lower case, so a hash that differs in case only
 * is taken too; 5 bits are left of each letter then. The four letters that others use are guessed in
 * seconds, by asking for recipients; eight (`HashLength` of Mail::SRS) take years.
 *
 * Pure: the time is an argument.
 *
 * @module
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { type Address, domainKey, formatAddress, parseAddress } from "../address.ts";
import { encode } from "../bytes.ts";

/** Days for which a rewritten sender can be restored: longer than any station tries. */
export const SRS_MAX_AGE = 21;

/** Characters of a secret at least. */
export const SRS_MIN_SECRET = 16;

const DAY = 24 * 60 * 60 * 1000;
/** Days that two letters can tell apart. */
const CYCLE = 1024;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HASH_LENGTH = 8;
/** RFC 5321 §4.5.3.1.1. */
const LOCAL_LIMIT = 64;

/**
 * The sender as it leaves with mail that an alias of `domain` sends on.
 *
 * The null sender stays null, one of the same domain stays as it is. `null` also where the result would
 * be longer than a local part may be: such mail is better sent with the sender it has (`rewriteSender(…)
 * ?? sender`), since a bounce then finds its way, and SPF fails only where DKIM does not help.
 *
 * @param domain ours, where bounces come back. @param secret of this station. @param now epoch milliseconds.
 *
 * @example
 * ```ts
 * import { restoreSender, rewriteSender } from "./srs.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const alice = { local: "alice", domain: "a.example" };
 * const rewritten = rewriteSender(alice, "b.example", "a secret", 1_700_000_000_000);
 * assertEquals(rewritten?.domain, "b.example");
 * assertEquals(restoreSender(rewritten!, ["a secret"], 1_700_000_000_000), alice);
 * assertEquals(restoreSender(rewritten!, ["another"], 1_700_000_000_000), null);
 * ```
 */
export function rewriteSender(
  sender: Address | null,
  domain: string,
  secret: string,
  now: number,
): Address | null {
  if (sender === null || domainKey(sender.domain) === domainKey(domain)) return sender;
  const rewritten = { local: rewriteLocal(sender, secret, now), domain };
  const written = formatAddress({ ...rewritten, domain: "" });
  return encode(written).length > LOCAL_LIMIT ? null : rewritten;
}

/** What {@link forwardedSender} goes by. */
export interface ForwardingStation {
  /** Our name: the domain for `<postmaster>`, which has none. */
  readonly hostname: string;
  /** What rewritten senders are signed with. */
  readonly srsSecret: string;
}

/**
 * The sender of mail that an address of ours sends on: of our domain, where one can be made, so that SPF
 * holds; else as it was.
 *
 * @param forwardedBy the address of ours; absent where mail only passes.
 * @param received when the mail came, epoch milliseconds: so it is the same sender at every attempt.
 */
export function forwardedSender(
  sender: Address | null,
  forwardedBy: Address | undefined,
  { hostname, srsSecret }: ForwardingStation,
  received: number,
): Address | null {
  if (forwardedBy === undefined || sender === null) return sender;
  const domain = forwardedBy.domain === "" ? hostname : forwardedBy.domain;
  return rewriteSender(sender, domain, srsSecret, received) ?? sender;
}

function rewriteLocal({ local, domain }: Address, secret: string, now: number): string {
  const again = /^SRS1[-+=][^=]*=([^=]+)=([^]+)$/i.exec(local);
  if (again !== null) {
    // However many stations there are, the way back goes from us to the first of them.
    const [, first = "", rest = ""] = again;
    return `SRS1=${hash(secret, first, rest)}=${first}=${rest}`;
  }
  if (/^SRS0[-+=]/i.test(local)) {
    const rest = local.slice(4);
    return `SRS1=${hash(secret, domain, rest)}=${domain}=${rest}`;
  }
  const day = formatDay(now);
  return `SRS0=${hash(secret, day, domain, local)}=${day}=${domain}=${local}`;
}

/** Whether an address looks rewritten: if {@link restoreSender} has no answer then, there is no such user. */
export function isRewrittenSender(address: Address): boolean {
  return /^SRS[01][-+=]/i.test(address.local);
}

/**
 * Whom mail to a rewritten sender is for; `null` where we did not make it, or too long ago.
 *
 * @param secrets those in use, the newest first. @param now epoch milliseconds.
 */
export function restoreSender(
  address: Address,
  secrets: readonly string[],
  now: number,
): Address | null {
  const rest = /^SRS([01])[-+=]([^]*)$/i.exec(address.local);
  if (rest === null) return null;
  const [, kind, text = ""] = rest;
  const parts = text.split("=");
  const given = parts[0] ?? "";
  if (kind === "1") {
    const [, first = "", ...more] = parts;
    const local = more.join("=");
    if (!verify(secrets, given, first, local)) return null;
    return asAddress(`SRS0${local}`, first);
  }
  const [, day = "", domain = "", ...more] = parts;
  const local = more.join("=");
  if (!verify(secrets, given, day, domain, local) || !isRecent(day, now)) return null;
  return asAddress(local, domain);
}

/** The address, if it is one. */
function asAddress(local: string, domain: string): Address | null {
  return parseAddress(formatAddress({ local, domain }), { smtputf8: true });
}

function verify(secrets: readonly string[], given: string, ...parts: string[]): boolean {
  if (given.length !== HASH_LENGTH) return false;
  const octets = encode(given.toLowerCase());
  if (octets.length !== HASH_LENGTH) return false;
  // Whoever may ask for any address at RCPT must not learn from the time how much of a hash was right.
  return secrets.some((one) => timingSafeEqual(encode(hash(one, ...parts).toLowerCase()), octets));
}

function hash(secret: string, ...parts: string[]): string {
  const hmac = createHmac("sha1", secret);
  for (const part of parts) hmac.update(part.toLowerCase());
  return hmac.digest("base64").slice(0, HASH_LENGTH);
}

function formatDay(now: number): string {
  const day = Math.floor(now / DAY) % CYCLE;
  return `${BASE32[day >> 5]}${BASE32[day & 31]}`;
}

/** Days from the future are none of ours, but tomorrow: the clock may have been set back since, or be another station's. */
function isRecent(text: string, now: number): boolean {
  const [high = -1, low = -1] = [...text.toUpperCase()].map((digit) => BASE32.indexOf(digit));
  if (text.length !== 2 || high < 0 || low < 0) return false;
  const today = Math.floor(now / DAY) % CYCLE;
  return (today + 1 - (high * 32 + low) + CYCLE) % CYCLE <= SRS_MAX_AGE + 1;
}
