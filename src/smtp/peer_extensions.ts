/**
 * What a peer offers, as its answer to EHLO or LHLO says (RFC 5321 §4.1.1.1).
 *
 * What cannot be read of a line (a SIZE that is no number, a limit of zero) is as if it were not there; lines
 * that name nothing we know are passed over. Nothing is thrown.
 *
 * @module
 */

import type { Reply } from "./reply.ts";

/** What a peer offers. */
export interface PeerExtensions {
  /** What it calls itself: not to be relied on. */
  readonly name: string;
  /** Whether it answered EHLO or LHLO; after HELO nothing is offered. */
  readonly extended: boolean;
  /** RFC 2920. */
  readonly pipelining: boolean;
  /** RFC 1870: the greatest message in octets, 0 for no fixed limit, `false` for not offered. */
  readonly size: number | false;
  /** RFC 6152. */
  readonly eightBitMime: boolean;
  /** RFC 6531. */
  readonly smtputf8: boolean;
  /** RFC 2034. */
  readonly enhancedStatusCodes: boolean;
  /** RFC 3030. */
  readonly chunking: boolean;
  /** RFC 3030; only together with chunking. */
  readonly binaryMime: boolean;
  /** RFC 3461. */
  readonly dsn: boolean;
  /** RFC 3207; not once the socket is secured. */
  readonly startTls: boolean;
  /** RFC 4954: the mechanisms, in upper case, in the order offered. */
  readonly auth: readonly string[];
  /** RFC 8689; only over TLS. */
  readonly requireTls: boolean;
  /** RFC 1985. */
  readonly etrn: boolean;
  /** RFC 9422. */
  readonly limits: PeerLimits;
}

/** RFC 9422 §4: how much one session may carry; absent: not said. */
export interface PeerLimits {
  /** Transactions in a session. */
  readonly mailMax?: number;
  /** Recipients of a transaction. */
  readonly rcptMax?: number;
  /** Different domains among the recipients of a transaction. */
  readonly rcptDomainMax?: number;
}

/** What must be known to read an offer. */
export interface OfferContext {
  /** Whether the socket is secured. */
  readonly secure: boolean;
  /** Keywords to pass over, in upper case. */
  readonly ignored?: readonly string[];
}

/** `keyword *(SP ehlo-param)`; and `AUTH=` as servers wrote before RFC 2554, and still do. */
const KEYWORD = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/;
const MECHANISM = /^[A-Z0-9_-]{1,20}$/;

/** What is known of a peer that said 250 to HELO. */
export function peerWithoutExtensions(answer: Reply): PeerExtensions {
  return offerOf(answer, false, { secure: false }, new Map());
}

/**
 * What a peer offers by its answer to EHLO or LHLO.
 *
 * @example
 * ```ts
 * import { parsePeerExtensions } from "./peer_extensions.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = ["mx.example greets you", "SIZE 1000000", "AUTH PLAIN", "AUTH=PLAIN LOGIN"];
 * const peer = parsePeerExtensions({ code: 250, lines }, { secure: true });
 * assertEquals([peer.name, peer.size, peer.auth], ["mx.example", 1000000, ["PLAIN", "LOGIN"]]);
 * ```
 */
export function parsePeerExtensions(answer: Reply, context: OfferContext): PeerExtensions {
  const offers = new Map<string, string[]>();
  for (const line of answer.lines.slice(1)) {
    const match = KEYWORD.exec(line.trim());
    const keyword = match?.[1]?.toUpperCase();
    if (keyword === undefined || context.ignored?.includes(keyword)) continue;
    const words = (match?.[2] ?? "").toUpperCase().split(" ").filter((word) => word !== "");
    offers.set(keyword, [...offers.get(keyword) ?? [], ...words]);
  }
  return offerOf(answer, true, context, offers);
}

function offerOf(
  answer: Reply,
  extended: boolean,
  { secure }: OfferContext,
  offers: ReadonlyMap<string, readonly string[]>,
): PeerExtensions {
  const chunking = offers.has("CHUNKING");
  return {
    name: answer.lines[0]?.split(" ", 1)[0]?.slice(0, 255) ?? "",
    extended,
    pipelining: offers.has("PIPELINING"),
    size: parseSize(offers.get("SIZE")),
    eightBitMime: offers.has("8BITMIME"),
    smtputf8: offers.has("SMTPUTF8"),
    enhancedStatusCodes: offers.has("ENHANCEDSTATUSCODES"),
    chunking,
    binaryMime: chunking && offers.has("BINARYMIME"),
    dsn: offers.has("DSN"),
    startTls: !secure && offers.has("STARTTLS"),
    auth: [...new Set(offers.get("AUTH"))].filter((word) => MECHANISM.test(word)),
    // RFC 8689 §2: what is offered in clear is no offer, anybody may have written it.
    requireTls: secure && offers.has("REQUIRETLS"),
    etrn: offers.has("ETRN"),
    limits: parseLimits(offers.get("LIMITS") ?? []),
  };
}

/** RFC 1870 §3: no number, or 0, is no limit. */
function parseSize(words: readonly string[] | undefined): number | false {
  if (words === undefined) return false;
  const [word = "0"] = words;
  return /^\d{1,20}$/.test(word) ? Math.min(Number(word), Number.MAX_SAFE_INTEGER) : false;
}

/** RFC 9422 §3: `name=value`, at least 1; six digits at most. */
function parseLimits(words: readonly string[]): PeerLimits {
  const limits = new Map<string, number>();
  for (const word of words) {
    const match = /^([A-Z0-9_-]+)=(0*[1-9]\d{0,5})$/.exec(word);
    if (match !== null) limits.set(match[1]!, Number(match[2]));
  }
  const mailMax = limits.get("MAILMAX");
  const rcptMax = limits.get("RCPTMAX");
  const rcptDomainMax = limits.get("RCPTDOMAINMAX");
  return {
    ...(mailMax === undefined ? {} : { mailMax }),
    ...(rcptMax === undefined ? {} : { rcptMax }),
    ...(rcptDomainMax === undefined ? {} : { rcptDomainMax }),
  };
}
