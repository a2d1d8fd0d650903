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
import { decodeEncodedWords } from "../../message/encoded_word.ts";
import { fieldValue, findFields, type RawField } from "../../message/header.ts";
import { parseFromAddresses } from "../../message/mailbox_list.ts";
import { withoutComments } from "../../message/structured.ts";

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
  const domains = addresses === null || addresses.some(({ local }) => DISGUISE.test(local))
    ? domainsIn(value)
    : distinct(addresses.map(({ domain }) => domain));
  if (domains.length > MAX_AUTHOR_DOMAINS) {
    return { status: "malformed", reason: "the From field names too many domains" };
  }
  if (domains.length === 0) return { status: "nobody", reason: "the From field names no domain" };
  return { status: "named", domains };
}

/**
 * What no honest local part holds, and programs have been seen to show as an address: another `@`, and an encoded word,
 * which must not stand there (RFC 2047 §5).
 */
const DISGUISE = /@|=\?/;
/** What stands behind an `@`, up to what cannot be in a name. */
const BEHIND_AT = /@[ \t]*([A-Za-z0-9._\-\u00a1-\u{10ffff}]+)/gu;
/** Characters of a name (RFC 1035 §2.3.4). */
const LONGEST_NAME = 253;

/** The domains behind each `@` of a value that is no list of mailboxes, in every way that programs may read it. */
function domainsIn(value: string): string[] {
  const decoded = decodeEncodedWords(value, value.length);
  const found = new Set<string>();
  for (const reading of [value, plain(decoded), plain(withoutComments(decoded))]) {
    for (const [, text = ""] of reading.matchAll(BEHIND_AT)) {
      const domain = lastLabels(text);
      if (domain !== null) found.add(domain);
      if (found.size > MAX_AUTHOR_DOMAINS) return [...found];
    }
  }
  return [...found];
}

/** Without what is dropped, folded or not seen: quoting, brackets, controls, compatible forms, blanks beside dots. */
function plain(text: string): string {
  return text.normalize("NFKC").replaceAll("\u3002", ".")
    .replace(/[\p{Cc}\p{Cf}"\\[\]]+/gu, "")
    .split(".").map((part) => part.trim()).join(".");
}

/**
 * The domain at the end of a text, as A-labels: of labels that DNS cannot have, or too many, those on the right are what
 * says whose it is. `null` where they are fewer than two.
 */
function lastLabels(text: string): string | null {
  const labels: string[] = [];
  let length = 0;
  for (const part of text.split(/[.]+/).reverse()) {
    const label = parseDomain(part, { smtputf8: true });
    const ascii = label && toAsciiDomain(label);
    if (part === "" && labels.length === 0) continue;
    length += (ascii?.length ?? 0) + 1;
    if (ascii === null || length > LONGEST_NAME + 1) break;
    labels.unshift(ascii);
  }
  return labels.length < 2 ? null : labels.join(".");
}

function distinct(domains: readonly string[]): string[] {
  const names = domains.filter((domain) => !isAddressLiteral(domain));
  return [...new Set(names.flatMap((domain) => toAsciiDomain(domain) ?? []))];
}
