/**
 * The Authentication-Results field (RFC 8601): what a station found out about a message, in words that programs read.
 * It is written and read here; which fields claim to be ours is `forged_results.ts`.
 *
 * Pure and total: what is malformed is `null`, whatever values a field is made of, it can be read again, and the time
 * taken is linear.
 *
 * @module
 */

import type { AuthResult } from "../mailauth/result.ts";

/** What a result was about, as `smtp.mailfrom=alice@example.org` says it (RFC 8601 §2.3). */
export interface ResultProperty {
  /** Where it stood: in the SMTP session, a header field, the body; or it is a rule of this station. */
  readonly type: "smtp" | "header" | "body" | "policy";
  /** Such as `mailfrom`, `helo`, `from`, `d`, `s`. */
  readonly name: string;
  /** Any text; it is quoted where it must be, and cut at 500 characters. */
  readonly value: string;
}

/** The outcome of one check, to be written. */
export interface MethodResult {
  /** Such as `spf`, `dkim`, `dmarc`, `arc`, `iprev`, `auth`. */
  readonly method: string;
  /** What it came to. */
  readonly result: AuthResult;
  /** Why, for readers. */
  readonly reason?: string;
  /** What it was about. */
  readonly properties: readonly ResultProperty[];
  /** What stands in parentheses behind the result, for readers. */
  readonly comment?: string;
}

/** A property as somebody wrote it. */
export interface ReportedProperty {
  /** In lower case; other types than ours are registered from time to time. */
  readonly type: string;
  /** In lower case. */
  readonly name: string;
  /** Without quoting. */
  readonly value: string;
}

/** The outcome of one check as somebody wrote it: a {@link MethodResult}, but its words may be unknown to us. */
export interface ReportedResult {
  /** In lower case. */
  readonly method: string;
  /** The version behind the method's slash (RFC 8601 §2.2); 1 where none stands there. */
  readonly version: number;
  /** In lower case. */
  readonly result: string;
  /** Why. */
  readonly reason?: string;
  /** What it was about. */
  readonly properties: readonly ReportedProperty[];
  /** The first comment behind the result, unquoted. */
  readonly comment?: string;
}

/** A whole field. */
export interface AuthenticationResults {
  /** Whose results these are. */
  readonly authservId: string;
  /** Version of the field; 1 where none stands there. */
  readonly version: number;
  /** None where the field says `none`. */
  readonly results: readonly ReportedResult[];
}

/** Characters of a value, reason or comment that are written: a word of them still fits a line (RFC 5322 §2.1.1). */
const LONGEST_TEXT = 500;
/** Characters of a field that is read. */
const LONGEST_FIELD = 65_536;
/** Results of a field, and properties of a result, that are read; honest stations write a dozen. */
const MOST_RESULTS = 100;
const MOST_PROPERTIES = 100;

/** RFC 2045 §5.1. */
const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/;
/** What may stand without quotes beside a token: `[[local-part] "@"] domain-name`. */
const ADDRESS = /^[!#$%&'*+\-/=?^_`{|}~.0-9A-Za-z]*@[0-9A-Za-z.-]+$/;
/**
 * The sign in what looks like a result, such as `dmarc=pass` for a local part. Many who sort mail look for these words
 * alone, wherever in the field they stand; so they stand nowhere as a stranger wrote them.
 */
const RESULT_SIGN = /=(?=[ \t]*pass)/gi;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x1f\x7f-\x9f]/g;

/**
 * The value of a field, with each result on a line of its own, as `makeField` folds it. No results are `none`.
 *
 * @param authservId the name of this station, or of the system it belongs to (RFC 8601 §2.5).
 *
 * @example
 * ```ts
 * import { formatAuthenticationResults } from "./authentication_results.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const results = formatAuthenticationResults("mx.example.org", [{
 *   method: "dkim",
 *   result: "pass",
 *   comment: "2048-bit key",
 *   properties: [{ type: "header", name: "d", value: "example.net" }, {
 *     type: "header",
 *     name: "b",
 *     value: "EToRSuv/",
 *   }],
 * }]);
 * assertEquals(
 *   results,
 *   'mx.example.org;\n\tdkim=pass (2048-bit key) header.d=example.net header.b="EToRSuv/"',
 * );
 * assertEquals(formatAuthenticationResults("mx.example.org", []), "mx.example.org; none");
 * ```
 */
export function formatAuthenticationResults(
  authservId: string,
  results: readonly MethodResult[],
): string {
  const id = formatValue(authservId);
  if (results.length === 0) return `${id}; none`;
  return [id, ...results.map(formatResult)].join(";\n\t");
}

function formatResult({ method, result, reason, properties, comment }: MethodResult): string {
  const parts = [`${keyword(method)}=${keyword(result)}`];
  if (comment !== undefined) parts.push(`(${words(comment).replace(/[()\\]/g, "?")})`);
  if (reason !== undefined) parts.push(`reason=${quoted(words(reason))}`);
  for (const { type, name, value } of properties) {
    parts.push(`${type}.${keyword(name)}=${formatValue(value)}`);
  }
  return parts.join(" ");
}

/** RFC 5321 §4.1.2: letters, digits and hyphens. */
function keyword(text: string): string {
  return text.replace(/[^0-9A-Za-z-]/g, "-") || "-";
}

function formatValue(text: string): string {
  const value = safe(text);
  const isPlain = TOKEN.test(value) || ADDRESS.test(value) && value.search(RESULT_SIGN) === -1;
  return isPlain ? value : quoted(value);
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").replace(RESULT_SIGN, "\\=")}"`;
}

/** For readers. */
function words(text: string): string {
  return safe(text).replace(RESULT_SIGN, "?");
}

function safe(text: string): string {
  return text.slice(0, LONGEST_TEXT).toWellFormed().replace(CONTROLS, "?");
}

/**
 * Reads the value of a field, folded or not; `null` where it is malformed (RFC 8601 §2.2).
 *
 * Forgiven is what large stations write: values that should be quoted and are not, values that are empty, a semicolon
 * at the end, and properties without a type (`action=none`), which are left out.
 *
 * @example
 * ```ts
 * import { parseAuthenticationResults } from "./authentication_results.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 8601, Appendix B.6
 * const field = parseAuthenticationResults(
 *   'example.com; dkim=fail reason="bad signature" header.i=@newyork.example.com',
 * );
 * assertEquals(field, {
 *   authservId: "example.com",
 *   version: 1,
 *   results: [{
 *     method: "dkim",
 *     version: 1,
 *     result: "fail",
 *     reason: "bad signature",
 *     properties: [{ type: "header", name: "i", value: "@newyork.example.com" }],
 *   }],
 * });
 * assertEquals(parseAuthenticationResults("example.com 1; none")?.results, []);
 * assertEquals(parseAuthenticationResults("example.com"), null);
 * ```
 */
export function parseAuthenticationResults(value: string): AuthenticationResults | null {
  // deno-lint-ignore no-control-regex
  if (value.length > LONGEST_FIELD || /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(value)) return null;
  const text = new ResultsReader(value);
  const authservId = text.quotedString() ?? text.match(SERVER);
  if (authservId === null) return null;
  const version = Number(text.match(DIGITS) ?? 1);
  const results: ReportedResult[] = [];
  while (!text.ended) {
    if (!text.skip(";") || results.length === MOST_RESULTS) return null;
    if (text.ended && results.length > 0) break;
    const method = text.match(KEYWORD)?.toLowerCase();
    if (method === undefined) return null;
    if (method === "none" && results.length === 0 && text.ended) {
      return { authservId, version, results };
    }
    const result = readResult(text, method);
    if (result === null) return null;
    results.push(result);
  }
  return results.length === 0 ? null : { authservId, version, results };
}

const SERVER = /[^\s;()"\\=<>,?]+/y;
const DIGITS = /\d{1,9}(?![^\s;()=.])/y;
const KEYWORD = /[\w-]{1,100}/y;
/** More than a token and an address may have: an IPv6 address, the end of Base64. */
const UNQUOTED = /[^\s;()"]+/y;

/** What stands behind a method's name. */
function readResult(text: ResultsReader, method: string): ReportedResult | null {
  const version = text.skip("/") ? text.match(DIGITS) : 1;
  const result = text.skip("=") ? text.match(KEYWORD)?.toLowerCase() : undefined;
  if (version === null || result === undefined) return null;
  const comment = text.comment;
  const properties: ReportedProperty[] = [];
  let reason: string | undefined;
  while (!text.ended && !text.at(";")) {
    const word = text.match(KEYWORD)?.toLowerCase();
    const name = text.skip(".") ? text.match(KEYWORD)?.toLowerCase() : null;
    if (word === undefined || name === undefined || !text.skip("=")) return null;
    const value = text.value();
    if (name !== null) properties.push({ type: word, name, value });
    else if (word === "reason") reason = value;
    if (properties.length > MOST_PROPERTIES) return null;
  }
  return {
    method,
    version: Number(version),
    result,
    ...(reason !== undefined && { reason }),
    properties,
    ...(comment !== null && { comment }),
  };
}

/** The parts of a field, one after another. White space and comments go with what stands before them. */
class ResultsReader {
  readonly #text: string;
  #at = 0;
  /** The first comment between the part that was read last and the next. */
  comment: string | null = null;

  constructor(text: string) {
    this.#text = text;
    this.#skipSpace();
  }

  /** Whether nothing more comes. A comment that does not end is not nothing. */
  get ended(): boolean {
    return this.#at === this.#text.length;
  }

  /** Whether this character comes next. */
  at(character: string): boolean {
    return this.#text[this.#at] === character;
  }

  /** Goes past a character, where it comes next. */
  skip(character: string): boolean {
    if (!this.at(character)) return false;
    this.#at++;
    this.#skipSpace();
    return true;
  }

  /** What matches here, or `null`. */
  match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return null;
    this.#at += found.length;
    this.#skipSpace();
    return found;
  }

  /** A quoted string without its quoting; `null` where none comes next, or one that does not end. */
  quotedString(): string | null {
    const end = this.#endOfQuoted();
    if (end === -1) return null;
    const content = this.#text.slice(this.#at + 1, end - 1);
    this.#at = end;
    this.#skipSpace();
    return content.replace(/\r\n(?=[ \t])/g, "").replace(/\\([^])/gu, "$1");
  }

  /** A property's value. A quoted local part (`"a b"@example.org`) stays quoted. */
  value(): string {
    const end = this.#endOfQuoted();
    if (end === -1) return this.match(UNQUOTED) ?? "";
    if (this.#text[end] !== "@") return this.quotedString() ?? "";
    const local = this.#text.slice(this.#at, end);
    this.#at = end;
    return local + (this.match(UNQUOTED) ?? "");
  }

  /** One past the quoted string that begins here; -1 where none does. */
  #endOfQuoted(): number {
    if (!this.at('"')) return -1;
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      if (this.#text[at] === "\\") at++;
      else if (this.#text[at] === '"') return at + 1;
    }
    return -1;
  }

  #skipSpace(): void {
    this.comment = null;
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at]!;
      if (character === "(") {
        const end = endOfComment(this.#text, this.#at);
        if (end === -1) return;
        const content = this.#text.slice(this.#at + 1, end - 1);
        this.comment ??= content.replace(/\\([^])/gu, "$1");
        this.#at = end - 1;
      } else if (!" \t\r\n".includes(character)) return;
    }
  }
}

/** One past the parenthesis that closes the comment at `start`; comments nest (RFC 5322 §3.2.2). -1 where none does. */
function endOfComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === "(") depth++;
    else if (character === ")" && --depth === 0) return at + 1;
  }
  return -1;
}
