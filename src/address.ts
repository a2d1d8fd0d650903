/**
 * Mail addresses as values (RFC 5321 §4.1.2, RFC 6531 §3.3): read, written and compared.
 *
 * What is accepted beside the grammar: `_` in domain labels, since many machines are named so and
 * their mail is real. What the grammar allows and is refused: the empty local part (`""@x`), which is
 * no mailbox and looks like a catch-all in every table; General-address-literals, which nothing can
 * route. In UTF-8, invisible characters and those that turn the direction of writing are refused:
 * two addresses that look alike must be alike.
 *
 * The parsers are total: what is no address gives `null`.
 *
 * @module
 */

import { isAscii, solid, utf8Fits } from "./bytes.ts";
import { formatIp, parseIp } from "./net_address.ts";

/** A mailbox. */
export interface Address {
  /** The local part without quoting, as the client wrote it otherwise (case kept). */
  readonly local: string;
  /**
   * The domain in lower case, a name (U-labels kept as given), or a literal with its brackets
   * (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). Empty only for `<Postmaster>` (RFC 5321 §4.1.1.3).
   */
  readonly domain: string;
}

/** How an address is read. */
export interface AddressOptions {
  /** Whether characters outside ASCII may stand in it (RFC 6531 §3.3). Default `false`. */
  readonly smtputf8?: boolean;
  /**
   * Octets the local part may have as written, quotes included. Default 64 (RFC 5321 §4.5.3.1.1).
   */
  readonly localLimit?: number;
}

/** RFC 5321 §4.5.3.1.1. */
const LOCAL_LIMIT = 64;
/** RFC 5321 §4.5.3.1.2. */
const DOMAIN_LIMIT = 255;
/** RFC 1035 §2.3.4. */
const LABEL_LIMIT = 63;

/** What an ASCII character may stand in: every command of every client is read by this table. */
const ATEXT = 1;
const DOMAIN = 2;
const KINDS = new Uint8Array(128).map((_, unit) => {
  const character = String.fromCharCode(unit);
  return (/[\w!#$%&'*+\-/=?^`{|}~]/.test(character) ? ATEXT : 0) |
    (/(?!["<>(),;@\\])[!-~]/.test(character) ? DOMAIN : 0);
});
const DOT = 0x2e;

/** Whether all of a text is ASCII of some kind. */
function isAllOf(text: string, kind: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f || (KINDS[unit]! & kind) === 0) return false;
  }
  return true;
}

// Beyond ASCII `\u0080-\u{10ffff}` is UTF8-non-ascii of RFC 6531 §3.3, less what UNSEEMLY names.
const ATOM = "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~\\u0080-\\u{10ffff}]+";
const DOT_STRING = new RegExp(`^${ATOM}(?:\\.${ATOM})*$`, "u");
const QUOTED_STRING = /^"(?:[ !#-[\]-~\u0080-\u{10ffff}]|\\[ -~])*"/u;
const LDH_LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?$/;
const U_LABEL =
  /^[A-Za-z0-9_\u0080-\u{10ffff}](?:[A-Za-z0-9_\u0080-\u{10ffff}-]*[A-Za-z0-9_\u0080-\u{10ffff}])?$/u;
const A_LABEL = /^xn--[a-z0-9_-]{1,59}$/;

/**
 * Controls, format characters (all that turn the direction, hide or vanish; ZWNJ and ZWJ are letters
 * to some scripts and stay), foreign spaces, line and paragraph separators, lone surrogates,
 * noncharacters.
 */
const UNSEEMLY =
  /(?![\u200c\u200d])[\p{Cf}]|[\p{Cs}\p{Zl}\p{Zp}\u0080-\u009f\p{Noncharacter_Code_Point}]|(?! )\p{Zs}/u;

/**
 * Reads `local@domain`, without angle brackets.
 *
 * @example
 * ```ts
 * import { parseAddress } from "./address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseAddress("Alice@Example.ORG"), { local: "Alice", domain: "example.org" });
 * assertEquals(parseAddress('"a b"@[192.0.2.1]'), { local: "a b", domain: "[192.0.2.1]" });
 * assertEquals(parseAddress("用户@例子.广告"), null);
 * assertEquals(parseAddress("用户@例子.广告", { smtputf8: true })?.local, "用户");
 * ```
 */
export function parseAddress(text: string, options: AddressOptions = {}): Address | null {
  const plain = parsePlainAddress(text);
  if (plain !== null && plain.local.length <= (options.localLimit ?? LOCAL_LIMIT)) return plain;
  const quoted = text.startsWith('"') ? QUOTED_STRING.exec(text)?.[0] : undefined;
  const at = quoted?.length ?? text.indexOf("@");
  if (at < 1 || text[at] !== "@") return null;
  const written = quoted ?? text.slice(0, at);
  if (quoted === undefined && !isDotString(written)) return null;
  if (!utf8Fits(written, options.localLimit ?? LOCAL_LIMIT)) return null;
  if (!isSeemly(written, options)) return null;
  const local = quoted === undefined ? written : quoted.slice(1, -1).replace(/\\(.)/g, "$1");
  const rest = text.slice(at + 1);
  const domain = rest.startsWith("[") ? parseAddressLiteral(rest) : parseDomain(rest, options);
  return local === "" || domain === null ? null : { local, domain };
}

/**
 * Reads an address within a text that is of the usual kind: a dot-string of 64 octets at most, at a domain
 * name, all ASCII. `null` for all others, of which {@link parseAddress} may say more.
 *
 * @param from where in the text it begins. @param to where it ends.
 */
export function parsePlainAddress(
  text: string,
  from = 0,
  to: number = text.length,
): Address | null {
  const at = text.indexOf("@", from);
  if (at >= to || at - from > LOCAL_LIMIT || !isPlainDotString(text, from, at)) return null;
  const domain = parsePlainDomain(text.slice(at + 1, to));
  return domain === null ? null : { local: text.slice(from, at), domain };
}

/** Domains last read, as they were written. */
const DOMAINS = new Map<string, string>();
/** How many are remembered at most: a stranger may name any. */
const MAX_DOMAINS = 1000;

/**
 * {@link parseDomain} for ASCII, `null` for all else. The domains of one station's mail are few, and their
 * texts are compared and looked up all the way: so each is one string, and no part of the line it stood in.
 */
function parsePlainDomain(text: string): string | null {
  const known = DOMAINS.get(text);
  if (known !== undefined) return known;
  if (!isAscii(text) || !hasSoundLabels(text)) return null;
  if (DOMAINS.size === MAX_DOMAINS) DOMAINS.clear();
  const written = solid(text);
  const domain = written.toLowerCase();
  DOMAINS.set(written, domain);
  return domain;
}

/** Atoms with dots between them. */
function isDotString(text: string): boolean {
  return isPlainDotString(text, 0, text.length) || DOT_STRING.test(text);
}

/** The same in ASCII, for a part of a text. */
function isPlainDotString(text: string, from: number, to: number): boolean {
  let afterAtom = false;
  for (let i = from; i < to; i++) {
    const unit = text.charCodeAt(i);
    const isAtom = unit <= 0x7f && (KINDS[unit]! & ATEXT) !== 0;
    if (!isAtom && (unit !== DOT || !afterAtom)) return false;
    afterAtom = isAtom;
  }
  return afterAtom;
}

function isSeemly(text: string, options: AddressOptions): boolean {
  return isAscii(text) || (options.smtputf8 === true && !UNSEEMLY.test(text));
}

/**
 * Reads a domain name and gives it in lower case, U-labels in NFC (RFC 5321 §2.3.5, RFC 6531 §3.3).
 * Labels are letters, digits, `-` inside and `_`; U-labels must have a valid A-label (IDNA).
 */
export function parseDomain(text: string, options: AddressOptions = {}): string | null {
  if (text.length > DOMAIN_LIMIT) return null;
  const plain = parsePlainDomain(text);
  if (plain !== null || isAscii(text)) return plain;
  if (!isSeemly(text, options)) return null;
  if (!utf8Fits(text, DOMAIN_LIMIT) || !text.split(".").every((l) => U_LABEL.test(l))) {
    return null;
  }
  const domain = foldCase(text);
  return toAsciiDomain(domain) === null ? null : domain;
}

/** At most 255 octets of labels with dots between them: none empty, none too long, no hyphen at either end. */
function hasSoundLabels(text: string): boolean {
  if (text.length > DOMAIN_LIMIT) return false;
  return text.split(".").every((l) => l.length <= LABEL_LIMIT && LDH_LABEL.test(l));
}

/**
 * Reads an address literal with its brackets, and gives it canonically (RFC 5321 §4.1.3):
 * `[192.0.2.1]`, `[IPv6:2001:db8::1]`. Decimal leading zeros are dropped; others than IPv4 and IPv6
 * are refused.
 */
export function parseAddressLiteral(text: string): string | null {
  const match = /^\[(ipv6:)?([0-9A-Fa-f:.]{1,60})\]$/i.exec(text);
  if (match === null) return null;
  const [, tag, host = ""] = match;
  // Snum is decimal, whatever its zeros say (RFC 5321 §4.1.3).
  const decimal = host.replace(
    /\d{1,3}(?:\.\d{1,3}){3}$/,
    (quad) => quad.split(".").map(Number).join("."),
  );
  const address = parseIp(decimal);
  if (address === null || (address.length === 16) !== (tag !== undefined)) return null;
  return tag === undefined ? `[${formatIp(address)}]` : `[IPv6:${formatIp(address)}]`;
}

/** Whether a domain is an address literal such as `[192.0.2.1]`. */
export function isAddressLiteral(domain: string): boolean {
  return domain.startsWith("[");
}

/**
 * The domain as DNS knows it, U-labels as A-labels (RFC 5890, by the mapping every browser uses), or
 * `null` where a label has no valid A-label. ASCII comes back in lower case.
 *
 * @example
 * ```ts
 * import { toAsciiDomain } from "./address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(toAsciiDomain("bücher.example"), "xn--bcher-kva.example");
 * ```
 */
export function toAsciiDomain(domain: string): string | null {
  if (isAscii(domain)) return domain.toLowerCase();
  if (!domain.split(".").every((label) => U_LABEL.test(label))) return null;
  const folded = foldCase(domain);
  const url = URL.parse(`http://${folded}/`);
  if (url === null || url.hostname.length > DOMAIN_LIMIT) return null;
  // A label that maps to something else than its own A-label is a disguise: full-width letters
  // become ASCII, an ideographic full stop becomes a dot, digits become an IPv4 address.
  const labels = folded.split(".");
  const mapped = url.hostname.split(".");
  const honest = labels.length === mapped.length && labels.every((label, index) => {
    const ascii = mapped[index] ?? "";
    return isAscii(label) ? ascii === label && label.length <= LABEL_LIMIT : A_LABEL.test(ascii);
  });
  return honest ? url.hostname : null;
}

/**
 * Writes `local@domain`, the local part quoted where it is no dot-atom (RFC 5321 §4.1.2), and
 * `Postmaster` alone where there is no domain. What no parser here would have let in (controls, an
 * angle bracket in the domain) becomes `?`: an address can never break out of its line.
 *
 * @example
 * ```ts
 * import { formatAddress } from "./address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatAddress({ local: "alice", domain: "example.org" }), "alice@example.org");
 * assertEquals(formatAddress({ local: "a b", domain: "example.org" }), '"a b"@example.org');
 * ```
 */
export function formatAddress(address: Address): string {
  const local = formatLocal(address.local);
  const domain = formatDomain(address.domain);
  return domain === "" ? local : `${local}@${domain}`;
}

function formatDomain(domain: string): string {
  if (isAllOf(domain, DOMAIN)) return domain;
  // deno-lint-ignore no-control-regex
  return domain.toWellFormed().replace(/[\x00-\x20\x7f-\x9f\u2028\u2029"<>(),;@\\]/g, "?");
}

function formatLocal(local: string): string {
  if (isAllOf(local, ATEXT) && local !== "") return local;
  // deno-lint-ignore no-control-regex
  const safe = local.toWellFormed().replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, "?");
  return isDotString(safe) ? safe : `"${safe.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * Who an address is: local part and domain without regard to case or to how Unicode composed them,
 * the domain in A-labels. Two addresses with one key are one mailbox here. (RFC 5321 §2.4 lets a
 * server tell `Bob` from `bob`; people do not.) It holds no quotes: it is for tables, not for output.
 *
 * @example
 * ```ts
 * import { mailboxKey } from "./address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mailboxKey({ local: "Alice", domain: "Example.ORG" }), "alice@example.org");
 * assertEquals(mailboxKey({ local: "u", domain: "bücher.example" }), "u@xn--bcher-kva.example");
 * ```
 */
export function mailboxKey(address: Address): string {
  return `${foldCase(address.local)}@${domainKey(address.domain)}`;
}

/** Which domain a domain is: in lower case and in A-labels. Tables of domains are kept by this. */
export function domainKey(domain: string): string {
  return toAsciiDomain(domain) ?? foldCase(domain);
}

/** Whether two addresses are one mailbox, by {@link mailboxKey}. */
export function addressesEqual(a: Address, b: Address): boolean {
  return mailboxKey(a) === mailboxKey(b);
}

/**
 * Lower case and NFC. Character by character, since the sigma at the end of a word must be the same
 * letter wherever it stands.
 */
function foldCase(text: string): string {
  if (isAscii(text)) return text.toLowerCase();
  const lower = (part: string) => part.replace(/./gsu, (character) => character.toLowerCase());
  return lower(text.normalize("NFC")).normalize("NFC");
}
