/**
 * The certificate of a development station: signed by itself, made at the first start and kept, so
 * that a client that once was told to trust it goes on doing so. One that has expired or cannot be
 * read is replaced, and the caller is told why.
 *
 * The maker (`npm:@peculiar/x509`, and the polyfill that its decorators need) is named here only and
 * loaded only when a certificate must be made.
 *
 * @module
 */

import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { errorCode } from "../runtime/system_error.ts";
import type { TlsCertificate } from "../runtime/tls.ts";
import { readPemPair } from "../config/pem.ts";

/** A certificate in force. */
export interface LocalCertificate {
  readonly pair: TlsCertificate;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** Why the kept one was replaced; `null` when it was not, or there was none. */
  readonly replaced: string | null;
}

const DAY = 24 * 60 * 60 * 1000;
const LIFETIME = 3650 * DAY;

/**
 * Takes `certificate.pem` and `key.pem` from the folder, or makes them.
 *
 * @param folder made with mode 0700 where it is missing; the key has mode 0600.
 * @param names host names and IP addresses the certificate is for.
 * @param now milliseconds since the epoch.
 * @throws when the files cannot be written, or the maker cannot be loaded.
 */
export async function keepLocalCertificate(
  folder: string,
  names: readonly string[],
  now: number,
): Promise<LocalCertificate> {
  const kept = await readKept(folder, now);
  if (typeof kept === "object" && kept !== null) return kept;
  const pair = await makeCertificate(names, now);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  // The certificate last: without it the key counts as missing, and both are made anew.
  await replaceFile(`${folder}/key.pem`, pair.key, 0o600);
  await replaceFile(`${folder}/certificate.pem`, pair.certificate, 0o644);
  return { pair, expires: now + LIFETIME, replaced: kept };
}

/** What is kept; or why it is of no use; or `null` when nothing is. */
async function readKept(folder: string, now: number): Promise<LocalCertificate | string | null> {
  let texts: [string, string];
  try {
    texts = await Promise.all([
      readFile(`${folder}/certificate.pem`, "utf8"),
      readFile(`${folder}/key.pem`, "utf8"),
    ]);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    return error instanceof Error ? error.message : String(error);
  }
  const read = readPemPair(...texts);
  if (read.status === "bad") return `the ${read.part} ${read.reason}`;
  if (read.expires < now) return `it expired on ${formatDay(read.expires)}`;
  return { pair: read.pair, expires: read.expires, replaced: null };
}

/** Replaces a file whole: a crash leaves the old one or the new one. */
async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  await writeFile(temporary, text, { flag: "wx", mode });
  await rename(temporary, path);
}

/** Loads the maker, where it is not yet: once it is, its files need not be read any more. */
export async function loadCertificateMaker() {
  // Named inline: a program that is run by URL has no import map.
  // deno-lint-ignore no-import-prefix
  await import("npm:reflect-metadata@0.2.2");
  // deno-lint-ignore no-import-prefix
  return await import("npm:@peculiar/x509@2.2.0");
}

/**
 * An EC P-256 key and a certificate for it, valid ten years, from yesterday (clocks differ).
 *
 * @param names host names and IP addresses the certificate is for.
 * @param now milliseconds since the epoch.
 * @param title what it calls itself.
 * @throws when the maker cannot be loaded.
 */
export async function makeCertificate(
  names: readonly string[],
  now: number,
  title = "Yizhan development certificate",
): Promise<TlsCertificate> {
  const x509 = await loadCertificateMaker();
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const serial = crypto.getRandomValues(new Uint8Array(16));
  serial[0] = serial[0]! & 0x7f | 0x40; // positive and of full length (RFC 5280 §4.1.2.2)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: [...serial].map((octet) => octet.toString(16).padStart(2, "0")).join(""),
    name: [{ CN: [title] }],
    notBefore: new Date(now - DAY),
    notAfter: new Date(now + LIFETIME),
    signingAlgorithm: algorithm,
    keys: keys as CryptoKeyPair,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map(toGeneralName)),
    ],
  });
  const key = await crypto.subtle.exportKey("pkcs8", (keys as CryptoKeyPair).privateKey);
  return {
    certificate: `${certificate.toString("pem")}\n`,
    key: `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n`,
  };
}

function toGeneralName(name: string): { type: "ip" | "dns"; value: string } {
  return { type: /^[\d.]+$|:/.test(name) ? "ip" : "dns", value: name };
}

/** `2036-11-19`. */
export function formatDay(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
