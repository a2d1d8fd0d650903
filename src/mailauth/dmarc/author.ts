/**
 * Whose mail it says it is: the domains in its From field (RFC 9989 §5.3.1, RFC 5322 §3.6.2).
 *
 * DMARC knows of one author's domain. A message that names several, or whose field is malformed, is one that mail
 * programs show in different ways, so a forger's means to be judged by one name and shown by another (RFC 9989 §11.5).
 * So every domain that could be read off it is given, up to a limit, and each is to be judged; and of more than
 * one From field, which no honest mail has, none is.
 *
 * Pure and total.
 *
 * @module
 */

import { isAddressLiteral, parseDomain, toAsciiDomain } from "../../address.ts";
import { fieldValue, findFields, type RawField } from "../../message/header.ts";
import { parseFromAddresses } from "../../message/mailbox_list.ts";

/** Domains of one message that are judged; each takes questions to DNS. */
export const MAX_AUTHOR_DOMAINS = 4;

/** What a head says of its authors. */
export type Authors =
  /** As A-labels, each once; at least one. Almost always one. */
  | { readonly status: "named"; readonly domains: readonly string[] }
  /** Nobody is named that DMARC could know: no From field, an empty group, an address literal. */
  | { readonly status: "nobody"; readonly reason: string }
  /** It names more than can be judged. */
  | { readonly status: "malformed"; readonly reason: string };

/**
 * The domains of the authors.
 *
 * @example
 * ```ts
 * import { authorsOf } from "./author.ts";
 * import { makeField } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const from = (value: string) => authorsOf([makeField("From", value)]);
 * assertEquals(from("A <a@Bücher.example>"), { status: "named", domains: ["xn--bcher-kva.example"] });
 * assertEquals(from("boss@bank.example <x@evil.example>"), {
 *   status: "named",
 *   domains: ["bank.example", "evil.example"],
 * });
 * ```
 */
export function authorsOf(fields: readonly RawField[]): Authors {
  const [field, ...more] = findFields(fields, "From");
  if (field === undefined) return { status: "nobody", reason: "there is no From field" };
  if (more.length > 0) return { status: "malformed", reason: "there is more than one From field" };
  const value = fieldValue(field);
  const addresses = parseFromAddresses(value);
  const domains = addresses === null
    ? domainsIn(value)
    : distinct(addresses.map(({ domain }) => domain));
  if (domains.length > MAX_AUTHOR_DOMAINS) {
    return { status: "malformed", reason: "the From field names too many domains" };
  }
  if (domains.length === 0) return { status: "nobody", reason: "the From field names no domain" };
  return { status: "named", domains };
}

/** What stands behind each `@` of a value that is no list of mailboxes. */
function domainsIn(value: string): string[] {
  const found = new Set<string>();
  for (const [, text = ""] of value.matchAll(/@[ \t]*([^\s<>()",;:@\\[\]]{1,255})/g)) {
    const domain = parseDomain(text.replace(/\.+$/, ""), { smtputf8: true });
    const ascii = domain && toAsciiDomain(domain);
    if (ascii !== null) found.add(ascii);
    if (found.size > MAX_AUTHOR_DOMAINS) break;
  }
  return [...found];
}

function distinct(domains: readonly string[]): string[] {
  const names = domains.filter((domain) => !isAddressLiteral(domain));
  return [...new Set(names.flatMap((domain) => toAsciiDomain(domain) ?? []))];
}
