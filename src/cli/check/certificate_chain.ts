/**
 * A certificate chain as checks read it. Pure.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { certificateNames } from "../../runtime/tls_certificates.ts";

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in order. @throws where one cannot be read. */
export function readChain(pem: string): X509Certificate[] {
  return (pem.match(PEM) ?? []).map((text) => new X509Certificate(text));
}

/**
 * Whether a certificate is for a host name, by itself or by a wildcard for its first label (RFC 6125 §6.4.3). Deno's
 * `checkHost` knows no wildcards.
 */
export function coversName(certificate: X509Certificate, name: string): boolean {
  const wanted = name.toLowerCase();
  const wildcard = `*${wanted.slice(wanted.indexOf("."))}`;
  const names = certificateNames(certificate);
  return names.includes(wanted) || names.includes(wildcard);
}
