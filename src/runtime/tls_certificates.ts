/**
 * What an adapter must know of the certificates it is configured with: that each can be read, that
 * it belongs to its key (neither Deno's nor Node's TLS notices before the first handshake fails),
 * and which of them to show for a name a client asks for (SNI, RFC 6066 §3).
 *
 * What fails: a broken or mismatching certificate is a `TypeError` that names it.
 *
 * @module
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsCertificate } from "./tls.ts";

/** A certificate that was read and belongs to its key. */
export interface CheckedCertificate {
  /** The chain, PEM, the server's own certificate first. */
  readonly chain: string;
  /** The key as PEM, in the form that TLS reads fastest, whatever form it was given in. */
  readonly key: string;
  /** The DNS names in it (SAN, RFC 6125 §6.4.4), in lower case, `*.` for a wildcard. */
  readonly names: readonly string[];
}

/**
 * Reads certificates and their keys.
 *
 * @throws {TypeError} when there is none, when one cannot be read or does not belong to its key.
 */
export function checkCertificates(
  certificates: readonly TlsCertificate[],
): readonly CheckedCertificate[] {
  if (certificates.length === 0) throw new TypeError("TLS needs at least one certificate");
  return certificates.map(checkCertificate);
}

function checkCertificate({ certificate, key }: TlsCertificate, index: number): CheckedCertificate {
  const place = `TLS certificate ${index + 1}`;
  const blocks = certificate.match(
    /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g,
  ) ?? [];
  let own: X509Certificate | undefined;
  for (const [at, block] of blocks.entries()) {
    try {
      const parsed = new X509Certificate(block);
      own ??= parsed;
    } catch (error) {
      const which = at === 0 ? place : `${place}, intermediate ${at}`;
      throw new TypeError(`${which}: cannot be read`, { cause: error });
    }
  }
  if (own === undefined) throw new TypeError(`${place}: there is no PEM certificate in it`);
  const names = certificateNames(own);
  const named = `${place} (${names[0] ?? oneLine(own.subject)})`;
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    throw new TypeError(`${named}: its key cannot be read`, { cause: error });
  }
  if (!own.checkPrivateKey(privateKey)) {
    throw new TypeError(`${named}: the certificate does not belong to its key`);
  }
  return {
    chain: blocks.join("\n") + "\n",
    key: exportKey(privateKey),
    names,
  };
}

/**
 * Deno's TLS reads the key for each handshake anew, and one of an elliptic curve in a third less time where it
 * is not wrapped in PKCS #8 (RFC 5915).
 */
function exportKey(key: KeyObject): string {
  const type = key.asymmetricKeyType === "ec" ? "sec1" : "pkcs8";
  return key.export({ type, format: "pem" }) as string;
}

/** The DNS names of a certificate's SAN, in lower case. */
export function certificateNames(certificate: X509Certificate): string[] {
  const names: string[] = [];
  for (const [, name] of (certificate.subjectAltName ?? "").matchAll(/(?:^|, )DNS:([^,"]+)/g)) {
    if (name !== undefined) names.push(name.toLowerCase());
  }
  return names;
}

/**
 * Something for each of several certificates, found by the name a client asks for: an exact name
 * first, then a wildcard for its first label (RFC 6125 §6.4.3), then the first of all.
 */
export class CertificateChoice<Value> {
  readonly #first: Value;
  readonly #byName = new Map<string, Value>();

  /** Of names and what to give for them, at least one; the earlier wins a name. */
  constructor(entries: readonly { readonly names: readonly string[]; readonly value: Value }[]) {
    const [first] = entries;
    if (first === undefined) throw new TypeError("there is no certificate to choose from");
    this.#first = first.value;
    for (const { names, value } of entries) {
      for (const name of names) if (!this.#byName.has(name)) this.#byName.set(name, value);
    }
  }

  /** What to show to a client that asked for `serverName`, or for none. */
  choose(serverName?: string | null): Value {
    if (!serverName) return this.#first;
    const name = serverName.toLowerCase().replace(/\.$/, "");
    const wildcard = "*" + name.slice(name.indexOf("."));
    return this.#byName.get(name) ?? this.#byName.get(wildcard) ?? this.#first;
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
