/**
 * The trace field every station puts on top of a message (RFC 5321 §4.4).
 *
 * What strangers said (their host name) is written only where it fits the grammar; else it stands,
 * made harmless, in a comment.
 *
 * @module
 */

import {
  type Address,
  formatAddress,
  isAddressLiteral,
  parseAddressLiteral,
  parseDomain,
  toAsciiDomain,
} from "../address.ts";
import { encodeBrief, isPrintable, solid } from "../bytes.ts";
import { canonicalIp, parseIp } from "../net_address.ts";
import type { TlsInfo } from "../runtime/tls.ts";
import { formatDate } from "./date.ts";
import { formatField, makeField, type RawField } from "./header.ts";

/** A user of this machine. */
export interface LocalUser {
  /** The number. */
  readonly uid: number;
  /** The name, where it is known. */
  readonly name: string | null;
}

/** What a trace field tells. */
export interface Trace {
  /** What the client said in EHLO; `null` where it said nothing. */
  readonly hello: string | null;
  /** The client's IP address, or something else (`"unix"`) where it has none. */
  readonly client: string;
  /** The client's name in DNS, where one was looked up and found true. */
  readonly clientName?: string | null;
  /** The user of this machine whose program it was, where it came from one. */
  readonly user?: LocalUser;
  /** Our host name. */
  readonly by: string;
  /** How it came, by {@link withProtocol}. */
  readonly protocol: string;
  /** The id in our log: an atom. */
  readonly id: string;
  /**
   * The recipient, only where there is exactly one: naming one of many would tell them of each other
   * (RFC 5321 §7.6).
   */
  readonly recipient?: Address | null;
  /** What TLS agreed on, `null` in the clear. */
  readonly tls?: TlsInfo | null;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
}

/**
 * Makes the Received field of a message.
 *
 * @example
 * ```ts
 * import { formatReceived } from "./received.ts";
 * import { decode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const field = formatReceived({
 *   hello: "client.example.org",
 *   client: "192.0.2.1",
 *   by: "mx.example.net",
 *   protocol: "ESMTPS",
 *   id: "a1b2",
 *   recipient: { local: "bob", domain: "example.net" },
 *   tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
 *   time: 1709633472000,
 * });
 * assertEquals(decode(field.raw).split("\r\n"), [
 *   "Received: from client.example.org ([192.0.2.1])",
 *   "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)",
 *   "\tby mx.example.net with ESMTPS id a1b2",
 *   "\tfor <bob@example.net>; Tue, 05 Mar 2024 10:11:12 +0000",
 *   "",
 * ]);
 * ```
 */
export function formatReceived(trace: Trace): RawField {
  return new ReceivedStamp().stamp(trace);
}

/**
 * {@link formatReceived} for the messages of one session: what a trace field says of the session is the same
 * in all of them, and written once.
 */
export class ReceivedStamp {
  #last: Trace | null = null;
  /** The lines that tell of the session, and how the next one begins. */
  #lines: readonly string[] = [];
  #by = "";
  /** All of that as it stands in the field. */
  #begun = "";

  /** The Received field of the next message. */
  stamp(trace: Trace): RawField {
    if (this.#last === null || !isSameSession(trace, this.#last)) this.#begin(trace);
    const id = word(trace.id);
    const date = formatDate(trace.time);
    const path = formatPath(trace);
    const by = this.#by.length + id.length;
    if (path === null) {
      if (by + 2 + date.length > SHORT) return this.#fold(`${id}; ${date}`);
      return this.#end(`${id}; ${date}`);
    }
    const end = `for <${path}>; ${date}`;
    if (by > SHORT || end.length > SHORT) return this.#fold(`${id}\n\t${end}`);
    return this.#end(`${id}\r\n\t${end}`);
  }

  #begin(trace: Trace): void {
    const { tls, user } = trace;
    const lines = formatFrom(trace);
    if (tls) lines.push(`(using ${comment(tls.protocol)} with cipher ${comment(tls.cipher)})`);
    if (user) lines.push(`(${formatUser(user)})`);
    this.#last = trace;
    this.#lines = lines;
    this.#by = `by ${word(trace.by)} with ${word(trace.protocol)} id `;
    const top = formatField("Received", lines.join("\n\t"));
    this.#begun = solid(`${top}\r\n\t${this.#by}`);
  }

  /** The field, of lines that need no folding. */
  #end(rest: string): RawField {
    return { name: "Received", raw: encodeBrief(`${this.#begun}${rest}\r\n`) };
  }

  /** The field, where some line is too long. */
  #fold(rest: string): RawField {
    return makeField("Received", [...this.#lines, this.#by + rest].join("\n\t"));
  }
}

/** What a line behind its tab may have not to be folded: see {@link makeField}. */
const SHORT = 77;

function isSameSession(one: Trace, other: Trace): boolean {
  return one.hello === other.hello && one.client === other.client &&
    one.clientName === other.clientName && one.user === other.user && one.tls === other.tls &&
    one.protocol === other.protocol && one.by === other.by;
}

/**
 * The recipient, where it may be shown. Only a message that came with SMTPUTF8 may hold UTF-8 in its head
 * (RFC 6532 §3), and a field of ours must not keep a message from a station that takes none: so the domain is
 * written in A-labels where that makes the address ASCII.
 */
function formatPath({ recipient, protocol }: Trace): string | null {
  if (!recipient) return null;
  const { local, domain } = recipient;
  const mayBeAscii = isPrintable(local);
  if (mayBeAscii && isPrintable(domain)) return formatAddress(recipient);
  const path = formatAddress(
    mayBeAscii ? { local, domain: toAsciiDomain(domain) ?? domain } : recipient,
  );
  return protocol.startsWith("UTF8") || isPrintable(path) ? path : null;
}

/** From-domain with TCP-info (RFC 5321 §4.4), and what else the client said. */
function formatFrom({ hello, client, clientName }: Trace): string[] {
  const literal = formatLiteral(client);
  const name = hello === null ? null : parseAddressLiteral(hello) ?? asDomain(hello);
  const from = name ?? literal ?? "localhost";
  const reverse = clientName ? asDomain(clientName) : null;
  const info = literal && ` (${reverse === null ? "" : `${reverse} `}${literal})`;
  const lines = [`from ${from}${info ?? ""}`];
  if (hello !== null && name === null) lines.push(`(said to be ${comment(hello)})`);
  return lines;
}

/** Whose program it was, fit for a comment. */
function formatUser({ uid, name }: LocalUser): string {
  return name === null ? `uid ${uid}` : `user ${comment(name)}, uid ${uid}`;
}

function asDomain(name: string): string | null {
  return parseDomain(name) === null ? null : name;
}

function formatLiteral(client: string): string | null {
  const address = canonicalIp(client);
  const parsed = parseIp(address);
  if (parsed === null) return null;
  return parsed.length === 4 ? `[${address}]` : `[IPv6:${address}]`;
}

/** Text fit for a comment: printable ASCII without parentheses and backslash (ctext). */
function comment(text: string): string {
  return text.slice(0, 255).replace(/[^ -'*-[\]-~]/g, "?");
}

/** Text fit for a clause: what no atom, domain or literal has becomes `?`. */
function word(text: string): string {
  if (isAddressLiteral(text)) return parseAddressLiteral(text) ?? "?";
  if (text.length <= 255 && /^[\w.-]*$/.test(text)) return text;
  return text.slice(0, 255).replace(/[^A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]/g, "?");
}

/** How a message came to us. */
export interface Arrival {
  /** Whether the client said EHLO (or LHLO) rather than HELO. */
  readonly extended: boolean;
  /** LMTP (RFC 2033). */
  readonly lmtp: boolean;
  /** MAIL had SMTPUTF8 (RFC 6531). */
  readonly smtputf8: boolean;
  /** The socket is secured. */
  readonly tls: boolean;
  /** The client logged in. */
  readonly auth: boolean;
  /** No client at all: a program of this machine left it in a folder. Default `false`. */
  readonly dropped?: boolean;
}

/**
 * The protocol's registered name for the `with` clause: `SMTP`, `ESMTPSA`, `UTF8LMTPS`, …
 * (RFC 3848, RFC 6531 §4.3).
 *
 * @example
 * ```ts
 * import { withProtocol } from "./received.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const arrival = { extended: true, lmtp: false, smtputf8: false, tls: true, auth: true };
 * assertEquals(withProtocol(arrival), "ESMTPSA");
 * ```
 */
export function withProtocol(arrival: Arrival): string {
  const { extended, lmtp, smtputf8, tls, auth } = arrival;
  // No protocol was spoken, so none has a registered name; this is what many stations write.
  if (arrival.dropped) return "local";
  const kind = `${tls ? "S" : ""}${auth ? "A" : ""}`;
  if (lmtp) return `${smtputf8 ? "UTF8" : ""}LMTP${kind}`;
  if (smtputf8) return `UTF8SMTP${kind}`;
  // After HELO nothing more has a registered name.
  return extended ? `ESMTP${kind}` : "SMTP";
}
