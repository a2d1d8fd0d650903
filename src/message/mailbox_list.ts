/**
 * The mailboxes of a From field (RFC 5322 §3.4, groups by RFC 6854), for the question whose mail this
 * is.
 *
 * Display names, comments and routes are read and dropped. Since the answer decides who may write in
 * whose name, and mail programs differ in what they make of a malformed field, anything doubtful gives
 * `null`.
 *
 * @module
 */

import { type Address, formatAddress, parseAddress } from "../address.ts";
import { type Lexeme, lexStructured } from "./structured.ts";

/**
 * The mailboxes in a From field's unfolded value, in order; `null` where it is malformed, or names
 * none.
 *
 * @example
 * ```ts
 * import { parseFromAddresses } from "./mailbox_list.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseFromAddresses('"Joe Q. Public" <john.q.public@example.com>, mary@x.test'), [
 *   { local: "john.q.public", domain: "example.com" },
 *   { local: "mary", domain: "x.test" },
 * ]);
 * assertEquals(parseFromAddresses("victim@example.com <me@example.org>"), null);
 * ```
 */
export function parseFromAddresses(value: string): Address[] | null {
  const lexemes = lexStructured(value);
  if (lexemes === null) return null;
  const reader = new ListReader(lexemes);
  return reader.readList(false) && reader.mailboxes.length > 0 ? reader.mailboxes : null;
}

/**
 * The mailboxes in the unfolded value of a field that names recipients (To, Cc, Bcc), in order; `null` where it
 * is malformed. It may name none (`undisclosed-recipients:;`), and a name without a domain is one of ours, as
 * programs of this machine write them.
 *
 * @param domain of such names.
 *
 * @example
 * ```ts
 * import { parseRecipientAddresses } from "./mailbox_list.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseRecipientAddresses("root, Bob <bob@b.test>", "a.test"), [
 *   { local: "root", domain: "a.test" },
 *   { local: "bob", domain: "b.test" },
 * ]);
 * assertEquals(parseRecipientAddresses("undisclosed-recipients:;", "a.test"), []);
 * ```
 */
export function parseRecipientAddresses(value: string, domain: string): Address[] | null {
  const lexemes = lexStructured(value);
  if (lexemes === null) return null;
  const reader = new ListReader(lexemes, domain);
  return reader.readList(false) ? reader.mailboxes : null;
}

/**
 * The value of a field with addresses, some of them others: names without a domain, as programs of this machine write
 * them, are asked for with `null`. All else stays as it is, and what is malformed altogether.
 *
 * @param rewrite what shall stand there; `null` for what stands there.
 *
 * @example
 * ```ts
 * import { rewriteAddresses } from "./mailbox_list.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const rewrite = (local: string, domain: string | null) =>
 *   domain === null ? { local, domain: "a.test" } : null;
 * assertEquals(rewriteAddresses("root (Cron), B <b@b.test>", rewrite), "root@a.test (Cron), B <b@b.test>");
 * assertEquals(rewriteAddresses("two words", rewrite), "two words");
 * ```
 */
export function rewriteAddresses(
  value: string,
  rewrite: (local: string, domain: string | null) => Address | null,
): string {
  const lexemes = lexStructured(value);
  if (lexemes === null) return value;
  const reader = new ListReader(lexemes, "name.invalid");
  if (!reader.readList(false)) return value;
  let rewritten = "";
  let at = 0;
  for (const { local, domain, start, end } of reader.found) {
    const other = rewrite(local, domain);
    if (other === null) continue;
    rewritten += value.slice(at, start) + formatAddress(other);
    at = end;
  }
  return rewritten + value.slice(at);
}

/** An address, and where it stands. */
interface FoundAddress {
  readonly local: string;
  readonly domain: string | null;
  readonly start: number;
  readonly end: number;
}

/** Reads address lists off lexemes. Every `read` gives whether what it read was well-formed. */
class ListReader {
  readonly mailboxes: Address[] = [];
  /** The same as they stand there. */
  readonly found: FoundAddress[] = [];
  readonly #lexemes: readonly Lexeme[];
  /** Of names that have none; `null`: they must have one. */
  readonly #domain: string | null;
  #at = 0;

  constructor(lexemes: readonly Lexeme[], domain: string | null = null) {
    this.#lexemes = lexemes;
    this.#domain = domain;
  }

  /** Up to the end, or to the `;` of a group. Empty elements are let pass (RFC 5322 §4.4). */
  readList(inGroup: boolean): boolean {
    for (;;) {
      if (this.#skip(",")) continue;
      if (inGroup && this.#skip(";")) return true;
      if (this.#at === this.#lexemes.length) return !inGroup;
      if (!this.#readAddress(inGroup)) return false;
      const next = this.#special();
      if (next !== "," && !(inGroup && next === ";") && this.#at < this.#lexemes.length) {
        return false;
      }
    }
  }

  #readAddress(inGroup: boolean): boolean {
    const words = this.#readWords();
    if (this.#special() === "@") return this.#readDomain(words);
    const named = words.length === 0 || words[0]?.kind !== "special";
    if (named && this.#skip("<")) return this.#readAngle();
    if (named && words.length > 0 && !inGroup && this.#skip(":")) return this.readList(true);
    return named && this.#addBare(words);
  }

  /** Behind `<`: a route of old (RFC 5322 §4.4), the address, `>`. */
  #readAngle(): boolean {
    if (this.#special() === "@" || this.#special() === ",") {
      while (this.#skip(",")) continue;
      while (this.#skip("@")) {
        if (this.#readDomainText() === null) return false;
        while (this.#skip(",")) continue;
      }
      if (!this.#skip(":")) return false;
    }
    return this.#readDomain(this.#readWords()) && this.#skip(">");
  }

  /** `@` and the domain behind a local part. */
  #readDomain(words: readonly Lexeme[]): boolean {
    if (this.#special() !== "@") return this.#addBare(words);
    return this.#skip("@") && this.#add(words, this.#readDomainText());
  }

  #addBare(words: readonly Lexeme[]): boolean {
    return this.#domain !== null && this.#add(words, this.#domain, true);
  }

  /** What was read last is an address. */
  #add(words: readonly Lexeme[], domain: string | null, isBare = false): boolean {
    const local = joinDotted(words);
    if (local === null || domain === null) return false;
    const mailbox = parseAddress(formatAddress({ local, domain }), { smtputf8: true });
    if (mailbox === null || mailbox.local !== local) return false;
    this.mailboxes.push(mailbox);
    const [start, end] = [words[0]!.start, this.#lexemes[this.#at - 1]!.end];
    this.found.push({ local, domain: isBare ? null : domain, start, end });
    return true;
  }

  #readDomainText(): string | null {
    const first = this.#lexemes[this.#at];
    if (first?.kind === "literal") {
      this.#at++;
      return first.text;
    }
    const words = this.#readWords();
    return words.some((word) => word.kind === "quoted") ? null : joinDotted(words);
  }

  /** Atoms, quoted strings and dots, as they come. */
  #readWords(): Lexeme[] {
    const start = this.#at;
    while (this.#at < this.#lexemes.length) {
      const { kind, text } = this.#lexemes[this.#at] ?? { kind: "special", text: "" };
      if (kind === "literal" || (kind === "special" && text !== ".")) break;
      this.#at++;
    }
    return this.#lexemes.slice(start, this.#at);
  }

  #special(): string | null {
    const lexeme = this.#lexemes[this.#at];
    return lexeme?.kind === "special" ? lexeme.text : null;
  }

  #skip(special: string): boolean {
    if (this.#special() !== special) return false;
    this.#at++;
    return true;
  }
}

/** `word *("." word)` as one text, or `null` where dots and words do not take turns. */
function joinDotted(words: readonly Lexeme[]): string | null {
  if (words.length % 2 === 0) return null;
  const turns = words.every((word, index) => (word.kind === "special") === (index % 2 === 1));
  return turns ? words.map((word) => word.text).join("") : null;
}
