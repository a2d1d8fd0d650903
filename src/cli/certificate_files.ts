/**
 * Certificates in files that somebody else renews. They are read and checked at start, where a wrong
 * one is an error, and again when told to or when a file has changed, where a wrong one leaves those in
 * force alone.
 *
 * @module
 */

import type { TlsCertificate } from "../runtime/runtime.ts";
import { CommandError, EXIT } from "./exit.ts";
import { readPemPair } from "../config/pem.ts";
import { describeFileError } from "./trouble.ts";

/** Where a certificate and its key lie. */
export interface CertificatePaths {
  readonly certificate: string;
  readonly key: string;
}

/** The files of all certificates of a station. */
export class CertificateFiles {
  readonly #paths: readonly CertificatePaths[];
  #seen = "";

  /** @param paths in the order of preference; the first answers where no name fits. */
  constructor(paths: readonly CertificatePaths[]) {
    this.#paths = paths;
  }

  /**
   * Reads and checks all of them.
   *
   * @param warn gets a line about each that can be used but should not, such as an expired one.
   * @throws {CommandError} one line about the first that cannot be used.
   */
  async load(now: number, warn: (line: string) => void): Promise<TlsCertificate[]> {
    this.#seen = await this.#stamp();
    const pairs: TlsCertificate[] = [];
    for (const paths of this.#paths) {
      const read = readPemPair(await readText(paths.certificate), await readText(paths.key));
      if (read.status === "bad") {
        const path = paths[read.part];
        const pair = read.part === "key" ? ` (of ${paths.certificate})` : "";
        const advice = read.mismatch ? describeMismatch(paths) : "";
        const reason = `${read.reason}${advice}`;
        throw new CommandError(EXIT.dataError, `${read.part} ${path}${pair} ${reason}`);
      }
      if (read.expires < now) {
        const day = new Date(read.expires).toISOString().slice(0, 10);
        warn(`certificate ${paths.certificate} expired on ${day}; renew it`);
      }
      pairs.push(read.pair);
    }
    return pairs;
  }

  /** Whether a file is another one than at the last {@link load}. A wrong one is reported only once so. */
  async changed(): Promise<boolean> {
    return await this.#stamp() !== this.#seen;
  }

  async #stamp(): Promise<string> {
    const files = this.#paths.flatMap(({ certificate, key }) => [certificate, key]);
    const stamps = await Promise.all(files.map(async (path) => {
      try {
        const { mtime, size, ino } = await Deno.stat(path);
        return `${mtime?.getTime()} ${size} ${ino}`;
      } catch {
        return "missing";
      }
    }));
    return stamps.join("\n");
  }
}

/** What to do about a pair that is none: both commands print a public key. */
function describeMismatch({ certificate, key }: CertificatePaths): string {
  return `: give the key it was made with; of a pair, these print the same: ` +
    `openssl x509 -noout -pubkey -in ${certificate}; openssl pkey -pubout -in ${key}`;
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new CommandError(EXIT.noInput, `cannot read ${path}: ${describeFileError(error)}`);
  }
}
