/**
 * Domains whose held mail may go, because their client asked for it (ETRN, RFC 1985) or an operator
 * did. A release stays open until no mail has gone by it for half an hour, six hours at most: mail
 * that comes in meanwhile goes too, and what is put off then has had its try.
 *
 * @module
 */

import { domainPatternKey, patternsOf } from "../domain_pattern.ts";

interface Release {
  /** When it ends if nothing more goes by it. */
  until: number;
  readonly atMost: number;
}

const QUIET = 30 * 60_000;
const LONGEST = 6 * 3_600_000;
/** Releases at once; the oldest goes. */
const MOST = 10_000;

/** The domains that are released now. */
export class ReleasedDomains {
  readonly #releases = new Map<string, Release>();

  /** Releases a domain, or with `@` it and all below. */
  open(pattern: string, now: number): void {
    const key = domainPatternKey(pattern);
    this.#releases.delete(key);
    const [oldest] = this.#releases.keys();
    if (this.#releases.size >= MOST && oldest !== undefined) this.#releases.delete(oldest);
    this.#releases.set(key, { until: now + QUIET, atMost: now + LONGEST });
  }

  /** Whether mail for this domain may go; if so, that it does keeps the release open. */
  pass(domain: string, now: number): boolean {
    if (this.#releases.size === 0) return false;
    for (const pattern of patternsOf(domain)) {
      const release = this.#releases.get(pattern);
      if (release === undefined) continue;
      if (now < release.until) {
        release.until = Math.min(now + QUIET, release.atMost);
        return true;
      }
      this.#releases.delete(pattern);
    }
    return false;
  }
}
