/**
 * TLS in memory: a handshake of three records that agree on a name and a certificate, and nothing
 * encrypted after it. It fails where the real one does: one side speaks plaintext, the certificate is
 * of another name or another authority, the peer goes away. Certificates are real ones, read by the
 * same code as the real adapter's.
 *
 * A record has TLS's shape (type, version, two octets of length; RFC 8446 §5.1) and holds JSON.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { concat, decode, encode } from "../bytes.ts";
import type { Connection } from "./network.ts";
import { SystemError } from "./system_error.ts";
import type { TlsCertificate, TlsClientOptions, TlsInfo, TlsProblem, TlsServer } from "./tls.ts";
import { CertificateChoice, certificateNames, checkCertificates } from "./tls_certificates.ts";

const HANDSHAKE = 0x16;
const ALERT = 0x15;
const PROTOCOL = "TLSv1.3";
const CIPHER = "TLS_AES_256_GCM_SHA384";

/** What records say; each says one of these. */
interface Hello {
  readonly serverName?: string;
  readonly certificate?: string;
  readonly finished?: true;
}

/** The server's side: which certificate for which name. */
export class MemoryTlsServer implements TlsServer {
  #chains!: CertificateChoice<string>;

  /** With these certificates. @throws {TypeError} as {@link TlsServer.replace}. */
  constructor(certificates: readonly TlsCertificate[]) {
    this.replace(certificates);
  }

  replace(certificates: readonly TlsCertificate[]): void {
    this.#chains = new CertificateChoice(
      checkCertificates(certificates).map(({ names, chain }) => ({ names, value: chain })),
    );
  }

  /** The chain to show for a name. */
  choose(serverName?: string): string {
    return this.#chains.choose(serverName);
  }
}

/** The server's part of a handshake. Throws SystemErrors; closing is the caller's. */
export async function secureServer(
  plain: Connection,
  server: TlsServer,
  received: Uint8Array = new Uint8Array(0),
): Promise<TlsInfo> {
  if (!(server instanceof MemoryTlsServer)) {
    throw new TypeError("the TlsServer is of another adapter");
  }
  const input = new RecordReader(plain, received);
  const { serverName } = await input.next();
  await plain.write(formatRecord(HANDSHAKE, { certificate: server.choose(serverName) }));
  await input.next();
  return { protocol: PROTOCOL, cipher: CIPHER, ...(serverName ? { serverName } : {}) };
}

/** The client's part of a handshake. Throws SystemErrors; closing is the caller's. */
export async function secureClient(plain: Connection, options: TlsClientOptions): Promise<TlsInfo> {
  const { verify, authorities = [], inspect } = options;
  const serverName = isAddress(options.serverName) ? undefined : options.serverName;
  await plain.write(formatRecord(HANDSHAKE, { serverName }));
  const hello = await new RecordReader(plain).next();
  const chain = hello.certificate ?? "";
  const check = () => certificateProblem(chain, options.serverName, authorities);
  const look = () => inspect?.({ certificates: certificatesOf(chain), check }) ?? null;
  const problem = (verify ? check()?.text : null) ?? within(look);
  if (problem !== null) {
    await plain.write(formatRecord(ALERT, { description: "bad_certificate" }));
    throw failure(problem);
  }
  await plain.write(formatRecord(HANDSHAKE, { finished: true }));
  return { protocol: PROTOCOL, cipher: CIPHER, ...(serverName ? { serverName } : {}) };
}

/** Why a certificate is not the one that was asked for, or `null`. */
function certificateProblem(
  chain: string,
  name: string,
  authorities: readonly string[],
): TlsProblem | null {
  const certificate = new X509Certificate(chain);
  const names = certificateNames(certificate);
  const fits = isAddress(name)
    ? certificate.checkIP(name) !== undefined
    : new CertificateChoice([{ names: [], value: false }, { names, value: true }]).choose(name);
  if (!fits) {
    const text = `the certificate is for ${names.join(", ")}, not for ${name}`;
    return { code: "ERR_TLS_CERT_ALTNAME_INVALID", text };
  }
  const trusted = authorities.some((pem) => certificate.verify(new X509Certificate(pem).publicKey));
  if (trusted) return null;
  const text = "the certificate is of no known authority";
  return { code: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", text };
}

/** What is thrown is a refusal, too. */
function within(look: () => string | null): string | null {
  try {
    return look();
  } catch {
    return "the peer cannot be looked at";
  }
}

function certificatesOf(chain: string): Uint8Array[] {
  const blocks = chain.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g);
  return [...blocks].map(([, base64 = ""]) => Uint8Array.fromBase64(base64));
}

/** Reads records, and not one octet past them. */
class RecordReader {
  readonly #plain: Connection;
  #received: Uint8Array;

  constructor(plain: Connection, received: Uint8Array = new Uint8Array(0)) {
    this.#plain = plain;
    this.#received = received;
  }

  async next(): Promise<Hello> {
    const header = await this.#octets(5, (octets) => {
      if (octets[0] !== HANDSHAKE && octets[0] !== ALERT) {
        throw failure("plaintext where a TLS record was expected");
      }
    });
    const content = await this.#octets((header[3]! << 8) | header[4]!);
    if (header[0] === ALERT) throw failure(`alert: ${decode(content)}`);
    try {
      return { ...JSON.parse(decode(content)) };
    } catch (error) {
      throw failure("a record that cannot be read", error);
    }
  }

  async #octets(length: number, check?: (soFar: Uint8Array) => void): Promise<Uint8Array> {
    while (this.#received.length < length) {
      if (this.#received.length > 0) check?.(this.#received);
      const buffer = new Uint8Array(length - this.#received.length);
      const read = await this.#plain.read(buffer);
      if (read === null) {
        throw new SystemError("ECONNRESET", "the peer closed during the TLS handshake");
      }
      this.#received = concat([this.#received, buffer.subarray(0, read)]);
    }
    const octets = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    check?.(octets);
    return octets;
  }
}

function formatRecord(type: number, content: unknown): Uint8Array {
  const body = encode(JSON.stringify(content));
  return concat([Uint8Array.of(type, 3, 3, body.length >> 8, body.length & 0xff), body]);
}

function failure(reason: string, cause?: unknown): SystemError {
  return new SystemError("EPROTO", `TLS handshake failed: ${reason}`, { cause });
}

function isAddress(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(":");
}
