/**
 * Certificates in files that somebody else renews. They are read and checked again when a file has
 * changed, where a wrong one leaves those in force alone. (At start and at a reload it is the
 * configuration that finds what is wrong with them, with its place.)
 *
 * @module
 */

import { decode } from "../bytes.ts";
import { readPemPair } from "../config/pem.ts";
import type { Files } from "../runtime/files.ts";
import type { TlsCertificate } from "../runtime/tls.ts";
import { CommandError, EXIT } from "./exit.ts";
import { describeFileError } from "./trouble.ts";

/** Where a certificate and its key lie. */
export interface CertificatePaths {
  readonly certificate: string;
  readonly key: string;
}

/** Until when a certificate is good. */
export interface CertificateExpiry {
  /** Its path. */
  readonly file: string;
  /** Epoch milliseconds. */
  readonly expires: number;
}

/** Octets of a PEM file at most. */
const LIMIT = 1024 * 1024;

/** The files of all certificates of a station. */
export class CertificateFiles {
  readonly #paths: readonly CertificatePaths[];
  readonly #files: Files;
  #seen = "";
  #expiries: readonly CertificateExpiry[] = [];

  /** @param paths in the order of preference; the first answers where no name fits. */
  constructor(paths: readonly CertificatePaths[], files: Files) {
    this.#paths = paths;
    this.#files = files;
  }

  /** Of those that were loaded last. */
  get expiries(): readonly CertificateExpiry[] {
    return this.#expiries;
  }

  /**
   * Reads and checks all of them.
   *
   * @throws {CommandError} one line about the first that cannot be used.
   */
  async load(): Promise<TlsCertificate[]> {
    this.#seen = await this.#stamp();
    const pairs: TlsCertificate[] = [];
    const expiries: CertificateExpiry[] = [];
    for (const paths of this.#paths) {
      const read = readPemPair(await this.#read(paths.certificate), await this.#read(paths.key));
      if (read.status === "bad") {
        const pair = read.part === "key" ? ` (of ${paths.certificate})` : "";
        throw new CommandError(
          EXIT.dataError,
          `${read.part} ${paths[read.part]}${pair} ${read.reason}`,
        );
      }
      expiries.push({ file: paths.certificate, expires: read.expires });
      pairs.push(read.pair);
    }
    this.#expiries = expiries;
    return pairs;
  }

  /** Whether a file is another one than at the last {@link load}. A wrong one is reported only once so. */
  async changed(): Promise<boolean> {
    return await this.#stamp() !== this.#seen;
  }

  async #stamp(): Promise<string> {
    const files = this.#paths.flatMap(({ certificate, key }) => [certificate, key]);
    const stamps = await Promise.all(files.map(async (path) => {
      const found = await this.#files.stat(path, { follow: true }).catch(() => null);
      return found === null ? "missing" : `${found.modified} ${found.size}`;
    }));
    return stamps.join("\n");
  }

  async #read(path: string): Promise<string> {
    try {
      return decode(await this.#files.readFile(path, LIMIT));
    } catch (error) {
      throw new CommandError(EXIT.noInput, `cannot read ${path}: ${describeFileError(error)}`);
    }
  }
}
