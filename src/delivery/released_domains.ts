/**
 * Domains whose held mail may go, because their client asked for it (ETRN, RFC 1985) or an operator
 * did. A release stays open until no mail has gone by it for half an hour, six hours at most: mail
 * that comes in meanwhile goes too, and what is put off then has had its try.
 *
 * @module
 */

import { domainKey } from "../address.ts";

interface Release {
  /** When it ends if nothing more goes by it. */
  until: number;
  readonly atMost: number;
}

const QUIET = 30 * 60_000;
const LONGEST = 6 * 3_600_000;
/** Releases at once; the oldest goes. */
const MOST = 10_000;

/** Whether a domain is meant by one of these patterns, each as {@link patternKey} has it. */
export function isMeantBy(patterns: ReadonlySet<string>, domain: string): boolean {
  return namesOf(domain).some((name) => patterns.has(name));
}

/** `example.org`, or for it and all below it `@example.org` (RFC 1985 §5.2), as tables are kept. */
export function patternKey(pattern: string): string {
  return pattern.startsWith("@") ? `@${domainKey(pattern.slice(1))}` : domainKey(pattern);
}

/** All patterns that mean a domain. */
function namesOf(domain: string): string[] {
  const key = domainKey(domain);
  const names = [key, `@${key}`];
  for (let dot = key.indexOf("."); dot >= 0; dot = key.indexOf(".", dot + 1)) {
    names.push(`@${key.slice(dot + 1)}`);
  }
  return names;
}

/** The domains that are released now. */
export class ReleasedDomains {
  readonly #releases = new Map<string, Release>();

  /** Releases a domain, or with `@` it and all below. */
  open(pattern: string, now: number): void {
    const key = patternKey(pattern);
    this.#releases.delete(key);
    const [oldest] = this.#releases.keys();
    if (this.#releases.size >= MOST && oldest !== undefined) this.#releases.delete(oldest);
    this.#releases.set(key, { until: now + QUIET, atMost: now + LONGEST });
  }

  /** Whether mail for this domain may go; if so, that it does keeps the release open. */
  pass(domain: string, now: number): boolean {
    if (this.#releases.size === 0) return false;
    for (const name of namesOf(domain)) {
      const release = this.#releases.get(name);
      if (release === undefined) continue;
      if (now < release.until) {
        release.until = Math.min(now + QUIET, release.atMost);
        return true;
      }
      this.#releases.delete(name);
    }
    return false;
  }
}
