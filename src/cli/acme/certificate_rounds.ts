/**
 * Certificates by the newest configuration, one order at a time: after a reload an order that is under way is brought to
 * its end by the rules it began with, and only then others begin. Two at once would prove the same name twice, and write
 * the same files.
 *
 * What fails: nothing; see `managed_certificates.ts`.
 *
 * @module
 */

import type { ManagedCertificates } from "./managed_certificates.ts";

/** The rounds of looking at what is due. */
export class CertificateRounds {
  readonly #broken = new AbortController();
  #newest = new AbortController();
  #last: Promise<void> = Promise.resolve();

  /** Goes by these from now on; `null`: there are none. */
  use(managed: Pick<ManagedCertificates, "run"> | null): void {
    this.#newest.abort();
    this.#newest = new AbortController();
    if (managed === null || this.#broken.signal.aborted) return;
    const { signal } = this.#newest;
    this.#last = this.#last.then(() => managed.run(signal, this.#broken.signal));
  }

  /** Breaks off what is under way: an order begun is written down, and made again after the next start. */
  stop(): void {
    this.#newest.abort();
    this.#broken.abort(new Error("the server is stopping"));
  }
}
