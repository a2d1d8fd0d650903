/**
 * SPF records as text (RFC 7208 §4.6, §5, §6): read into terms, without asking anybody. Macros stay as they are.
 *
 * @module
 */

import { type Network, parseIp } from "../net_address.ts";

/** What a mechanism says of those it is about (RFC 7208 §4.6.2). */
export type SpfQualifier = "pass" | "fail" | "softfail" | "neutral";

/** A mechanism. */
export interface SpfTerm {
  readonly qualifier: SpfQualifier;
  readonly kind: "all" | "include" | "a" | "mx" | "ptr" | "ip4" | "ip6" | "exists";
  /** The domain it names, perhaps with macros; `null`: the one in question. */
  readonly domain: string | null;
  /** Of `ip4` and `ip6`. */
  readonly network: Network | null;
  /** Bits of an address that count, of `a` and `mx`. */
  readonly prefix4: number;
  readonly prefix6: number;
}

/** A record, read. */
export interface SpfRecord {
  readonly terms: readonly SpfTerm[];
  /** Who is asked where no term is about a sender. */
  readonly redirect: string | null;
}

/** A record, or what is wrong with it. */
export type ParsedSpf =
  | { readonly status: "record"; readonly record: SpfRecord }
  | { readonly status: "bad"; readonly reason: string };

const QUALIFIERS: Readonly<Record<string, SpfQualifier>> = {
  "+": "pass",
  "-": "fail",
  "~": "softfail",
  "?": "neutral",
};

/** Whether a text is an SPF record, good or bad (RFC 7208 §4.5). */
export function isSpf(text: string): boolean {
  return /^v=spf1(?: |$)/i.test(text);
}

/**
 * Reads a record.
 *
 * @example
 * ```ts
 * import { parseSpf } from "./spf_record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const read = parseSpf("v=spf1 mx include:_spf.example.net ~all");
 * assertEquals(read.status === "record" && read.record.terms.length, 3);
 * assertEquals(parseSpf("v=spf1 mxx -all"), { status: "bad", reason: "mxx is no mechanism of SPF" });
 * ```
 */
export function parseSpf(text: string): ParsedSpf {
  if (!isSpf(text)) return { status: "bad", reason: "it does not begin with v=spf1" };
  const terms: SpfTerm[] = [];
  const modifiers = new Map<string, string>();
  for (const word of text.split(" ").slice(1)) {
    if (word === "") continue;
    const [, name, value] = /^([A-Za-z][\w.-]*)=([!-~]*)$/.exec(word) ?? [];
    if (name !== undefined && value !== undefined) {
      const key = name.toLowerCase();
      if (!/^(?:redirect|exp)$/.test(key)) continue; // RFC 7208 §6: unknown ones are ignored.
      if (modifiers.has(key)) return { status: "bad", reason: `${key}= is there twice` };
      if (value === "") return { status: "bad", reason: `${word} names no domain` };
      modifiers.set(key, value);
      continue;
    }
    const term = parseTerm(word);
    if (typeof term === "string") return { status: "bad", reason: `${word} ${term}` };
    terms.push(term);
  }
  return { status: "record", record: { terms, redirect: modifiers.get("redirect") ?? null } };
}

const MECHANISM = /^([-+~?]?)(all|include|a|mx|ptr|ip4|ip6|exists)((?:[:/].*)?)$/i;

/** A mechanism, or what is wrong with it. */
function parseTerm(word: string): SpfTerm | string {
  const [, sign = "", name = "", rest = ""] = MECHANISM.exec(word) ?? [];
  if (name === "") return "is no mechanism of SPF";
  const kind = name.toLowerCase() as SpfTerm["kind"];
  const qualifier = QUALIFIERS[sign || "+"]!;
  const plain = { qualifier, kind, domain: null, network: null, prefix4: 32, prefix6: 128 };
  switch (kind) {
    case "all":
      return rest === "" ? plain : "has something after all";
    case "ip4":
    case "ip6": {
      const network = parseSpfNetwork(kind, rest.slice(1));
      return network === null ? "names no network" : { ...plain, network };
    }
    case "a":
    case "mx": {
      const [, domain, four, six] =
        /^(?::([^/]+))?(?:\/(\d{1,2}))?(?:\/\/(\d{1,3}))?$/.exec(rest) ?? ["", ""];
      const [prefix4, prefix6] = [Number(four ?? 32), Number(six ?? 128)];
      if (domain === "" || prefix4 > 32 || prefix6 > 128) return "cannot be read";
      return { ...plain, domain: domain ?? null, prefix4, prefix6 };
    }
    case "ptr":
      if (rest === "") return plain;
      return rest.length > 1 ? { ...plain, domain: rest.slice(1) } : "names no domain";
    case "include":
    case "exists":
      return rest.length > 1 && rest.startsWith(":")
        ? { ...plain, domain: rest.slice(1) }
        : "names no domain";
  }
}

/** Bits past the prefix may be set (RFC 7208 §5.6), unlike in a configuration. */
function parseSpfNetwork(kind: "ip4" | "ip6", text: string): Network | null {
  const [, ip = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = parseIp(ip);
  const length = kind === "ip4" ? 4 : 16;
  const prefix = Number(bits ?? 8 * length);
  if (address?.length !== length || prefix > 8 * length) return null;
  return { address, prefix };
}
