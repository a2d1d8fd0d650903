/**
 * The certificates that the server gets by itself: one for each name, so that a name that cannot be proved keeps none
 * of the others from theirs. They lie in a folder as NAME.pem and NAME.key.pem, beside the account; until an
 * authority has given one there is one signed by ourselves, so that mail flows.
 *
 * What fails: an order is told, and tried again after an hour, two, … a day; a certificate in force stays until its end.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { decode, encode } from "../../bytes.ts";
import type { Clock, Files, Random, TlsCertificate } from "../../runtime/runtime.ts";
import type { CertificatePaths } from "../certificate_files.ts";
import { makeCertificate } from "../local_certificate.ts";
import { describeError } from "../trouble.ts";
import {
  type Account,
  type AuthorityOptions,
  type Challenge,
  openAccount,
  orderCertificate,
} from "./authority.ts";

/** What is managed. */
export interface ManagedOptions extends AuthorityOptions {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  /** Where they lie; made with mode 0700. */
  readonly folder: string;
  readonly names: readonly string[];
  /** Milliseconds before its end at which a certificate is renewed; a third of its life where that is less. */
  readonly renewBefore: number;
  /** A certificate is there that was not before. */
  readonly onRenewed: (name: string) => Promise<void>;
  /** What went wrong, and when it is tried again. */
  readonly onTrouble: (text: string) => void;
}

const HOUR = 60 * 60 * 1000;
/** Between two looks at what is due. */
const INTERVAL = 12 * HOUR;
/** Between two attempts at a name: doubled from the first to the last. */
const FIRST_PAUSE = HOUR;
const LONGEST_PAUSE = 24 * HOUR;
/** Octets of a PEM file. */
const LIMIT = 1024 * 1024;

/** Where the certificates of some names lie. */
export function managedPaths(folder: string, names: readonly string[]): CertificatePaths[] {
  return names.map((name) => ({
    certificate: `${folder}/${name}.pem`,
    key: `${folder}/${name}.key.pem`,
  }));
}

/**
 * Whether names can be proved so on this runtime: the TLS of Deno shows no certificate with an extension that is
 * critical and that it does not know, as RFC 8737 §3 wants it.
 */
export function canProve(challenge: Challenge): boolean {
  return challenge !== "tls-alpn-01" || typeof Deno === "undefined";
}

/** The certificates of a server. */
export class ManagedCertificates {
  readonly #options: ManagedOptions;
  /** Names that could not be had: how often, and when to try again. */
  readonly #failures = new Map<string, { readonly times: number; readonly next: number }>();

  constructor(options: ManagedOptions) {
    this.#options = options;
  }

  /** Has something to show for every name. @throws where the folder cannot be written in. */
  async prepare(): Promise<void> {
    const { files, folder, names, clock } = this.#options;
    if (await files.stat(folder) === null) await files.makeDirectory(folder, 0o700);
    for (const name of names) {
      if (await this.#expiry(name) !== null) continue;
      await this.#keep(name, await makeCertificate([name], clock.now(), TEMPORARY));
    }
  }

  /** Orders what is due, now and later, until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, onTrouble } = this.#options;
    while (!signal.aborted) {
      const next = await this.renew(signal).catch((error) => {
        onTrouble(`certificates cannot be looked at: ${describeError(error)}`);
        return clock.now() + INTERVAL;
      });
      const wait = next - clock.now() + random.float() * 60_000;
      await clock.sleep(Math.max(wait, 1000), signal).catch(() => {});
    }
  }

  /** Orders what is due; gives when to look again. */
  async renew(signal: AbortSignal): Promise<number> {
    const { clock, names } = this.#options;
    let next = clock.now() + INTERVAL;
    for (const name of names) {
      if (signal.aborted) break;
      const failure = this.#failures.get(name);
      const now = clock.now();
      if (failure !== undefined && failure.next > now) next = Math.min(next, failure.next);
      else if (await this.#isDue(name)) {
        await this.#order(name);
        next = Math.min(next, this.#failures.get(name)?.next ?? next);
      }
    }
    return next;
  }

  async #order(name: string): Promise<void> {
    const { clock, onRenewed, onTrouble } = this.#options;
    try {
      const account = await this.#account();
      await this.#keep(name, await orderCertificate(this.#options, account, name));
      this.#failures.delete(name);
      await onRenewed(name);
    } catch (error) {
      const times = (this.#failures.get(name)?.times ?? 0) + 1;
      const pause = Math.min(FIRST_PAUSE * 2 ** (times - 1), LONGEST_PAUSE);
      this.#failures.set(name, { times, next: clock.now() + pause });
      const hours = Math.round(pause / HOUR);
      onTrouble(
        `no certificate for ${name}: ${describeError(error)}; tried again in ${hours} h`,
      );
    }
  }

  async #isDue(name: string): Promise<boolean> {
    const expiry = await this.#expiry(name);
    return expiry === null || expiry <= this.#options.clock.now();
  }

  /** When the certificate of a name is to be renewed: 0 where it is signed by ourselves; `null`: there is none. */
  async #expiry(name: string): Promise<number | null> {
    const { files, folder, renewBefore } = this.#options;
    const [paths] = managedPaths(folder, [name]);
    try {
      const certificate = new X509Certificate(
        decode(await files.readFile(paths!.certificate, LIMIT)),
      );
      if (!certificate.checkPrivateKey(await this.#keyAt(paths!.key))) return null;
      if (certificate.subject.includes(TEMPORARY)) return 0;
      const [from, to] = [certificate.validFrom, certificate.validTo].map((text) =>
        Date.parse(text)
      );
      return to! - Math.min(renewBefore, (to! - from!) / 3);
    } catch {
      return null;
    }
  }

  async #keyAt(path: string) {
    const { createPrivateKey } = await import("node:crypto");
    return createPrivateKey(decode(await this.#options.files.readFile(path, LIMIT)));
  }

  /** The account with this authority: the one we have, or a new one. */
  async #account(): Promise<Account> {
    const { files, folder, directory } = this.#options;
    const path = `${folder}/account.json`;
    if (await files.stat(path) !== null) {
      const kept: Account = JSON.parse(decode(await files.readFile(path, LIMIT)));
      if (kept.directory === directory) return kept;
    }
    const account = await openAccount(this.#options);
    await this.#replace(path, `${JSON.stringify(account, null, 2)}\n`, 0o600);
    return account;
  }

  /** The key first: until the certificate is there the two do not fit, which is no certificate. */
  async #keep(name: string, { certificate, key }: TlsCertificate): Promise<void> {
    const { files, folder } = this.#options;
    const [paths] = managedPaths(folder, [name]);
    await this.#replace(paths!.key, key, 0o600);
    await this.#replace(paths!.certificate, certificate, 0o644);
    await files.syncDirectory(folder);
  }

  /** Replaces a file whole: a crash leaves the old one or the new one. */
  async #replace(path: string, text: string, mode: number): Promise<void> {
    const { files } = this.#options;
    const temporary = `${path}.new`;
    if (await files.stat(temporary) !== null) await files.remove(temporary);
    const file = await files.open(temporary, { write: true, createNew: true, mode });
    try {
      await file.write(encode(text));
      await file.sync();
    } finally {
      file.close();
    }
    await files.rename(temporary, path);
  }
}

/** What a certificate calls itself that is there until an authority has given one. */
const TEMPORARY = "Yizhan until an authority has given one";
