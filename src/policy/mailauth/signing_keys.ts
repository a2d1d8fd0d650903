/**
 * The DKIM keys of a station, by domain, ready to sign with: those that sign now, of every domain of ours. They can be
 * replaced while mail is signed, as when keys are rotated; each message is signed by those in force at its end.
 *
 * Where keys lie, and which of them sign, is for others to say.
 *
 * What fails: {@link SigningKeys.open} and {@link SigningKeys.replace}, for a text that is no key, or one for a domain or
 * selector that cannot be; nothing has changed then.
 *
 * @module
 */

import { domainKey } from "../../address.ts";
import { checkSigner } from "../../mailauth/dkim/signer_names.ts";
import { openSigningKey, type SigningKey } from "../../mailauth/dkim/signing_key.ts";

/** A private key as it lies somewhere: data, which a thread can be sent. */
export interface DkimKeyText {
  /** Whose mail it signs: `d=`. */
  readonly domain: string;
  /** Where its public half is in DNS: `s=`. */
  readonly selector: string;
  /** In PEM, without a passphrase. */
  readonly pem: string;
}

/** A key that signs. */
export interface DomainKey {
  /** Where its public half is in DNS: `s=`. */
  readonly selector: string;
  /** What makes the signatures. */
  readonly key: SigningKey;
}

/** The keys that sign the mail of a domain. */
export interface DomainKeys {
  /** `d=`, in A-labels: the domain itself, or one above it. */
  readonly domain: string;
  /** One at least, in the order of their signatures from the top: RSA before Ed25519. */
  readonly keys: readonly DomainKey[];
}

/**
 * All keys.
 *
 * @example
 * ```ts
 * import { SigningKeys } from "./signing_keys.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 8463 Appendix A.2
 * const pem = "-----BEGIN PRIVATE KEY-----\n" +
 *   "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" +
 *   "-----END PRIVATE KEY-----\n";
 * const keys = await SigningKeys.open([{ domain: "example.org", selector: "s1", pem }]);
 * assertEquals(keys.find("example.org")?.keys.map(({ selector }) => selector), ["s1"]);
 * assertEquals(keys.find("news.example.org")?.domain, "example.org");
 * assertEquals(keys.find("example.net"), null);
 * ```
 */
export class SigningKeys {
  #byDomain: ReadonlyMap<string, DomainKeys>;

  private constructor(byDomain: ReadonlyMap<string, DomainKeys>) {
    this.#byDomain = byDomain;
  }

  /** Makes them ready. @throws {TypeError} for what is no key, and for names that cannot be. */
  static async open(texts: readonly DkimKeyText[]): Promise<SigningKeys> {
    return new SigningKeys(await openAll(texts));
  }

  /** Goes by these from now on. @throws {TypeError} as {@link open}; those before stay in force then. */
  async replace(texts: readonly DkimKeyText[]): Promise<void> {
    this.#byDomain = await openAll(texts);
  }

  /** Whether there is no key at all, so that nothing of a message need be looked at. */
  get isEmpty(): boolean {
    return this.#byDomain.size === 0;
  }

  /** The keys for mail from a domain: its own, or those of the nearest domain above it that has some. */
  find(domain: string): DomainKeys | null {
    for (let name = domainKey(domain);;) {
      const found = this.#byDomain.get(name);
      if (found !== undefined) return found;
      const dot = name.indexOf(".");
      if (dot === -1) return null;
      name = name.slice(dot + 1);
    }
  }
}

async function openAll(texts: readonly DkimKeyText[]): Promise<Map<string, DomainKeys>> {
  const byDomain = new Map<string, { domain: string; keys: DomainKey[] }>();
  for (const { domain, selector, pem } of texts) {
    const name = domainKey(domain);
    checkSigner({ domain: name, selector });
    const entry = byDomain.get(name) ?? { domain: name, keys: [] };
    byDomain.set(name, entry);
    const opened = await openSigningKey(pem);
    if (opened.status === "bad") {
      throw new TypeError(`the DKIM key ${selector} of ${domain} ${opened.reason}`);
    }
    entry.keys.push({ selector, key: opened.key });
  }
  // The one that everybody can check is uppermost.
  for (const { keys } of byDomain.values()) {
    keys.sort((a, b) => b.key.algorithm.localeCompare(a.key.algorithm));
  }
  return byDomain;
}
