/**
 * The DKIM keys that sign, in files that `yizhan dkim` writes. They are read again when one of them has changed, where a
 * wrong one leaves those in force alone. At start and at a reload a key that cannot be used is a reason not to go on:
 * mail that should be signed never goes out unsigned in silence.
 *
 * @module
 */

import { findKeyDomains, readDkimFolder } from "../admin/dkim_folder.ts";
import type { DkimKeyText } from "../policy/mailauth/signing_keys.ts";
import type { Files } from "../runtime/files.ts";
import { CommandError, EXIT } from "./exit.ts";
import { describeFileError } from "./trouble.ts";

/** The files of all keys of a station. */
export class DkimKeyFiles {
  readonly #files: Files;
  readonly #folder: string;
  readonly #selector: string;
  #seen = "";

  /** @param folder of all keys. @param selector `dkim.selector`: what signs where nothing else is said. */
  constructor(files: Files, folder: string, selector: string) {
    this.#files = files;
    this.#folder = folder;
    this.#selector = selector;
  }

  /**
   * Reads and checks all keys that sign; none where there is no folder.
   *
   * @throws {CommandError} one line about the first that cannot be used.
   */
  async load(): Promise<DkimKeyText[]> {
    this.#seen = await this.#stamp();
    const texts: DkimKeyText[] = [];
    for (const domain of await this.#domains()) {
      const found = await readDkimFolder(this.#files, this.#folder, domain, this.#selector);
      if (found.trouble !== null) throw new CommandError(EXIT.config, found.trouble);
      for (const { selector, state, path, found: key } of found.keys) {
        if (state !== "signs") continue;
        if (key.status === "key") texts.push({ domain, selector, pem: key.pem });
        else {
          throw new CommandError(EXIT.config, `${path} ${key.reason}; ${adviceOf(domain)}`);
        }
      }
    }
    return texts;
  }

  /** Whether a file is another one than at the last {@link load}. */
  async changed(): Promise<boolean> {
    return await this.#stamp().catch(() => this.#seen) !== this.#seen;
  }

  async #domains(): Promise<string[]> {
    try {
      return await findKeyDomains(this.#files, this.#folder);
    } catch (error) {
      const what = `dkim.directory: ${this.#folder}: ${describeFileError(error)}`;
      throw new CommandError(EXIT.config, what, { cause: error });
    }
  }

  async #stamp(): Promise<string> {
    const stamps: string[] = [];
    for (const domain of await this.#domains()) {
      const folder = `${this.#folder}/${domain}`;
      const names: string[] = [];
      try {
        for await (const { name } of this.#files.list(folder)) {
          if (name === "keys" || name.endsWith(".pem")) names.push(name);
        }
      } catch {
        stamps.push(`${folder} closed`);
        continue;
      }
      for (const name of names.sort()) {
        const path = `${folder}/${name}`;
        const found = await this.#files.stat(path, { follow: true }).catch(() => null);
        stamps.push(`${path} ${found === null ? "gone" : `${found.modified} ${found.size}`}`);
      }
    }
    return stamps.join("\n");
  }
}

/** What to do about a key that should sign and cannot. */
function adviceOf(domain: string): string {
  const another = `make another by yizhan dkim rotate ${domain}`;
  return `it should sign mail of ${domain}: put the right one there, or ${another}`;
}
