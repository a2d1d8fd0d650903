/**
 * The DKIM keys a station signs with, as they lie in their files now.
 *
 * What fails: {@link ServedKeys.load} and {@link ServedKeys.renew}, as `DkimKeyFiles` does; those in force stay.
 *
 * @module
 */

import type { LoadedConfig } from "../config/load.ts";
import { describeError } from "../events.ts";
import { type DkimKeyText, SigningKeys } from "../policy/mailauth/signing_keys.ts";
import type { Files } from "../runtime/files.ts";
import { DkimKeyFiles } from "./dkim_key_files.ts";

/** The keys of one configuration. */
export class ServedKeys {
  /** For the policies of this thread. */
  readonly signing: SigningKeys;
  /** `null` where nothing is signed. */
  readonly #files: DkimKeyFiles | null;
  #texts: readonly DkimKeyText[];
  /** Why the files could not be gone by at the last look; `null`: they could. */
  #complaint: string | null = null;

  private constructor(
    files: DkimKeyFiles | null,
    texts: readonly DkimKeyText[],
    signing: SigningKeys,
  ) {
    this.#files = files;
    this.#texts = texts;
    this.signing = signing;
  }

  /** Reads them. @throws {CommandError} for one that cannot be used. */
  static async load(files: Files, { config, paths }: LoadedConfig): Promise<ServedKeys> {
    const { sign, selector } = config.dkim;
    const keyFiles = sign ? new DkimKeyFiles(files, paths.dkim, selector) : null;
    const texts = await keyFiles?.load() ?? [];
    return new ServedKeys(keyFiles, texts, await SigningKeys.open(texts));
  }

  /** Those in force, for other threads. */
  get texts(): readonly DkimKeyText[] {
    return this.#texts;
  }

  /**
   * Reads them again where a file has changed, or could not be read before; gives whether others are in force now.
   *
   * @throws as {@link load}; once for each reason.
   */
  async renew(): Promise<boolean> {
    if (this.#files === null) return false;
    if (!await this.#files.changed() && this.#complaint === null) return false;
    try {
      const texts = await this.#files.load();
      this.#complaint = null;
      if (JSON.stringify(texts) === JSON.stringify(this.#texts)) return false;
      await this.signing.replace(texts);
      this.#texts = texts;
      return true;
    } catch (error) {
      const complaint = describeError(error);
      if (complaint === this.#complaint) return false;
      this.#complaint = complaint;
      throw error;
    }
  }
}
