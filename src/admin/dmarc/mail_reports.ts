/**
 * The reports in a mail as it lies in a Maildir: in whatever part, by whatever name (RFC 9990 §3.5.2 wants no special
 * structure). A part is looked into by its first octets; texts for people are none.
 *
 * Total: a mail without reports has none.
 *
 * @module
 */

import { concat, encode } from "../../bytes.ts";
import { HeadCollector } from "../../message/head_collector.ts";
import { fieldValue, findField, parseFields } from "../../message/header.ts";
import { type Entity, type MimeHandler, MimeWalker } from "../../message/mime_walker.ts";
import { latin1 } from "./latin1.ts";
import { packKindOf } from "./unpack.ts";

const CR = 0x0d;
const LF = 0x0a;
const CRLF = encode("\r\n");
/** Parts of a mail that may be reports. */
const MAX_PARTS = 20;

/**
 * Whether a mail may hold a report, by its first octets: the subject says so (RFC 9990 §3.5.2), with whatever a list or
 * a filter has put before it. Reports of TLS, which have the same subject, have fields of their own (RFC 8460 §5.3).
 */
export function maybeReport(start: Uint8Array): boolean {
  const collector = new HeadCollector();
  collector.write(crlfLines(start));
  collector.end();
  const fields = parseFields(collector.head);
  const subject = findField(fields, "Subject");
  if (subject === null || !/\breport[\s_]+domain\b/i.test(fieldValue(subject))) return false;
  const type = findField(fields, "Content-Type");
  const isTls = findField(fields, "TLS-Report-Domain") !== null ||
    (type !== null && /\btlsrpt\b/i.test(fieldValue(type)));
  return !isTls;
}

/** What of a mail may be unpacked as reports. */
export function reportParts(mail: Uint8Array): Uint8Array[] {
  const collector = new HeadCollector();
  const rest = collector.write(crlfLines(mail));
  const body = rest ?? collector.end();
  const parts = new Parts();
  const walker = new MimeWalker(collector.head, parts);
  walker.write(body);
  walker.end();
  return parts.found;
}

/** Texts for people, and reports of TLS. */
const NO_REPORT = /^(?:text\/(?:plain|html)|application\/tlsrpt.*)$/;

/** Collects the content of parts that are not for people. */
class Parts implements MimeHandler {
  readonly found: Uint8Array[] = [];
  #entity: Entity | null = null;
  #pieces: Uint8Array[] = [];

  begin(entity: Entity): void {
    const { kind, contentType } = entity;
    const type = contentType === null ? "text/plain" : `${contentType.type}/${contentType.subtype}`;
    const isData = kind === "leaf" && !NO_REPORT.test(type);
    this.#entity = isData && this.found.length < MAX_PARTS ? entity : null;
    this.#pieces = [];
  }

  content(octets: Uint8Array): void {
    if (this.#entity !== null) this.#pieces.push(octets.slice());
  }

  newline(): void {
    if (this.#entity !== null) this.#pieces.push(CRLF);
  }

  end(): void {
    if (this.#entity === null) return;
    const octets = decoded(concat(this.#pieces), this.#entity.encoding);
    if (octets !== null && packKindOf(octets) !== null) this.found.push(octets);
    this.#entity = null;
    this.#pieces = [];
  }

  filler(): void {}

  markup(): void {}
}

/** `null` where it cannot be decoded. */
function decoded(octets: Uint8Array, encoding: string): Uint8Array | null {
  if (encoding === "quoted-printable") return decodeQuotedPrintable(octets);
  if (encoding !== "base64") return octets;
  try {
    // What is no base64 is passed over (RFC 2045 §6.8); all behind the padding, too.
    const text = latin1(octets).replace(/[^A-Za-z0-9+/=]+/g, "").replace(/=.*$/, "");
    return Uint8Array.fromBase64(text, { lastChunkHandling: "loose" });
  } catch {
    return null;
  }
}

function decodeQuotedPrintable(octets: Uint8Array): Uint8Array {
  const out = new Uint8Array(octets.length);
  let length = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]!;
    if (octet !== 0x3d) {
      out[length++] = octet;
      continue;
    }
    const hex = latin1(octets.subarray(at + 1, at + 3));
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) out[length++] = parseInt(hex, 16);
    else if (hex !== "\r\n") out[length++] = octet;
    if (hex === "\r\n" || /^[0-9A-Fa-f]{2}$/.test(hex)) at += 2;
  }
  return out.subarray(0, length);
}

/** A Maildir's lines end in LF; ours in CRLF. */
function crlfLines(octets: Uint8Array): Uint8Array {
  let bare = 0;
  for (let at = octets.indexOf(LF); at !== -1; at = octets.indexOf(LF, at + 1)) {
    if (octets[at - 1] !== CR) bare++;
  }
  if (bare === 0) return octets;
  const out = new Uint8Array(octets.length + bare);
  let from = 0;
  let length = 0;
  for (let at = octets.indexOf(LF); at !== -1; at = octets.indexOf(LF, at + 1)) {
    if (octets[at - 1] === CR) continue;
    out.set(octets.subarray(from, at), length);
    length += at - from;
    out[length++] = CR;
    from = at;
  }
  out.set(octets.subarray(from), length);
  return out;
}
