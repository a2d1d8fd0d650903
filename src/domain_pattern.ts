/**
 * Patterns of domains, as operators and ETRN name them: `example.org` for that domain alone, `.example.org` for
 * all below it, `@example.org` for both (RFC 1985 §5.2). Tables of patterns are kept by their keys, so that finding
 * what is said for a domain takes a look for each of its labels, however large the table. Nothing here throws.
 *
 * @module
 */

import { domainKey, isAddressLiteral, parseAddressLiteral, parseDomain } from "./address.ts";

/** What a pattern is in tables: its domain as {@link domainKey} has it. It is not checked. */
export function domainPatternKey(pattern: string): string {
  const sign = /^[.@]/.exec(pattern)?.[0] ?? "";
  return `${sign}${domainKey(pattern.slice(sign.length))}`;
}

/** The key of `example.org`, `.example.org` or an address literal; `null` for what is none of these. */
export function parseDomainPattern(text: string): string | null {
  const literal = parseAddressLiteral(text);
  if (literal !== null) return domainKey(literal);
  const sign = text.startsWith(".") ? "." : "";
  const domain = parseDomain(text.slice(sign.length), { smtputf8: true });
  return domain === null ? null : `${sign}${domainKey(domain)}`;
}

/**
 * The keys of all patterns that mean a domain (or an address literal), the nearest first.
 *
 * @example
 * ```ts
 * import { patternsOf } from "./domain_pattern.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(patternsOf("A.example"), ["a.example", "@a.example", ".example", "@example"]);
 * ```
 */
export function patternsOf(domain: string): string[] {
  const key = domainKey(domain);
  const patterns = [key, `@${key}`];
  if (isAddressLiteral(key)) return patterns;
  for (let dot = key.indexOf("."); dot !== -1; dot = key.indexOf(".", dot + 1)) {
    const above = key.slice(dot + 1);
    patterns.push(`.${above}`, `@${above}`);
  }
  return patterns;
}

/** What a table has for a domain: under the domain itself, or else the nearest pattern above. */
export function findByDomain<T>(table: ReadonlyMap<string, T>, domain: string): T | undefined {
  if (table.size === 0) return undefined;
  const key = domainKey(domain);
  let found = table.get(key) ?? table.get(`@${key}`);
  if (found !== undefined || isAddressLiteral(key)) return found;
  for (let dot = key.indexOf("."); dot !== -1; dot = key.indexOf(".", dot + 1)) {
    const above = key.slice(dot + 1);
    found = table.get(`.${above}`) ?? table.get(`@${above}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a domain is meant by one of these patterns, given by their keys. */
export function isMeantBy(patterns: ReadonlySet<string>, domain: string): boolean {
  return patternsOf(domain).some((pattern) => patterns.has(pattern));
}
