/**
 * Whether what a server has shown is what its TLSA records say (RFC 6698, 7671, 7672 §3). Pure but for the time,
 * which is given.
 *
 * Under DANE-EE(3) the record is all there is: neither names nor dates of the certificate count (RFC 7672 §3.1.1).
 * Under DANE-TA(2) there must be a way from the server's certificate up to one that a record fits: each signed by
 * the next, which may issue it, all in their time, and the server's for one of the names (RFC 7672 §3.1.2, §3.2).
 *
 * What fails: whatever a server shows gives a fault, and never throws. Certificates that bind names, or say
 * something critical that is not understood here, are not walked through.
 *
 * @module
 */

import { createHash, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsaRecord } from "../runtime/resolver.ts";
import type { DaneGuard, TlsFault } from "./tls_guard.ts";
import { type CertificateFields, readCertificateFields } from "./x509_fields.ts";

const DANE_TA = 2;
const DANE_EE = 3;
/** Certificates of a server that are looked at. */
const MAX_CERTIFICATES = 12;
/** Signatures that are checked for one server: who has made both chain and records shall not keep us busy. */
const MAX_SIGNATURES = 24;

/**
 * Those of a server's TLSA records that SMTP can use (RFC 7672 §3.1, RFC 7671 §9): of usage DANE-TA or DANE-EE, with
 * a selector and a matching type that are known and as many octets as these have. Where a stronger hash is there
 * for the same usage and selector the weaker one does not count.
 */
export function usableRecords(records: readonly TlsaRecord[]): TlsaRecord[] {
  const usable = records.filter(isUsable);
  return usable.filter(({ usage, selector, matching }) =>
    matching !== 1 ||
    !usable.some((other) =>
      other.matching === 2 && other.usage === usage && other.selector === selector
    )
  );
}

function isUsable({ usage, selector, matching, data }: TlsaRecord): boolean {
  if ((usage !== DANE_TA && usage !== DANE_EE) || selector > 1) return false;
  switch (matching) {
    case 0:
      return selector === 0 ? parseCertificate(data) !== null : parseKey(data) !== null;
    case 1:
      return data.length === 32;
    case 2:
      return data.length === 64;
    default:
      return false;
  }
}

/**
 * Why a server is not the one its records mean; `null`: it is.
 *
 * @param certificates as it showed them, DER, its own first. @param now epoch milliseconds.
 */
export function matchDane(
  { records, names }: Pick<DaneGuard, "records" | "names">,
  certificates: readonly Uint8Array[],
  now: number,
): TlsFault | null {
  if (records.length === 0) return null;
  const shown = certificates.slice(0, MAX_CERTIFICATES).map((der) => new Shown(der));
  const [own] = shown;
  if (own === undefined) return mistrust("the server showed no certificate");
  if (records.some((record) => record.usage === DANE_EE && own.fits(record))) return null;
  const anchors = records.filter(({ usage }) => usage === DANE_TA);
  const others = records.length - anchors.length;
  if (anchors.length === 0) {
    return mistrust(
      others === 1
        ? "the certificate does not fit the TLSA record"
        : `the certificate fits none of the ${others} TLSA records`,
    );
  }
  const found = findAnchor(own, shown.slice(1), anchors, now);
  if (found !== null) return found;
  const has = own.names;
  if (names.some((name) => isFor(has, name))) return null;
  return {
    type: "certificate-host-mismatch",
    text: `the certificate is for ${has.slice(0, 5).join(", ") || "nobody"}, not for ${
      names.join(" or ")
    }`,
  };
}

/** A certificate that a server showed, and what was reckoned of it. */
class Shown {
  readonly der: Uint8Array;
  readonly certificate: X509Certificate | null;
  readonly fields: CertificateFields | null;
  readonly #associations = new Map<number, Uint8Array | null>();

  constructor(der: Uint8Array) {
    this.der = der;
    this.certificate = parseCertificate(der);
    this.fields = readCertificateFields(der);
  }

  /** Whom it is for (RFC 7672 §3.2.3): its DNS names, else its common name. */
  get names(): readonly string[] {
    const { dnsNames = [], commonName = null } = this.fields ?? {};
    return dnsNames.length > 0 || commonName === null ? dnsNames : [commonName];
  }

  /** Whether a record's octets are those of this certificate, or of its key (RFC 6698 §2.1). */
  fits({ selector, matching, data }: TlsaRecord): boolean {
    const key = selector * 4 + matching;
    let own = this.#associations.get(key);
    if (own === undefined) {
      own = this.#associate(selector, matching);
      this.#associations.set(key, own);
    }
    return own !== null && isSame(own, data);
  }

  #associate(selector: number, matching: number): Uint8Array | null {
    const selected = selector === 0 ? this.der : this.fields?.publicKey;
    if (selected === undefined) return null;
    if (matching === 0) return selected;
    return createHash(matching === 1 ? "sha256" : "sha512").update(selected).digest();
  }

  /** Why it is no part of a chain at a time; `null`: it may be. */
  notInTime(now: number): TlsFault | null {
    return notInTime(this.certificate, now);
  }

  /** Whether it may have issued another, with so many issuers below it: whether it did, the signature tells. */
  mayHaveIssued({ certificate }: Shown, below: number): boolean {
    const { certificate: issuer, fields } = this;
    if (issuer === null || fields === null || certificate === null) return false;
    const { authority, maySign, strange, pathLength = Infinity } = fields;
    if (!authority || !maySign || strange || below > pathLength) return false;
    return attempt(() => certificate.checkIssued(issuer));
  }
}

/** A certificate on a way up, and how many issuers are below it. */
interface Step {
  readonly shown: Shown;
  readonly below: number;
}

/** Walks up from the server's certificate to one that a record fits; a fault where there is no way. */
function findAnchor(
  own: Shown,
  sent: readonly Shown[],
  anchors: readonly TlsaRecord[],
  now: number,
): TlsFault | null {
  const late = own.notInTime(now);
  if (late !== null) return late;
  // A record may hold the authority itself, which then need not be sent (RFC 7672 §3.1.2).
  const kept = anchors.filter(({ selector, matching }) => selector === 0 && matching === 0)
    .map(({ data }) => new Shown(data));
  const issuers = [...sent, ...kept];
  // Or its bare key (RFC 7671 §5.2.2).
  const keys = anchors.filter(({ selector, matching }) => selector === 1 && matching === 0)
    .flatMap(({ data }) => parseKey(data) ?? []);
  const seen = new Set<Shown>([own]);
  const steps: Step[] = [{ shown: own, below: 0 }];
  let left = MAX_SIGNATURES;
  const isSigned = ({ certificate }: Shown, key: () => KeyObject) =>
    left-- > 0 && attempt(() => certificate!.verify(key()));
  let fault: TlsFault | null = null;
  for (let step; (step = steps.shift()) !== undefined;) {
    const { shown, below } = step;
    if (keys.some((key) => isSigned(shown, () => key))) return null;
    for (const issuer of issuers) {
      if (seen.has(issuer) || !issuer.mayHaveIssued(shown, below)) continue;
      if (!isSigned(shown, () => issuer.certificate!.publicKey)) continue;
      seen.add(issuer);
      const outdated = issuer.notInTime(now);
      fault ??= outdated;
      if (outdated !== null) continue;
      if (anchors.some((record) => issuer.fits(record))) return null;
      steps.push({ shown: issuer, below: below + 1 });
    }
  }
  return fault ??
    mistrust(
      anchors.length === 1
        ? "the chain does not lead to the authority that the TLSA record names"
        : `the chain leads to none of the ${anchors.length} authorities that TLSA records name`,
    );
}

/** Why a certificate is no part of a chain at a time; `null`: it may be. */
export function notInTime(certificate: X509Certificate | null, now: number): TlsFault | null {
  if (certificate === null) return mistrust("a certificate of the chain cannot be read");
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (from <= now && now <= to) return null;
  const when = now > to ? `has ended on ${certificate.validTo}` : "is not valid yet";
  return { type: "certificate-expired", text: `a certificate of the chain ${when}` };
}

/** RFC 7672 §3.2.3: a wildcard is the whole first label. */
function isFor(names: readonly string[], wanted: string): boolean {
  const name = wanted.toLowerCase().replace(/\.$/, "");
  const above = name.indexOf(".");
  return names.some((own) => own === name || (above > 0 && own === `*${name.slice(above)}`));
}

/** A certificate, or `null` where it is none. */
export function parseCertificate(der: Uint8Array): X509Certificate | null {
  try {
    return new X509Certificate(der);
  } catch {
    return null;
  }
}

function parseKey(data: Uint8Array): KeyObject | null {
  try {
    return createPublicKey({ key: data as never, format: "der", type: "spki" });
  } catch {
    return null;
  }
}

/** Certificates are anybody's octets: what cannot be reckoned is not so. */
function attempt(question: () => boolean): boolean {
  try {
    return question();
  } catch {
    return false;
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((octet, index) => octet === other[index]);
}

function mistrust(text: string): TlsFault {
  return { type: "certificate-not-trusted", text };
}
