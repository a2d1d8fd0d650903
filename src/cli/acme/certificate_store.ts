/**
 * The folder of the certificates that the server gets by itself: NAME.pem with the key and the chain in one file, so
 * that a crash never leaves a certificate beside the key of another; the account with the authority; and what failed,
 * so that a server which is started again and again does not ask again and again.
 *
 * What fails: what writing throws. What cannot be read, or is damaged, counts as not there.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { decode, encode } from "../../bytes.ts";
import { readPemPair } from "../../config/pem.ts";
import { formatVisible } from "../../observe/visible_text.ts";
import type { Files } from "../../runtime/files.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import type { TlsCertificate } from "../../runtime/tls.ts";
import { certificateNames } from "../../runtime/tls_certificates.ts";
import { makeCertificate } from "../local_certificate.ts";
import type { Account } from "./authority.ts";
import { certificateId } from "./renewal_info.ts";

/** A certificate that lies there. Times are epoch milliseconds. */
export interface KeptCertificate {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  /** Signed by ourselves, until an authority has given one. */
  readonly temporary: boolean;
  /** What the authority calls it; see `renewal_info.ts`. */
  readonly id: string | null;
}

/** An order that did not come to its end. */
export interface FailedOrder {
  /** How often in a row. */
  readonly times: number;
  /** When it was begun last, epoch milliseconds. */
  readonly last: number;
  /** Why it failed, one line that can do no harm on a terminal. */
  readonly reason: string;
}

/** Octets of a file at most. */
const LIMIT = 1024 * 1024;
/** Characters of an authority's words that are kept. */
const REASON_LIMIT = 500;
/** What a certificate calls itself that is there until an authority has given one. */
const TEMPORARY = "Yizhan until an authority has given one";

/** Where the certificate of a name lies, its key in the same file. */
export function certificatePath(folder: string, name: string): string {
  return `${folder}/${name.replace("*", "_wildcard")}.pem`;
}

/** Why something failed, for a log and for the store. */
export function reasonOf(text: string): string {
  return formatVisible(text.replaceAll(/\s+/g, " ").trim(), REASON_LIMIT);
}

/** The folder. */
export class CertificateStore {
  readonly #files: Files;
  readonly #folder: string;

  constructor(files: Files, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /** Makes it where it is missing, for nobody else to look into. */
  async open(): Promise<void> {
    if (await this.#files.stat(this.#folder) !== null) return;
    await this.#files.makeDirectory(this.#folder, 0o700);
  }

  /** What lies there for a name and can be shown for it; `null`: nothing. */
  async certificate(name: string): Promise<KeptCertificate | null> {
    const text = await this.#read(certificatePath(this.#folder, name));
    return text === null ? null : readKept(text, text, name);
  }

  /** Keeps it. @throws {Error} also where it is none for the name. */
  async keep(name: string, { certificate, key }: TlsCertificate): Promise<KeptCertificate> {
    const kept = readKept(certificate, key, name);
    if (kept === null) throw new Error("what the authority gave is no certificate for the name");
    await this.#replace(certificatePath(this.#folder, name), `${key.trim()}\n${certificate}`);
    return kept;
  }

  /** Signs one by ourselves. */
  async keepTemporary(name: string, now: number): Promise<void> {
    await this.keep(name, await makeCertificate([name], now, TEMPORARY));
  }

  /**
   * The account with an authority; `null`: none, or one that cannot be read.
   *
   * @param boundTo the key id that it must be bound to. Without one any will do: a binding is wanted to open an account
   * only (RFC 8555 §7.3.4), and may be taken out of the configuration then.
   */
  async account(directory: string, boundTo?: string): Promise<Account | null> {
    const { key, url, directory: of, boundTo: to } = readObject(await this.#read(this.#account));
    if (typeof key !== "string" || typeof url !== "string") return null;
    if (of !== directory || (boundTo !== undefined && to !== boundTo)) return null;
    return { directory, key, url, ...(typeof to === "string" && { boundTo: to }) };
  }

  /** Keeps the account, in place of the one before. */
  async keepAccount(account: Account): Promise<void> {
    await this.#replace(this.#account, `${JSON.stringify(account, null, 2)}\n`);
  }

  /** What failed, by name. */
  async failures(): Promise<Map<string, FailedOrder>> {
    const found = readObject(await this.#read(this.#failures));
    return new Map(
      Object.entries(found).flatMap(([name, value]) => {
        const { times, last, reason } = Object(value);
        if (!Number.isSafeInteger(times) || times < 1 || !Number.isFinite(last)) return [];
        return [[name, { times, last, reason: reasonOf(String(reason)) }]];
      }),
    );
  }

  /** Keeps it, in place of what was there. */
  async keepFailures(failures: ReadonlyMap<string, FailedOrder>): Promise<void> {
    await this.#replace(
      this.#failures,
      `${JSON.stringify(Object.fromEntries(failures), null, 2)}\n`,
    );
  }

  get #account(): string {
    return `${this.#folder}/account.json`;
  }

  get #failures(): string {
    return `${this.#folder}/failures.json`;
  }

  async #read(path: string): Promise<string | null> {
    try {
      return decode(await this.#files.readFile(path, LIMIT));
    } catch {
      return null;
    }
  }

  /** Replaces a file whole, of mode 0600: a crash leaves the old one or the new one. */
  async #replace(path: string, text: string): Promise<void> {
    const draft = `${path}.new`;
    const file = await openFresh(this.#files, draft);
    try {
      await file.write(encode(text));
      await file.sync();
    } finally {
      file.close();
    }
    await this.#files.rename(draft, path);
    await this.#files.syncDirectory(this.#folder);
  }
}

function readKept(certificate: string, key: string, name: string): KeptCertificate | null {
  const read = readPemPair(certificate, key);
  if (read.status === "bad") return null;
  const leaf = new X509Certificate(read.pair.certificate);
  if (!certificateNames(leaf).includes(name)) return null;
  return {
    key: read.pair.key,
    from: Date.parse(leaf.validFrom),
    to: read.expires,
    temporary: leaf.subject.includes(TEMPORARY),
    id: certificateId(leaf),
  };
}

/** Nothing where it is none. */
function readObject(text: string | null): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text ?? "{}"));
  } catch {
    return {};
  }
}
