/**
 * The users file: who lives here, as text a person can read and edit. The first line is
 * `# yizhan users 1`; after it one thing a line, words with blanks between, `#` before comments:
 *
 *     # yizhan users 1
 *     domain    example.org
 *     user      alice@example.org SCRAM-SHA-256$100000:… quota=1G messages=10000 sendAs=sales@example.org
 *     user      printer@example.org -
 *     alias     team@example.org alice@example.org bob@example.net
 *     catch-all example.org alice@example.org
 *     secret    c2l4dGVlbiBvY3RldHMu…
 *
 * | line | means |
 * | --- | --- |
 * | `domain DOMAIN` | mail for the domain ends here. Only needed where no other line names the domain |
 * | `user ADDRESS VERIFIER [OPTION…]` | a mailbox and its login; `-` for one that cannot log in |
 * | `alias ADDRESS TARGET…` | mail for the address goes to the targets, here or elsewhere |
 * | `catch-all DOMAIN TARGET…` | gets what is sent to addresses of the domain that nobody has |
 * | `secret BASE64` | what the salts of unknown names are made from; `yizhan user add` writes it |
 *
 * Options of a user: `quota=1G` (octets; K, M, G, T of 1024), `messages=10000`, and as often as needed
 * `sendAs=ADDRESS` or `sendAs=DOMAIN`: what it may send as beside its own address and the aliases that
 * lead to it. Passwords are kept as verifiers only (`password.ts` has the form). A local part with
 * blanks stands in double quotes. Addresses are the same in upper and lower case. An alias or catch-all
 * must not lead to an address of one of the file's domains that nobody has.
 *
 * Parsing is pure and total: what is wrong comes back as one {@link Problem} a line, all of them at once.
 *
 * @module
 */

import {
  type Address,
  domainKey,
  formatAddress,
  mailboxKey,
  parseAddress,
  parseAddressLiteral,
  parseDomain,
} from "../address.ts";
import { parseBase64 } from "../smtp/sasl/base64.ts";
import type { ScramVerifier } from "../smtp/sasl/scram_verifier.ts";
import type { Quota } from "./directory.ts";
import { parseVerifier } from "./password.ts";
import {
  type DirectoryTable,
  directoryTable,
  parseSendAs,
  type SendAs,
  type User,
} from "./directory_table.ts";

/** The first line of a users file: what it is, and the version of its grammar. */
export const USERS_HEADER = "# yizhan users 1";

const ANY_HEADER = /^\ufeff?# yizhan users (\d{1,9})[^\S\n]*(?:\n|$)/;

/** Something wrong in a users file. */
export interface Problem {
  /** From 1. */
  readonly line: number;
  /** What was found and what is allowed, for people. Never holds a verifier or a secret. */
  readonly text: string;
}

/** A users file, read. */
export interface UsersFile {
  readonly table: DirectoryTable;
  /** Where each user's line is, by mailbox key, from 1. */
  readonly lines: ReadonlyMap<string, number>;
  /** The same of each alias. */
  readonly aliasLines: ReadonlyMap<string, number>;
  /** Empty when all is well; else the table holds what could be read. */
  readonly problems: readonly Problem[];
}

/** A word of a line and where it stands. */
export interface Word {
  readonly text: string;
  readonly at: number;
}

/** The words of a line, or `null` where a quote is left open. A comment has none. */
export function splitWords(line: string): Word[] | null {
  if (/^\s*(?:#|$)/.test(line)) return [];
  const words: Word[] = [];
  let end = 0;
  for (const match of line.matchAll(/(?:"(?:[^"\\]|\\.)*"|[^\s"])+/g)) {
    if (line.slice(end, match.index).includes('"')) return null;
    end = match.index + match[0].length;
    words.push({ text: match[0], at: match.index });
  }
  return line.slice(end).includes('"') ? null : words;
}

/**
 * Reads a users file.
 *
 * @example
 * ```ts
 * import { parseUsersFile } from "./users_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const file = parseUsersFile("# yizhan users 1\nuser alice@example.org - quota=1X\n");
 * assertEquals(file.problems[0]?.line, 2);
 * ```
 */
export function parseUsersFile(text: string): UsersFile {
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  const reader = new Reader();
  const other = otherVersion(text);
  if (other !== null) {
    reader.report(1, other);
    return reader.finish();
  }
  if (lines[0]?.trimEnd() !== USERS_HEADER) {
    const found = lines[0] === "" ? "nothing" : quote(lines[0] ?? "", MAX_UNKNOWN);
    reader.report(1, `found ${found}; the first line must be "${USERS_HEADER}"`);
  }
  lines.forEach((line, index) => reader.read(line, index + 1));
  return reader.finish();
}

/**
 * What to say of a users file whose first line tells a version that is not known: what its other lines mean is not
 * for us to say. `null` for any other file.
 */
export function otherVersion(text: string): string | null {
  const version = ANY_HEADER.exec(text)?.[1];
  if (version === undefined || version === "1") return null;
  const advice = "this yizhan knows version 1 only; use the one that wrote it, or a later one";
  return `found a users file of version ${version}; ${advice}`;
}

/** Takes lines, makes the table. */
class Reader {
  readonly #users = new Map<string, User>();
  readonly #aliases = new Map<string, Address[]>();
  readonly #catchAll = new Map<string, Address[]>();
  readonly #domains = new Set<string>();
  #secret: Uint8Array | undefined;
  /** What each address or catch-all domain was first defined by. */
  readonly #lines = new Map<string, number>();
  readonly #problems: Problem[] = [];

  report(line: number, text: string): void {
    this.#problems.push({ line, text });
  }

  read(line: string, number: number): void {
    const report = (text: string) => this.report(number, text);
    const words = splitWords(line);
    if (words === null) return report('found a " without its partner');
    const [kind, ...rest] = words.map((word) => word.text);
    switch (kind) {
      case undefined:
        return;
      case "domain":
        return this.#readDomain(rest, report);
      case "user":
        return this.#readUser(rest, number, report);
      case "alias":
        return this.#readAlias(rest, number, report);
      case "catch-all":
        return this.#readCatchAll(rest, number, report);
      case "secret":
        return this.#readSecret(rest, report);
      default:
        report(
          `found ${
            quote(kind, MAX_UNKNOWN)
          }; a line begins with domain, user, alias, catch-all, secret or #`,
        );
    }
  }

  finish(): UsersFile {
    const table = directoryTable({
      users: this.#users,
      aliases: this.#aliases,
      catchAll: this.#catchAll,
      domains: this.#domains,
      ...this.#secret === undefined ? {} : { secret: this.#secret },
    });
    const check = (targets: readonly Address[], line: number) => {
      for (const target of targets) {
        if (!this.#isDead(target, table)) continue;
        const address = quote(formatAddress(target));
        this.report(line, `found target ${address}, which nobody has; make a user or alias of it`);
      }
    };
    for (const [key, targets] of this.#aliases) check(targets, this.#lines.get(key)!);
    for (const [key, targets] of this.#catchAll) check(targets, this.#lines.get(`@${key}`)!);
    const problems = this.#problems.toSorted((a, b) => a.line - b.line);
    const linesOf = (some: ReadonlyMap<string, unknown>) =>
      new Map([...this.#lines].filter(([key]) => some.has(key)));
    return { table, lines: linesOf(this.#users), aliasLines: linesOf(this.#aliases), problems };
  }

  /** Whether a target is in one of our domains and leads nowhere. */
  #isDead(target: Address, table: DirectoryTable): boolean {
    const domain = domainKey(target.domain);
    if (!table.domains.has(domain) || table.catchAll.has(domain)) return false;
    const { local } = target;
    if (local.toLowerCase() === "postmaster") return false;
    const isKnown = (part: string) => this.#lines.has(mailboxKey({ local: part, domain }));
    if (isKnown(local)) return false;
    // The delimiter of subaddresses is the router's to know: anything that is no letter may be one.
    return !local.matchAll(/[^\p{L}\p{N}]/gu).some((mark) => isKnown(local.slice(0, mark.index)));
  }

  #readDomain([text, ...more]: string[], report: Report): void {
    const domain = readDomain(text);
    if (domain === null || more.length > 0) {
      return report(`found ${quote([text ?? "", ...more].join(" "))}; allowed is one domain`);
    }
    this.#domains.add(domain);
  }

  #readUser([name, verifierText, ...options]: string[], number: number, report: Report): void {
    const address = this.#readName(name, number, report);
    if (address === null) return;
    if (verifierText === undefined) return report("found no verifier; allowed is one, or -");
    const verifier = readVerifier(verifierText, report);
    const { quota, sendAs } = readOptions(options, report);
    const user: User = { address, verifier, sendAs, ...quota === null ? {} : { quota } };
    this.#users.set(mailboxKey(address), user);
  }

  #readAlias([name, ...targets]: string[], number: number, report: Report): void {
    const address = this.#readName(name, number, report);
    if (address !== null) this.#aliases.set(mailboxKey(address), readTargets(targets, report));
  }

  #readCatchAll([text, ...targets]: string[], number: number, report: Report): void {
    const domain = readDomain(text);
    if (domain === null) return report(`found ${quote(text ?? "")}; allowed is a domain`);
    if (!this.#define(`@${domain}`, number, report)) return;
    this.#catchAll.set(domain, readTargets(targets, report));
  }

  #readSecret([text, ...more]: string[], report: Report): void {
    const secret = parseBase64(text ?? "");
    if (this.#secret !== undefined) return report("found a second secret; one is allowed");
    if (secret === null || secret.length < 16 || more.length > 0) {
      return report("found no secret; allowed is one of 16 octets or more in base64");
    }
    this.#secret = secret;
  }

  /** The address a line defines, or `null`, reported. */
  #readName(text: string | undefined, number: number, report: Report): Address | null {
    const address = parseAddress(text ?? "", { smtputf8: true });
    if (address === null) {
      report(`found ${quote(text ?? "")}; allowed is an address such as alice@example.org`);
      return null;
    }
    return this.#define(mailboxKey(address), number, report) ? address : null;
  }

  #define(key: string, number: number, report: Report): boolean {
    const first = this.#lines.get(key);
    if (first === undefined) this.#lines.set(key, number);
    else report(`found ${quote(key)} again; line ${first} has it already`);
    return first === undefined;
  }
}

type Report = (text: string) => void;

function readDomain(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (text.startsWith("[")) {
    const literal = parseAddressLiteral(text);
    return literal === null ? null : domainKey(literal);
  }
  const domain = parseDomain(text, { smtputf8: true });
  return domain === null ? null : domainKey(domain);
}

function readVerifier(text: string, report: Report): ScramVerifier | null {
  if (text === "-") return null;
  const parsed = parseVerifier(text);
  if (parsed.ok) return parsed.verifier;
  report(`found a verifier that cannot be used: ${parsed.problem}; "yizhan user passwd" makes one`);
  return null;
}

function readTargets(texts: readonly string[], report: Report): Address[] {
  if (texts.length === 0) report("found no target; allowed are one or more addresses");
  return texts.flatMap((text) => {
    const target = parseAddress(text, { smtputf8: true });
    if (target === null) report(`found ${quote(text)}; a target must be an address`);
    return target ?? [];
  });
}

function readOptions(
  words: readonly string[],
  report: Report,
): { quota: Quota | null; sendAs: SendAs[] } {
  const quota: { bytes?: number; messages?: number } = {};
  const sendAs: SendAs[] = [];
  for (const word of words) {
    const [, name, value = ""] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    if (name === "quota") {
      const bytes = parseSize(value);
      if (bytes === null) report(`found ${quote(word)}; allowed is a size such as quota=1G`);
      else if (quota.bytes !== undefined) report("found quota= twice; once is allowed");
      else quota.bytes = bytes;
    } else if (name === "messages") {
      const messages = /^[1-9]\d{0,14}$/.test(value) ? Number(value) : null;
      if (messages === null) {
        report(`found ${quote(word)}; allowed is a count such as messages=10000`);
      } else if (quota.messages !== undefined) report("found messages= twice; once is allowed");
      else quota.messages = messages;
    } else if (name === "sendAs") {
      const right = parseSendAs(value);
      if (right === null) {
        report(`found ${quote(word)}; allowed is sendAs=ADDRESS or sendAs=DOMAIN`);
      } else sendAs.push(right);
    } else {
      report(`found ${quote(word)}; allowed are quota=, messages= and sendAs=`);
    }
  }
  return { quota: Object.keys(quota).length === 0 ? null : quota, sendAs };
}

/** `500`, `10K`, `1G`, in octets; `null` for what is no size or none a number can hold. */
export function parseSize(text: string): number | null {
  const match = /^([1-9]\d{0,14})([KMGT]?)$/i.exec(text);
  if (match === null) return null;
  const bytes = Number(match[1]) * 1024 ** " KMGT".indexOf(match[2]!.toUpperCase() || " ");
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Characters quoted of a line that is none of ours: it may be anything, such as a line of a key. */
const MAX_UNKNOWN = 20;

/** What was found, in our message: one line, not too long, and no verifier. */
function quote(text: string, limit = 60): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, "?").replace(/\$.*/, "$...");
  return `"${line.length > limit ? `${line.slice(0, limit - 3)}...` : line}"`;
}
