/**
 * A certificate and its key as PEM text, checked before anybody relies on them: TLS libraries take a
 * key that belongs to another certificate and fail at the first handshake, when nobody is looking.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TlsCertificate } from "../runtime/tls.ts";

/** A pair that belongs together, or what is wrong with it. */
export type PemPair =
  | {
    readonly status: "good";
    readonly pair: TlsCertificate;
    /** Milliseconds since the epoch. */
    readonly expires: number;
    /** The names it is for, as OpenSSL writes them. */
    readonly names: string;
  }
  | {
    readonly status: "bad";
    readonly part: "certificate" | "key";
    readonly reason: string;
    /** Each is good, but they are not a pair. */
    readonly mismatch?: true;
  };

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const KEY = /-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----[^-]+-----END \1-----/;

/** Reads the chain in one text and the key in another; both may be the same text. */
export function readPemPair(certificateText: string, keyText: string): PemPair {
  const chain = certificateText.match(CERTIFICATE);
  if (chain === null) return bad("certificate", "holds no CERTIFICATE in PEM form");
  const key = KEY.exec(keyText)?.[0];
  if (keyText.includes("ENCRYPTED")) {
    return bad("key", "is encrypted; store it without a passphrase, readable by the server only");
  }
  if (key === undefined) return bad("key", "holds no PRIVATE KEY in PEM form");
  let leaf: X509Certificate;
  try {
    for (const certificate of chain.slice(1)) new X509Certificate(certificate);
    leaf = new X509Certificate(chain[0]!);
  } catch (error) {
    return bad("certificate", `cannot be read: ${messageOf(error)}`);
  }
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(key))) {
      return { ...bad("key", "does not belong to the certificate"), mismatch: true };
    }
  } catch (error) {
    return bad("key", `cannot be read: ${messageOf(error)}`);
  }
  return {
    status: "good",
    pair: { certificate: `${chain.join("\n")}\n`, key: `${key}\n` },
    expires: Date.parse(leaf.validTo),
    names: leaf.subjectAltName ?? leaf.subject,
  };
}

function bad(part: "certificate" | "key", reason: string): PemPair & { readonly status: "bad" } {
  return { status: "bad", part, reason };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is wrong with a text of authorities to trust, `null` for nothing. */
export function checkAuthorities(text: string): string | null {
  const certificates = text.match(CERTIFICATE);
  if (certificates === null) return "holds no CERTIFICATE in PEM form";
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
    return null;
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`;
  }
}
