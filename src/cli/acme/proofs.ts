/**
 * Proofs to an authority that a name is ours, while they are under way: what it shall find by HTTP (RFC 8555 §8.3)
 * and by TLS (RFC 8737 §3). The site asks here.
 *
 * @module
 */

import type { TlsCertificate } from "../../runtime/tls.ts";

/** What is under way. */
export class Proofs {
  readonly #texts = new Map<string, string>();
  readonly #certificates = new Map<string, TlsCertificate>();

  /** Whether a name is being proved by TLS. */
  get byTls(): boolean {
    return this.#certificates.size > 0;
  }

  /** What lies at a token. */
  textAt(token: string): string | null {
    return this.#texts.get(token) ?? null;
  }

  /** What is shown for a name. */
  certificateOf(name: string): TlsCertificate | null {
    return this.#certificates.get(name.toLowerCase()) ?? null;
  }

  /** Lays a text at a token. */
  putText(token: string, text: string): void {
    this.#texts.set(token, text);
  }

  /** Shows a certificate for a name. */
  putCertificate(name: string, certificate: TlsCertificate): void {
    this.#certificates.set(name.toLowerCase(), certificate);
  }

  /** Takes away what was laid for a name and at a token. */
  remove(name: string, token: string): void {
    this.#texts.delete(token);
    this.#certificates.delete(name.toLowerCase());
  }
}
