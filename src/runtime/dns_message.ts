/**
 * DNS messages, octets to values and back (RFC 1035 §4): the few record types a mail server asks for.
 * Both ways are here, since a resolver asks and a test's or demo's name server answers. Which answer is
 * to be believed is the resolver's affair.
 *
 * What fails: octets that are no message give `null`, whatever they are; a name that DNS cannot carry makes
 * the encoder throw, and `isDnsName` tells beforehand.
 *
 * @module
 */

import { concat, decode, encode } from "../bytes.ts";
import { formatIp, parseIp } from "../net_address.ts";
import { encodeDnsName, normalizeDnsName } from "./dns_name.ts";
import { DnsReader } from "./dns_reader.ts";
import type { TlsaRecord } from "./resolver.ts";

/** The record types known here, and their numbers (RFC 1035 §3.2.2, RFC 2782, RFC 3596 §2.1, RFC 6698 §7.1). */
const TYPES = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  TLSA: 52,
} as const;

/** A record type known here. */
export type DnsType = keyof typeof TYPES;

const TYPE_NAMES: ReadonlyMap<number, DnsType> = new Map(
  Object.entries(TYPES).map(([name, number]) => [number, name as DnsType]),
);

/** The answer codes that are told apart (RFC 1035 §4.1.1). */
export const RCODE = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const;

/** What is asked. */
export interface DnsQuestion {
  /** Without the dot at the end, in the case of the message; `""` is the root. */
  readonly name: string;
  /** A known type, or the form of RFC 3597 §5 (`"TYPE65"`). */
  readonly type: string;
}

/** What a record says. */
export type DnsData =
  | { readonly type: "A" | "AAAA"; readonly address: string }
  | { readonly type: "CNAME" | "NS" | "PTR"; readonly name: string }
  | { readonly type: "MX"; readonly preference: number; readonly exchange: string }
  | {
    readonly type: "SRV";
    readonly priority: number;
    readonly weight: number;
    readonly port: number;
    readonly target: string;
  }
  /** The strings of the record, joined. */
  | { readonly type: "TXT"; readonly text: string }
  | { readonly type: "TLSA" } & TlsaRecord
  /** Of the start of a zone only how long "no" may be remembered (RFC 2308 §4), in seconds. */
  | { readonly type: "SOA"; readonly minimum: number };

/** One record of class IN. */
export interface DnsRecord {
  /** Whose it is. */
  readonly name: string;
  /** How long it may be remembered, in seconds. */
  readonly ttl: number;
  /** What it says. */
  readonly data: DnsData;
}

/** A question, or an answer to one. */
export interface DnsMessage {
  /** What pairs an answer with its question, 0 to 65535. */
  readonly id: number;
  /** Whether it is an answer. */
  readonly response: boolean;
  /** AA: from a server of the zone itself. */
  readonly authoritative: boolean;
  /** TC: there is more than fits; to be asked again by TCP. */
  readonly truncated: boolean;
  /** RD: the server shall ask others. */
  readonly recursionDesired: boolean;
  /** RA: the server does ask others. */
  readonly recursionAvailable: boolean;
  /** AD: in a question, that it is wished for; in an answer, that DNSSEC vouches for all of it (RFC 6840 §5.7-5.8). */
  readonly authenticated?: boolean;
  /** Octets of a datagram that the sender takes, said by EDNS (RFC 6891 §6.2.3); not read again. */
  readonly datagramSize?: number;
  /** One of {@link RCODE}, or another. */
  readonly rcode: number;
  /** What is asked; `null` where there is none, or one of another class than IN. */
  readonly question: DnsQuestion | null;
  /** Records that answer; those of unknown types are left out. */
  readonly answers: readonly DnsRecord[];
  /** Records of the authority section, likewise. */
  readonly authority: readonly DnsRecord[];
}

const CLASS_IN = 1;
const HEADER = 12;
/** Where the question's name lies in every message: what compression points to. */
const QUESTION_AT = 0xc000 | HEADER;
/** The type of the record by which EDNS speaks (RFC 6891 §6.1.1). */
const OPT = 41;
/** What fits nearly every way without being cut into fragments. */
const DATAGRAM_SIZE = 1232;

/**
 * The octets of a question to a recursive server.
 *
 * @param dnssec whether it shall say what DNSSEC vouches for: by AD (RFC 6840 §5.7), which is all we need to know of
 * it; the larger datagrams of EDNS come along, since whoever validates knows them.
 * @throws {TypeError} where DNS cannot carry the name.
 */
export function encodeDnsQuery(
  id: number,
  name: string,
  type: DnsType,
  dnssec = false,
): Uint8Array {
  return encodeDnsMessage({
    id,
    response: false,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    ...(dnssec && { authenticated: true, datagramSize: DATAGRAM_SIZE }),
    rcode: RCODE.noError,
    question: { name, type },
    answers: [],
    authority: [],
  });
}

/**
 * The octets of a message. One longer than `limit` is cut down to its question and marked truncated.
 *
 * @throws {TypeError} where DNS cannot carry a name or an address is none.
 */
export function encodeDnsMessage(message: DnsMessage, limit = 65535): Uint8Array {
  const { question, answers, authority, datagramSize } = message;
  const header = new Uint8Array(HEADER);
  const view = new DataView(header.buffer);
  view.setUint16(0, message.id);
  view.setUint16(2, flagsOf(message));
  view.setUint16(4, question === null ? 0 : 1);
  view.setUint16(6, answers.length);
  view.setUint16(8, authority.length);
  const parts: Uint8Array[] = [header];
  if (question !== null) {
    parts.push(encodeName(question.name), uint16(typeNumber(question.type), CLASS_IN));
  }
  for (const record of [...answers, ...authority]) parts.push(...encodeRecord(record, question));
  if (datagramSize !== undefined) {
    view.setUint16(10, 1);
    parts.push(Uint8Array.of(0), uint16(OPT, datagramSize, 0, 0, 0));
  }
  const octets = concat(parts);
  if (octets.length <= limit) return octets;
  return encodeDnsMessage({ ...message, truncated: true, answers: [], authority: [] });
}

function flagsOf(message: DnsMessage): number {
  return (message.response ? 0x8000 : 0) | (message.authoritative ? 0x0400 : 0) |
    (message.truncated ? 0x0200 : 0) | (message.recursionDesired ? 0x0100 : 0) |
    (message.recursionAvailable ? 0x0080 : 0) | (message.authenticated ? 0x0020 : 0) |
    (message.rcode & 15);
}

function encodeRecord(record: DnsRecord, question: DnsQuestion | null): Uint8Array[] {
  const asked = question !== null &&
    normalizeDnsName(record.name) === normalizeDnsName(question.name);
  const data = encodeData(record.data);
  return [
    asked ? uint16(QUESTION_AT) : encodeName(record.name),
    uint16(TYPES[record.data.type], CLASS_IN, record.ttl >>> 16, record.ttl & 0xffff, data.length),
    data,
  ];
}

function encodeData(data: DnsData): Uint8Array {
  switch (data.type) {
    case "A":
    case "AAAA": {
      const octets = parseIp(data.address);
      if (octets?.length === (data.type === "A" ? 4 : 16)) return octets;
      throw new TypeError(`no address for ${data.type}: ${data.address}`);
    }
    case "CNAME":
    case "NS":
    case "PTR":
      return encodeName(data.name);
    case "MX":
      return concat([uint16(data.preference), encodeName(data.exchange)]);
    case "SRV":
      return concat([uint16(data.priority, data.weight, data.port), encodeName(data.target)]);
    case "TXT":
      return encodeStrings(encode(data.text));
    case "TLSA":
      return concat([Uint8Array.of(data.usage, data.selector, data.matching), data.data]);
    case "SOA":
      // Names of server and person: the root; serial, refresh, retry, expire: 0.
      return concat([
        new Uint8Array(2 + 4 * 4),
        uint16(data.minimum >>> 16, data.minimum & 0xffff),
      ]);
  }
}

/** Strings of at most 255 octets, at least one (RFC 1035 §3.3.14). */
function encodeStrings(text: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < text.length; at += 255) {
    const piece = text.subarray(at, at + 255);
    parts.push(Uint8Array.of(piece.length), piece);
  }
  return concat(parts);
}

function typeNumber(type: string): number {
  const known = TYPES[type as DnsType];
  if (known !== undefined) return known;
  const number = /^TYPE(\d{1,5})$/.exec(type)?.[1];
  if (number === undefined) throw new TypeError(`no DNS type: ${type}`);
  return Number(number) & 0xffff;
}

function uint16(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

function encodeName(name: string): Uint8Array {
  const octets = encodeDnsName(name);
  if (octets === null) throw new TypeError(`no DNS name: ${JSON.stringify(name.slice(0, 300))}`);
  return octets;
}

/**
 * Reads a message. Records of other types and classes than known here are skipped, as is the additional
 * section. One marked truncated may break off anywhere.
 *
 * @example
 * ```ts
 * import { decodeDnsMessage, encodeDnsQuery } from "./dns_message.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const message = decodeDnsMessage(encodeDnsQuery(7, "example.org", "MX"));
 * assertEquals(message?.question, { name: "example.org", type: "MX" });
 * assertEquals(decodeDnsMessage(new Uint8Array(5)), null);
 * ```
 */
export function decodeDnsMessage(octets: Uint8Array): DnsMessage | null {
  const reader = new DnsReader(octets);
  const id = reader.uint16();
  const flags = reader.uint16();
  const [questions, answers, authorities] = [reader.uint16(), reader.uint16(), reader.uint16()];
  reader.uint16(); // How many additional records.
  const opcode = (flags >> 11) & 15;
  if (reader.failed || questions > 1 || opcode !== 0) return null;
  const question = questions === 1 ? readQuestion(reader) : null;
  if (reader.failed) return null;
  const truncated = (flags & 0x0200) !== 0;
  const message: DnsMessage = {
    id,
    response: (flags & 0x8000) !== 0,
    authoritative: (flags & 0x0400) !== 0,
    truncated,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    ...((flags & 0x0020) !== 0 && { authenticated: true }),
    rcode: flags & 15,
    question,
    answers: readRecords(reader, answers),
    authority: readRecords(reader, authorities),
  };
  return reader.failed && !truncated ? null : message;
}

function readQuestion(reader: DnsReader): DnsQuestion | null {
  const name = reader.name();
  const type = reader.uint16();
  const inClass = reader.uint16() === CLASS_IN;
  return inClass ? { name, type: TYPE_NAMES.get(type) ?? `TYPE${type}` } : null;
}

function readRecords(reader: DnsReader, count: number): DnsRecord[] {
  const records: DnsRecord[] = [];
  for (let i = 0; i < count && !reader.failed; i++) {
    const record = readRecord(reader);
    if (record !== null && !reader.failed) records.push(record);
  }
  return records;
}

function readRecord(reader: DnsReader): DnsRecord | null {
  const name = reader.name();
  const type = TYPE_NAMES.get(reader.uint16());
  const inClass = reader.uint16() === CLASS_IN;
  const ttl = reader.uint32();
  const length = reader.uint16();
  if (reader.failed || length > reader.left) {
    reader.failed = true;
    return null;
  }
  const left = reader.left - length;
  const data = type !== undefined && inClass ? readData(reader, type, length) : null;
  if (data === null) reader.skip(length);
  else if (reader.left !== left) reader.failed = true;
  // A TTL with the top bit set counts as 0 (RFC 2181 §8).
  return data === null ? null : { name, ttl: ttl > 0x7fffffff ? 0 : ttl, data };
}

function readData(reader: DnsReader, type: DnsType, length: number): DnsData {
  switch (type) {
    case "A":
    case "AAAA":
      if (length !== (type === "A" ? 4 : 16)) reader.failed = true;
      return { type, address: formatIp(reader.octets(length)) };
    case "CNAME":
    case "NS":
    case "PTR":
      return { type, name: reader.name() };
    case "MX":
      return { type, preference: reader.uint16(), exchange: reader.name() };
    case "SRV": {
      const [priority, weight, port] = [reader.uint16(), reader.uint16(), reader.uint16()];
      return { type, priority, weight, port, target: reader.name() };
    }
    case "TXT":
      return { type, text: decode(reader.strings(length)) };
    case "TLSA":
      return { type, ...readTlsa(reader.octets(length)) };
    case "SOA":
      reader.name();
      reader.name();
      for (let i = 0; i < 4; i++) reader.uint32();
      return { type, minimum: reader.uint32() };
  }
}

/** One that is cut short is no fault of the message: it is a record of a usage that nobody has. */
function readTlsa(octets: Uint8Array): TlsaRecord {
  const [usage = 255, selector = 255, matching = 255] = octets.length < 3 ? [] : octets;
  return { usage, selector, matching, data: octets.slice(3) };
}
