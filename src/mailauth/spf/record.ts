/**
 * SPF records as text (RFC 7208 §4.6, §5, §6): read into terms, without asking anybody. A record with an error
 * anywhere is an error as a whole.
 *
 * @module
 */

import { type Network, parseIp } from "../../net_address.ts";
import { isMacroString, type MacroString, parseDomainSpec } from "./macro_string.ts";

/** What a mechanism says of those it is about (RFC 7208 §4.6.2). */
export type SpfQualifier = "pass" | "fail" | "softfail" | "neutral";

/** Whom a mechanism is about; a domain of `null` is the one whose record it stands in. */
export type SpfMechanism =
  | { readonly kind: "all" }
  | { readonly kind: "include" | "exists"; readonly domain: MacroString }
  | { readonly kind: "ptr"; readonly domain: MacroString | null }
  | {
    readonly kind: "a" | "mx";
    readonly domain: MacroString | null;
    /** Leading bits of an address that count, in IPv4 and in IPv6. */
    readonly prefix4: number;
    readonly prefix6: number;
  }
  | { readonly kind: "ip4" | "ip6"; readonly network: Network };

/** A mechanism and what is said of those it is about. */
export interface SpfDirective {
  /** As it stands in the record. */
  readonly text: string;
  /** What is said of them. */
  readonly qualifier: SpfQualifier;
  /** Whom it is about. */
  readonly mechanism: SpfMechanism;
}

/** A modifier that names a domain. */
export interface SpfModifier {
  /** As it stands in the record. */
  readonly text: string;
  /** The domain. */
  readonly domain: MacroString;
}

/** A record, read. */
export interface SpfRecord {
  /** In their order. */
  readonly directives: readonly SpfDirective[];
  /** Whose record counts where no mechanism is about the sender (RFC 7208 §6.1). */
  readonly redirect: SpfModifier | null;
  /** Where the text for those who are refused is (RFC 7208 §6.2). */
  readonly explanation: SpfModifier | null;
}

/** A record, or what is wrong with it, for people. */
export type ParsedSpf =
  | { readonly status: "record"; readonly record: SpfRecord }
  | { readonly status: "bad"; readonly reason: string };

/** Longest record that is read. RFC 7208 §3.4 asks for 450 octets with all else of the name; a long one is work. */
const MAX_RECORD = 8192;
/** What is shown of a word in a reason. */
const SHOWN = 80;

const QUALIFIERS: Readonly<Record<string, SpfQualifier>> = {
  "+": "pass",
  "-": "fail",
  "~": "softfail",
  "?": "neutral",
};

const MODIFIER = /^([A-Za-z][\w.-]*)=([^]*)$/;
const MECHANISM = /^([-+~?]?)(all|include|a|mx|ptr|ip4|ip6|exists)((?:[:/][^]*)?)$/i;
const PREFIX4 = "(?:/(0|[1-9]\\d?))?";
const PREFIX6 = "(?:/(0|[1-9]\\d{0,2}))?";
const NETWORK4 = new RegExp(`^:([^/]+)${PREFIX4}$`);
const NETWORK6 = new RegExp(`^:([^/]+)${PREFIX6}$`);
/** The domain may have slashes too, so the prefixes are what is at the end. */
const HOSTS = /^(?::([^]+?))?(?:\/(0|[1-9]\d?))?(?:\/\/(0|[1-9]\d{0,2}))?$/;

/** Whether a text is an SPF record, good or bad (RFC 7208 §4.5). */
export function isSpf(text: string): boolean {
  return /^v=spf1(?: |$)/i.test(text);
}

/**
 * Reads a record.
 *
 * @example
 * ```ts
 * import { parseSpf } from "./record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const read = parseSpf("v=spf1 mx include:_spf.example.net ~all");
 * assertEquals(read.status === "record" && read.record.directives.map(({ text }) => text), [
 *   "mx",
 *   "include:_spf.example.net",
 *   "~all",
 * ]);
 * assertEquals(parseSpf("v=spf1 mxx -all"), { status: "bad", reason: "mxx is no mechanism of SPF" });
 * ```
 */
export function parseSpf(text: string): ParsedSpf {
  if (!isSpf(text)) return { status: "bad", reason: "it does not begin with v=spf1" };
  if (text.length > MAX_RECORD) {
    return { status: "bad", reason: `it has more than ${MAX_RECORD} characters` };
  }
  const directives: SpfDirective[] = [];
  const modifiers = new Map<string, SpfModifier>();
  for (const word of text.split(" ").slice(1)) {
    if (word === "") continue;
    const [, name, value = ""] = MODIFIER.exec(word) ?? [];
    const trouble = name === undefined
      ? addDirective(word, directives)
      : addModifier(word, name.toLowerCase(), value, modifiers);
    if (trouble !== null) return { status: "bad", reason: `${show(word)} ${trouble}` };
  }
  const redirect = modifiers.get("redirect") ?? null;
  const explanation = modifiers.get("exp") ?? null;
  return { status: "record", record: { directives, redirect, explanation } };
}

/** Records last read: those of a few providers are in every other check. */
const RECORDS = new Map<string, ParsedSpf>();
/** How many are remembered at most, and the longest: anybody may have one. */
const MAX_RECORDS = 256;
const LONGEST_KEPT = 1024;

/** {@link parseSpf}, which remembers what it was lately asked. */
export function readSpf(text: string): ParsedSpf {
  const known = RECORDS.get(text);
  if (known !== undefined) return known;
  const read = parseSpf(text);
  if (text.length > LONGEST_KEPT) return read;
  if (RECORDS.size === MAX_RECORDS) RECORDS.clear();
  RECORDS.set(text, read);
  return read;
}

/** Adds a modifier; gives what is wrong with it. */
function addModifier(
  text: string,
  name: string,
  value: string,
  modifiers: Map<string, SpfModifier>,
): string | null {
  if (name !== "redirect" && name !== "exp") {
    return isMacroString(value) ? null : "cannot be read"; // RFC 7208 §6: else it is ignored.
  }
  if (modifiers.has(name)) return "is there twice";
  const domain = parseDomainSpec(value);
  if (domain === null) return domainTrouble(value);
  modifiers.set(name, { text, domain });
  return null;
}

/** Adds a directive; gives what is wrong with it. */
function addDirective(text: string, directives: SpfDirective[]): string | null {
  const [, sign = "", name = "", rest = ""] = MECHANISM.exec(text) ?? [];
  if (name === "") return "is no mechanism of SPF";
  const mechanism = parseMechanism(name.toLowerCase() as SpfMechanism["kind"], rest);
  if (typeof mechanism === "string") return mechanism;
  directives.push({ text, qualifier: QUALIFIERS[sign || "+"]!, mechanism });
  return null;
}

/** A mechanism from what stands behind its name, or what is wrong with it. */
function parseMechanism(kind: SpfMechanism["kind"], rest: string): SpfMechanism | string {
  switch (kind) {
    case "all":
      return rest === "" ? { kind } : "has something after all";
    case "ip4":
    case "ip6": {
      const network = parseSpfNetwork(kind, rest);
      return network === null ? "names no network" : { kind, network };
    }
    case "a":
    case "mx": {
      const [all, name, four = "32", six = "128"] = HOSTS.exec(rest) ?? [];
      const [prefix4, prefix6] = [Number(four), Number(six)];
      if (all === undefined || prefix4 > 32 || prefix6 > 128) return "cannot be read";
      if (name === undefined) return { kind, domain: null, prefix4, prefix6 };
      const domain = parseDomainSpec(name);
      return domain === null ? domainTrouble(name) : { kind, domain, prefix4, prefix6 };
    }
    case "ptr":
    case "include":
    case "exists": {
      if (kind === "ptr" && rest === "") return { kind, domain: null };
      const domain = rest.startsWith(":") ? parseDomainSpec(rest.slice(1)) : null;
      return domain === null ? domainTrouble(rest.slice(1)) : { kind, domain };
    }
  }
}

/** Bits past the prefix may be set (RFC 7208 §5.6), unlike in a configuration. */
function parseSpfNetwork(kind: "ip4" | "ip6", rest: string): Network | null {
  const length = kind === "ip4" ? 4 : 16;
  const [, ip = "", bits = `${8 * length}`] = (length === 4 ? NETWORK4 : NETWORK6).exec(rest) ?? [];
  const address = parseIp(ip);
  const prefix = Number(bits);
  return address?.length === length && prefix <= 8 * length ? { address, prefix } : null;
}

/** Why a text names no domain. */
function domainTrouble(text: string): string {
  if (text === "") return "names no domain";
  if (parseIp(text) !== null) {
    return "has an address where a domain belongs: ip4 and ip6 have those";
  }
  return text.includes("%")
    ? "names no domain, or has a macro that cannot be read"
    : "names no domain";
}

/** A word as people may see it: strangers wrote it. */
function show(word: string): string {
  const plain = word.slice(0, SHOWN).replace(/[^!-~]/g, "?");
  return word.length > SHOWN ? `${plain}...` : plain;
}
