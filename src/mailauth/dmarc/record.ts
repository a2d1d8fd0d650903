/**
 * DMARC policy records (RFC 9989 §4.7), read from the text of a TXT record. Records of RFC 7489 are read too: of the
 * tags that went with it, `pct=0` still means what `t=y` says now (RFC 9989 Appendix A.6), the others nothing.
 *
 * Pure and total. What does not begin with `v=DMARC1` is no policy record, and gives `null`; else a tag that is unknown
 * or malformed is passed over as if it were not there (§4.7), and is named in `faults`.
 *
 * @module
 */

import { splitTagValue } from "../tag_list.ts";

/** What an owner asks for mail in its name that is not authenticated. */
export type DmarcRequest = "none" | "quarantine" | "reject";

/** How near an authenticated domain must be: `r` (relaxed) to the organizational domain, `s` (strict) the same. */
export type DmarcAlignment = "r" | "s";

/** A policy record. */
export interface DmarcRecord {
  /** For the domain itself. */
  readonly p: DmarcRequest;
  /** For subdomains; absent: as `p`. */
  readonly sp?: DmarcRequest;
  /** For subdomains that do not exist; absent: as `sp`, or `p`. */
  readonly np?: DmarcRequest;
  /** Of domains that signed. */
  readonly adkim: DmarcAlignment;
  /** Of the domain SPF has checked. */
  readonly aspf: DmarcAlignment;
  /** When failure reports are wanted: `0`, `1`, `d`, `s`. */
  readonly fo: readonly string[];
  /** Where aggregate reports are wanted, as URIs; any scheme. */
  readonly rua: readonly string[];
  /** Where failure reports are wanted, as URIs; any scheme. */
  readonly ruf: readonly string[];
  /** Whether the domain is a public suffix; `u`: it does not say. */
  readonly psd: "y" | "n" | "u";
  /** The owner is testing: what it asks for is to be taken one level down. */
  readonly t: boolean;
  /**
   * Whether it says what to do. A record whose `p`, `sp` or `np` is malformed, and that names nobody who could hear of
   * it by reports, is not applied (RFC 9989 §4.10.1); with such a name it asks for `none`.
   */
  readonly usable: boolean;
  /** What is wrong with it, for people. */
  readonly faults: readonly string[];
}

/** Longer ones are no policy: a TXT record can have 64 KiB. */
const MAX_RECORD = 8192;
/** URIs of one tag. */
const MAX_URIS = 32;
/** Faults that are named. */
const MAX_FAULTS = 8;

const REQUESTS: readonly string[] = ["none", "quarantine", "reject"];
/** Without white space around it. A pattern that also took that away would need cubic time for a value of blanks. */
const TAG = /^([A-Za-z][A-Za-z0-9_]*)[ \t]*=[ \t]*((?:[!-~][ -~]*)?)$/;
const VERSION = /^[ \t]*v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/i;
const URI = /^[a-z][a-z0-9+.-]{0,30}:[!-~]{1,998}$/i;
/** RFC 7489 let a size stand behind an address; RFC 9989 §4.6 wants it passed over. */
const SIZE_LIMIT = /!\d{1,18}[kmgt]?$/i;
const HISTORIC: ReadonlySet<string> = new Set(["pct", "rf", "ri"]);

/**
 * Reads the text of one TXT record; `null` where it is no policy record.
 *
 * @example
 * ```ts
 * import { parseDmarcRecord } from "./record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const record = parseDmarcRecord("v=DMARC1; p=reject; sp=none; rua=mailto:dmarc@example.org");
 * assertEquals([record?.p, record?.sp, record?.adkim], ["reject", "none", "r"]);
 * assertEquals(record?.rua, ["mailto:dmarc@example.org"]);
 * assertEquals(parseDmarcRecord("v=spf1 -all"), null);
 * ```
 */
export function parseDmarcRecord(text: string): DmarcRecord | null {
  if (text.length > MAX_RECORD || !isDmarcRecord(text)) return null;
  const faults: string[] = [];
  const tags = readTags(text, faults);
  const choose = <T extends string>(name: string, values: readonly string[]): T | undefined => {
    const value = tags.get(name)?.toLowerCase();
    if (value === undefined || values.includes(value)) return value as T | undefined;
    faults.push(`${name}: neither of ${values.join(", ")}`);
    return undefined;
  };
  const p = choose<DmarcRequest>("p", REQUESTS);
  const sp = choose<DmarcRequest>("sp", REQUESTS);
  const np = choose<DmarcRequest>("np", REQUESTS);
  const malformed = isLost(tags, "p", p) || isLost(tags, "sp", sp) || isLost(tags, "np", np);
  const rua = readUris(tags, "rua", faults);
  const requests = malformed || p === undefined
    ? { p: "none" as const }
    : { p, ...(sp && { sp }), ...(np && { np }) };
  return {
    ...requests,
    adkim: choose<DmarcAlignment>("adkim", ["r", "s"]) ?? "r",
    aspf: choose<DmarcAlignment>("aspf", ["r", "s"]) ?? "r",
    fo: readFailureOptions(tags, faults),
    rua,
    ruf: readUris(tags, "ruf", faults),
    psd: choose<"y" | "n" | "u">("psd", ["y", "n", "u"]) ?? "u",
    t: (choose<"y" | "n">("t", ["y", "n"]) ?? (tags.get("pct") === "0" ? "y" : "n")) === "y",
    usable: !malformed || rua.length > 0,
    faults: faults.slice(0, MAX_FAULTS),
  };
}

/** Whether a TXT record says that it is a policy record of the version we know. */
export function isDmarcRecord(text: string): boolean {
  const version = VERSION.exec(text);
  // The name of the tag is in either case, its value is not (RFC 9989 §4.8).
  return version !== null && version[0].includes("DMARC1");
}

/** By name in lower case. The first of a name counts: nobody can undo it by adding another. */
function readTags(text: string, faults: string[]): Map<string, string> {
  const tags = new Map<string, string>();
  for (const [index, part] of splitTagValue(text, ";").entries()) {
    if (index === 0 || part === "") continue;
    const [, name = "", value = ""] = TAG.exec(part) ?? [];
    const key = name.toLowerCase();
    if (key === "") faults.push("a part that is no tag");
    else if (tags.has(key)) faults.push(`${key}: there is more than one`);
    else tags.set(key, value);
  }
  for (const name of tags.keys()) {
    if (!KNOWN.has(name) && !HISTORIC.has(name)) faults.push(`${name.slice(0, 20)}: no such tag`);
  }
  return tags;
}

const KNOWN: ReadonlySet<string> = new Set(
  ["p", "sp", "np", "adkim", "aspf", "fo", "rua", "ruf", "psd", "t"],
);

/** Whether a tag is there and could not be read. */
function isLost(tags: ReadonlyMap<string, string>, name: string, value: unknown): boolean {
  return tags.has(name) && value === undefined;
}

function readUris(tags: ReadonlyMap<string, string>, name: string, faults: string[]): string[] {
  const value = tags.get(name);
  if (value === undefined) return [];
  const uris: string[] = [];
  for (const part of value.split(",", MAX_URIS)) {
    const uri = part.trim().replace(SIZE_LIMIT, "");
    if (URI.test(uri)) uris.push(uri);
    else faults.push(`${name}: no URI`);
  }
  return uris;
}

function readFailureOptions(tags: ReadonlyMap<string, string>, faults: string[]): string[] {
  const value = tags.get("fo");
  if (value === undefined) return ["0"];
  const options = value.toLowerCase().split(":", 16).map((option) => option.trim());
  const known = options.filter((option) => ["0", "1", "d", "s"].includes(option));
  if (known.length < options.length) faults.push("fo: neither of 0, 1, d, s");
  return known.length === 0 ? ["0"] : [...new Set(known)];
}
