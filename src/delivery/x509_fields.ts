/**
 * What a certificate says of those it may issue (RFC 5280 §4.2.1) and of whom it is for, read from its DER as far as
 * that is needed to walk up a chain. `node:crypto` tells too little of it, each runtime tells something else, and its
 * text cannot be taken apart again without doubt: names of other kinds may hold anything.
 *
 * What fails: octets that are no certificate give `null`. Extensions that are critical and not known here are told,
 * so that nobody goes by half of what a certificate says (RFC 5280 §4.2).
 *
 * @module
 */

import { decode } from "../bytes.ts";

/** What is read of a certificate. */
export interface CertificateFields {
  /** Basic constraints: it may issue others (RFC 5280 §4.2.1.9). */
  readonly authority: boolean;
  /** Issuers that may stand between it and the end; absent: any number. */
  readonly pathLength?: number;
  /** Key usage has keyCertSign, or there is none (RFC 5280 §4.2.1.3). */
  readonly maySign: boolean;
  /** It binds names, or says something else that is critical and not understood here. */
  readonly strange: boolean;
  /** The DNS names it is for (RFC 5280 §4.2.1.6), in lower case. */
  readonly dnsNames: readonly string[];
  /** The last common name of its subject, in lower case; what is not ASCII comes out as it may. */
  readonly commonName: string | null;
  /** SubjectPublicKeyInfo as it stands there: written anew, keys of rarer kinds would come out otherwise. */
  readonly publicKey: Uint8Array;
}

/** One value of DER: its tag and where its content lies. */
interface Value {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

const SEQUENCE = 0x30;
/** `[0] EXPLICIT`, the version, which old certificates leave out. */
const VERSION = 0xa0;
/** The places of the subject and its key among the fields, behind the version. */
const SUBJECT = 4;
const PUBLIC_KEY = 5;
/** `id-at-commonName`. */
const COMMON_NAME = "550403";
/** `[2]` of a GeneralName: a DNS name. */
const DNS_NAME = 0x82;
/** `[3] EXPLICIT`, where the extensions are. */
const EXTENSIONS = 0xa3;

/** Extensions that say nothing of issuing but what is read here; by their OIDs in DER, as hexadecimal. */
const BASIC_CONSTRAINTS = "551d13";
const KEY_USAGE = "551d0f";
const ALTERNATIVE_NAMES = "551d11";
const UNDERSTOOD = new Set([
  BASIC_CONSTRAINTS,
  KEY_USAGE,
  ALTERNATIVE_NAMES,
  "551d25", // extended key usage
  "551d20", // certificate policies
]);

/**
 * Reads them.
 *
 * @example
 * ```ts
 * import { readCertificateFields } from "./x509_fields.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readCertificateFields(new Uint8Array(20)), null);
 * ```
 */
export function readCertificateFields(der: Uint8Array): CertificateFields | null {
  const [certificate] = children(der, { tag: SEQUENCE, start: 0, end: der.length }) ?? [];
  if (certificate?.tag !== SEQUENCE) return null;
  const [toBeSigned] = children(der, certificate) ?? [];
  if (toBeSigned?.tag !== SEQUENCE) return null;
  const fields = children(der, toBeSigned)?.filter(({ tag }) => tag !== VERSION);
  const [subject, publicKey] = [fields?.[SUBJECT], fields?.[PUBLIC_KEY]];
  if (fields === undefined || subject === undefined || publicKey?.tag !== SEQUENCE) return null;
  const bare: CertificateFields = {
    ...{ authority: false, maySign: true, strange: false, dnsNames: [] },
    commonName: readCommonName(der, subject),
    publicKey: der.subarray(subject.end, publicKey.end),
  };
  const wrapped = fields.find(({ tag }) => tag === EXTENSIONS);
  if (wrapped === undefined) return bare;
  const [list] = children(der, wrapped) ?? [];
  return list === undefined ? null : readExtensions(der, list, bare);
}

function readExtensions(
  der: Uint8Array,
  list: Value,
  bare: CertificateFields,
): CertificateFields | null {
  let fields = bare;
  const extensions = children(der, list);
  if (extensions === null) return null;
  for (const extension of extensions) {
    const parts = children(der, extension);
    const [name, value] = [parts?.[0], parts?.at(-1)];
    if (parts === null || name === undefined || value === undefined) return null;
    const oid = der.subarray(name.start, name.end).toHex();
    const critical = parts.length === 3 && der[parts[1]!.start] !== 0;
    if (oid === BASIC_CONSTRAINTS) fields = { ...fields, ...readBasicConstraints(der, value) };
    else if (oid === KEY_USAGE) fields = { ...fields, maySign: readMaySign(der, value) };
    else if (oid === ALTERNATIVE_NAMES) fields = { ...fields, dnsNames: readNames(der, value) };
    else if (critical && !UNDERSTOOD.has(oid)) fields = { ...fields, strange: true };
  }
  return fields;
}

function readNames(der: Uint8Array, value: Value): string[] {
  const [sequence] = children(der, value) ?? [];
  const names = sequence === undefined ? [] : children(der, sequence) ?? [];
  return names.filter(({ tag }) => tag === DNS_NAME).map((name) => readText(der, name));
}

/** A subject is a list of sets of pairs, a type and a value. */
function readCommonName(der: Uint8Array, subject: Value): string | null {
  const pairs = (children(der, subject) ?? []).flatMap((set) => children(der, set) ?? []);
  const names = pairs.flatMap((pair) => {
    const [type, value] = children(der, pair) ?? [];
    if (type === undefined || value === undefined) return [];
    return der.subarray(type.start, type.end).toHex() === COMMON_NAME ? [readText(der, value)] : [];
  });
  return names.at(-1) ?? null;
}

function readText(der: Uint8Array, { start, end }: Value): string {
  return decode(der.subarray(start, end)).toLowerCase();
}

function readBasicConstraints(
  der: Uint8Array,
  value: Value,
): Pick<CertificateFields, "authority" | "pathLength"> {
  const [sequence] = children(der, value) ?? [];
  const parts = sequence === undefined ? null : children(der, sequence);
  const authority = parts?.some(({ tag, start }) => tag === 0x01 && der[start] !== 0) ?? false;
  const length = parts?.find(({ tag }) => tag === 0x02);
  if (length === undefined) return { authority };
  const octets = der.subarray(length.start, length.end);
  // More than a small number is as good as none, and a negative one lets nobody through.
  return { authority, pathLength: octets.length === 1 ? (octets[0]! << 24) >> 24 : 127 };
}

/** keyCertSign is the sixth bit of the string, whose first octet counts the unused ones. */
function readMaySign(der: Uint8Array, value: Value): boolean {
  const [bits] = children(der, value) ?? [];
  return bits !== undefined && ((der[bits.start + 1] ?? 0) & 0x04) !== 0 &&
    bits.end > bits.start + 1;
}

/** The values within one, or `null` where they are none. */
function children(der: Uint8Array, { start, end }: Value): Value[] | null {
  const values: Value[] = [];
  for (let at = start; at < end;) {
    const value = readValue(der, at, end);
    if (value === null) return null;
    values.push(value);
    at = value.end;
  }
  return values;
}

function readValue(der: Uint8Array, at: number, end: number): Value | null {
  const [tag, first] = [der[at], der[at + 1]];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return null;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 3) return null;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (der[start++] ?? 0);
  }
  return start + length > end ? null : { tag, start, end: start + length };
}
