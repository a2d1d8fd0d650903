/**
 * The ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.2): read, checked against what the session
 * offers, and turned into values; and values as text again, for whoever is told of them.
 *
 * What is not offered, or not known, is refused with 555 5.5.4; what is offered and malformed with
 * 501 5.5.4. Whether an announced size is too much, and whether an address needs SMTPUTF8, is the
 * session's to say.
 *
 * @module
 */

import { parseAddress } from "../address.ts";
import type { RawParameter } from "./command.ts";
import type { Extensions } from "./extensions.ts";
import { type Reply, reply } from "./reply.ts";
import { decodeUnitext, decodeXtext, encodeUnitext, encodeXtext } from "./xtext.ts";

/** What may be used in this session, at this moment. */
export interface Offer {
  /** What the listener offers. */
  readonly extensions: Extensions;
  /** Whether the client said EHLO or LHLO; after HELO there are no parameters (RFC 5321 §4.1.1.1). */
  readonly extended: boolean;
  /** Whether the socket is secured: REQUIRETLS is offered only then (RFC 8689 §2). */
  readonly secure: boolean;
}

/** What MAIL said beside the sender. */
export interface MailParameters {
  /** SIZE: octets the client announces (RFC 1870). */
  readonly size?: number;
  /** BODY (RFC 6152, RFC 3030). Absent: 7BIT. */
  readonly body?: "7BIT" | "8BITMIME" | "BINARYMIME";
  /** SMTPUTF8 (RFC 6531). */
  readonly smtputf8?: true;
  /** RET (RFC 3461 §4.3). */
  readonly dsnReturn?: "FULL" | "HDRS";
  /** ENVID, decoded (RFC 3461 §4.4). */
  readonly dsnEnvelopeId?: string;
  /** AUTH: who sent it first; `"<>"` for unknown (RFC 4954 §5). */
  readonly auth?: string;
  /** REQUIRETLS (RFC 8689). */
  readonly requireTls?: true;
}

/** What RCPT said beside the recipient. */
export interface RcptParameters {
  /** NOTIFY (RFC 3461 §4.1). */
  readonly notify?: readonly DsnNotify[];
  /** ORCPT, decoded (RFC 3461 §4.2). */
  readonly originalRecipient?: OriginalRecipient;
}

/** When to send a notice; `NEVER` stands alone (RFC 3461 §4.1). */
export type DsnNotify = "NEVER" | "SUCCESS" | "FAILURE" | "DELAY";

/** ORCPT: the address the sender first wrote, decoded (RFC 3461 §4.2). */
export interface OriginalRecipient {
  /** Such as `rfc822` or `utf-8` (RFC 6533). */
  readonly type: string;
  /** The address, decoded from xtext. */
  readonly address: string;
}

/** How one parameter becomes a part of the values. */
interface Rule<Values> {
  /** Whether it is offered, with this value where that matters. */
  offered(offer: Offer, value: string | null): boolean;
  /** The part it makes, or `null` where the value is malformed. */
  read(value: string | null, offer: Offer): Values | null;
}

const MAIL_RULES = new Map<string, Rule<MailParameters>>([
  ["SIZE", { offered: (o) => o.extensions.size !== false, read: readSize }],
  ["BODY", { offered: offersBody, read: readBody }],
  ["SMTPUTF8", {
    offered: (o) => o.extensions.smtputf8,
    read: (value) => value === null ? { smtputf8: true } : null,
  }],
  ["RET", { offered: (o) => o.extensions.dsn, read: readReturn }],
  ["ENVID", { offered: (o) => o.extensions.dsn, read: readEnvelopeId }],
  ["AUTH", { offered: (o) => o.extensions.auth.length > 0, read: readAuth }],
  ["REQUIRETLS", {
    offered: (o) => o.extensions.requireTls && o.secure,
    read: (value) => value === null ? { requireTls: true } : null,
  }],
]);

const RCPT_RULES = new Map<string, Rule<RcptParameters>>([
  ["NOTIFY", { offered: (o) => o.extensions.dsn, read: readNotify }],
  ["ORCPT", { offered: (o) => o.extensions.dsn, read: readOriginalRecipient }],
]);

/**
 * The parameters of MAIL as values, or the reply that refuses them.
 *
 * `BODY=BINARYMIME` where only 8BITMIME is offered counts as not offered.
 */
export function parseMailParameters(
  raw: readonly RawParameter[],
  offer: Offer,
): MailParameters | { readonly reply: Reply } {
  return applyRules(raw, offer, MAIL_RULES, "MAIL");
}

/** The parameters of RCPT as values, or the reply that refuses them. */
export function parseRcptParameters(
  raw: readonly RawParameter[],
  offer: Offer,
): RcptParameters | { readonly reply: Reply } {
  return applyRules(raw, offer, RCPT_RULES, "RCPT");
}

function applyRules<Values extends object>(
  raw: readonly RawParameter[],
  offer: Offer,
  rules: ReadonlyMap<string, Rule<Values>>,
  verb: string,
): Values | { readonly reply: Reply } {
  let values = {} as Values;
  for (const { keyword, value } of raw) {
    const rule = rules.get(keyword);
    if (!offer.extended || rule === undefined || !rule.offered(offer, value)) {
      return { reply: reply(555, "5.5.4", `${verb} parameter not offered: ${shorten(keyword)}`) };
    }
    const part = rule.read(value, offer);
    if (part === null) {
      return { reply: reply(501, "5.5.4", `bad value of ${verb} parameter ${shorten(keyword)}`) };
    }
    values = { ...values, ...part };
  }
  return values;
}

function shorten(keyword: string): string {
  return keyword.length > 40 ? `${keyword.slice(0, 40)}...` : keyword;
}

/** BINARYMIME makes sense only where BDAT can carry it (RFC 3030 §3). */
function offersBody({ extensions }: Offer, value: string | null): boolean {
  const binary = extensions.binaryMime && extensions.chunking;
  return binary || (extensions.eightBitMime && value?.toUpperCase() !== "BINARYMIME");
}

/** RFC 1870 §4: up to twenty digits. More than a number can hold exactly is more than any limit. */
function readSize(value: string | null): MailParameters | null {
  if (value === null || !/^\d{1,20}$/.test(value)) return null;
  return { size: Math.min(Number(value), Number.MAX_SAFE_INTEGER) };
}

function readBody(value: string | null): MailParameters | null {
  const body = value?.toUpperCase();
  return body === "7BIT" || body === "8BITMIME" || body === "BINARYMIME" ? { body } : null;
}

function readReturn(value: string | null): MailParameters | null {
  const dsnReturn = value?.toUpperCase();
  return dsnReturn === "FULL" || dsnReturn === "HDRS" ? { dsnReturn } : null;
}

/** RFC 3461 §4.4: at most 100 characters as sent; graphic ASCII and space once decoded. */
function readEnvelopeId(value: string | null): MailParameters | null {
  if (value === null || value.length > 100) return null;
  const dsnEnvelopeId = decodeXtext(value);
  return dsnEnvelopeId !== null && /^[ -~]+$/.test(dsnEnvelopeId) ? { dsnEnvelopeId } : null;
}

/** RFC 4954 §5: an address in xtext, or `<>`. */
function readAuth(value: string | null, { extensions }: Offer): MailParameters | null {
  if (value === null || value.length > 500) return null;
  const auth = decodeXtext(value);
  if (auth === null) return null;
  return auth === "<>" || parseAddress(auth, { smtputf8: extensions.smtputf8 }) !== null
    ? { auth }
    : null;
}

/** RFC 3461 §4.1: NEVER alone, or a list of the others. */
function readNotify(value: string | null): RcptParameters | null {
  const words = value?.toUpperCase().split(",") ?? [];
  const notify = [...new Set(words)].filter(isNotify);
  if (words.length === 0 || !words.every(isNotify)) return null;
  return notify.includes("NEVER") && words.length > 1 ? null : { notify };
}

function isNotify(word: string): word is DsnNotify {
  return word === "NEVER" || word === "SUCCESS" || word === "FAILURE" || word === "DELAY";
}

/**
 * RFC 3461 §4.2: `type;xtext`, at most 500 characters; RFC 6533 §3 for the type `utf-8`. The address
 * need not be one, but it will stand in a field of a notice: nothing in it may end a line.
 */
function readOriginalRecipient(
  value: string | null,
  { extensions }: Offer,
): RcptParameters | null {
  if (value === null || value.length > 500) return null;
  const match = /^([A-Za-z0-9!#$%&'*/?^_`{|}~+-]+);([^]+)$/.exec(value);
  if (match === null) return null;
  const [, type = "", encoded = ""] = match;
  const unicode = type.toLowerCase() === "utf-8";
  if (!extensions.smtputf8 && /[^!-~]/.test(encoded)) return null;
  const address = unicode ? decodeUnitext(encoded) : decodeXtext(encoded);
  if (address === null || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(address)) return null;
  return { originalRecipient: { type, address } };
}

/**
 * The parameters of MAIL as text, a parameter an item: what {@link parseMailParameters} makes the same values of.
 *
 * @example
 * ```ts
 * import { formatMailParameters } from "./parameters.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const parameters = { size: 1000, body: "8BITMIME", dsnEnvelopeId: "a+b" } as const;
 * assertEquals(formatMailParameters(parameters), ["SIZE=1000", "BODY=8BITMIME", "ENVID=a+2Bb"]);
 * ```
 */
export function formatMailParameters(parameters: MailParameters): string[] {
  const { size, body, smtputf8, dsnReturn, dsnEnvelopeId, auth, requireTls } = parameters;
  const envelopeId = dsnEnvelopeId === undefined ? null : formatEnvelopeId(dsnEnvelopeId);
  return [
    ...size === undefined ? [] : [`SIZE=${size}`],
    ...body === undefined ? [] : [`BODY=${body}`],
    ...smtputf8 ? ["SMTPUTF8"] : [],
    ...dsnReturn === undefined ? [] : [`RET=${dsnReturn}`],
    ...envelopeId === null ? [] : [`ENVID=${envelopeId}`],
    ...auth === undefined ? [] : [`AUTH=${encodeXtext(auth)}`],
    ...requireTls ? ["REQUIRETLS"] : [],
  ];
}

/** The parameters of RCPT as text, a parameter an item. */
export function formatRcptParameters({ notify, originalRecipient }: RcptParameters): string[] {
  const original = originalRecipient === undefined
    ? null
    : formatOriginalRecipient(originalRecipient);
  return [
    ...notify === undefined || notify.length === 0 ? [] : [`NOTIFY=${notify.join(",")}`],
    ...original === null ? [] : [`ORCPT=${original}`],
  ];
}

/** The value of ENVID; `null` where it cannot be one (RFC 3461 §4.4): graphic ASCII and space, 100 octets encoded. */
export function formatEnvelopeId(text: string): string | null {
  const encoded = encodeXtext(text);
  return /^[ -~]+$/.test(text) && encoded.length <= 100 ? encoded : null;
}

/**
 * The value of ORCPT; `null` where it cannot be one (RFC 3461 §4.2): at most 500 characters. `utf-8` is in its form that
 * is all ASCII (RFC 6533 §3).
 */
export function formatOriginalRecipient({ type, address }: OriginalRecipient): string | null {
  if (!/^[A-Za-z0-9-]+$/.test(type) || address === "" || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(address)) {
    return null;
  }
  const encoded = type.toLowerCase() === "utf-8" ? encodeUnitext(address) : encodeXtext(address);
  const value = `${type};${encoded}`;
  return value.length <= 500 ? value : null;
}
