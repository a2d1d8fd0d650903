/**
 * The macro language of SPF (RFC 7208 §7): texts with places for who sends from where, read into pieces and filled
 * in. What the places stand for is told by the caller; nobody is asked here.
 *
 * Records are strangers' and so is much of what is filled in: names are built from their end and no further than they
 * can count, and explanations end at a limit. Everything here is total: what is malformed, or cannot be a name, is
 * `null`.
 *
 * @module
 */

import { isAscii, isPrintable } from "../../bytes.ts";

/** What a macro stands for (RFC 7208 §7.2). The last three are for the text of explanations only. */
export type MacroLetter = "s" | "l" | "o" | "d" | "i" | "p" | "v" | "h" | "c" | "r" | "t";

/** A place in a text, `%{d2r-}`. */
export interface Macro {
  /** In lower case. */
  readonly letter: MacroLetter;
  /** It was in upper case: what is filled in gets escaped as in a URL (RFC 7208 §7.3). */
  readonly escape: boolean;
  /** How many parts from the right count; `Infinity`: all. */
  readonly parts: number;
  /** The parts are turned around before they are counted. */
  readonly reverse: boolean;
  /** The characters between parts; `""`: the dot. */
  readonly delimiters: string;
}

/** A text with places. */
export type MacroString = readonly (string | Macro)[];

/** Tells what a macro stands for. */
export type MacroValues = (letter: MacroLetter) => string;

/** The longest name in text, without the dot at its end (RFC 7208 §7.3). */
const MAX_NAME = 253;

const TERM = /%\{([slodipvh])(\d*)(r?)([.\-+,/_=]*)\}|%([%_-])|([!-$&-~]+)/iy;
const EXPLANATION = /%\{([slodipvhcrt])(\d*)(r?)([.\-+,/_=]*)\}|%([%_-])|([ -$&-~]+)/iy;

const STANDS_FOR: Readonly<Record<string, string>> = { "%": "%", "_": " ", "-": "%20" };

/** Reads a text by one of the grammars; `ends` is told whether it ends with a macro. */
function parse(text: string, grammar: RegExp): { pieces: MacroString; openEnd: boolean } | null {
  const pieces: (string | Macro)[] = [];
  let openEnd = false;
  for (let at = 0; at < text.length; at = grammar.lastIndex) {
    grammar.lastIndex = at;
    const match = grammar.exec(text);
    if (match === null) return null;
    const [, letter, digits = "", reverse = "", delimiters = "", special, literal] = match;
    openEnd = literal === undefined;
    if (literal !== undefined) pieces.push(literal);
    else if (special !== undefined) pieces.push(STANDS_FOR[special]!);
    else {
      const parts = digits === "" ? Infinity : Number(digits);
      if (parts === 0) return null; // RFC 7208 §7.3: it must not be zero.
      const lower = letter!.toLowerCase() as MacroLetter;
      pieces.push({
        ...{ letter: lower, escape: letter !== lower },
        ...{ parts, reverse: reverse !== "", delimiters },
      });
    }
  }
  return { pieces, openEnd };
}

/**
 * Reads the domain that a term names (RFC 7208 §7.1, `domain-spec`): it ends with a macro, or with a dot and what
 * may be a top-level label.
 *
 * @example
 * ```ts
 * import { expandName, parseDomainSpec } from "./macro_string.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 7208 §7.4: mail of strong-bad@email.example.com from 192.0.2.3.
 * const values = { i: "192.0.2.3", l: "strong-bad", o: "email.example.com", v: "in-addr", d: "email.example.com" };
 * const tell = (letter: string) => values[letter as "i"];
 * const expand = (text: string) => expandName(parseDomainSpec(text)!, tell);
 * assertEquals(expand("%{ir}.%{v}._spf.%{d2}"), "3.2.0.192.in-addr._spf.example.com");
 * assertEquals(expand("%{lr-}.lp._spf.%{d2}"), "bad.strong.lp._spf.example.com");
 * assertEquals(parseDomainSpec("192.0.2.3"), null);
 * assertEquals(parseDomainSpec("%{c}"), null);
 * ```
 */
export function parseDomainSpec(text: string): MacroString | null {
  const read = parse(text, TERM);
  if (read === null || text === "") return null;
  if (read.openEnd) return read.pieces;
  const literal = (read.pieces.at(-1) as string).replace(/\.$/, "");
  const dot = literal.lastIndexOf(".");
  return dot >= 0 && isTopLabel(literal.slice(dot + 1)) ? read.pieces : null;
}

/** Letters, digits and hyphens, none at the ends; not digits alone. */
function isTopLabel(label: string): boolean {
  return /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/.test(label) && !/^\d+$/.test(label);
}

/** Whether a text is what an unknown modifier may have (RFC 7208 §12, `macro-string`; §7.2 for the letters). */
export function isMacroString(text: string): boolean {
  return parse(text, TERM) !== null;
}

/** Reads an explanation (RFC 7208 §6.2, `explain-string`). */
export function parseExplanation(text: string): MacroString | null {
  return parse(text, EXPLANATION)?.pieces ?? null;
}

/** Whether one of these letters has a place in it. */
export function mentions(pieces: MacroString, letters: string): boolean {
  return pieces.some((piece) => typeof piece !== "string" && letters.includes(piece.letter));
}

/**
 * Fills in a name to ask for, without a dot at its end. What is longer than a name may be loses labels on its left
 * (RFC 7208 §7.3). `null` where it is not ASCII, as no label of DNS is (RFC 8616 §4), or nothing is left.
 */
export function expandName(pieces: MacroString, values: MacroValues): string | null {
  let name = "";
  for (let at = pieces.length - 1; at >= 0 && name.length <= MAX_NAME + 1; at--) {
    name = expand(pieces[at]!, values) + name;
  }
  if (name.endsWith(".")) name = name.slice(0, -1);
  if (name.length > MAX_NAME) {
    const dot = name.indexOf(".", name.length - MAX_NAME - 1);
    name = dot === -1 ? "" : name.slice(dot + 1);
  }
  return name !== "" && isAscii(name) ? name : null;
}

/** Fills in a text for people; `null` where it has more characters than that, or is not printable ASCII. */
export function expandText(
  pieces: MacroString,
  values: MacroValues,
  limit: number,
): string | null {
  let text = "";
  for (const piece of pieces) {
    text += expand(piece, values);
    if (text.length > limit) return null;
  }
  return isPrintable(text) ? text : null;
}

function expand(piece: string | Macro, values: MacroValues): string {
  if (typeof piece === "string") return piece;
  const value = transform(piece, values(piece.letter));
  return piece.escape ? escapeForUrl(value) : value;
}

function transform({ parts, reverse, delimiters }: Macro, value: string): string {
  if (parts === Infinity && !reverse && delimiters === "") return value;
  const split = delimiters === ""
    ? value.split(".")
    : value.split(new RegExp(`[${delimiters.replaceAll("-", "\\-")}]`));
  if (reverse) split.reverse();
  return split.slice(-parts).join(".");
}

/** All but the unreserved characters of RFC 3986 §2.3 as `%XX`, in UTF-8. */
function escapeForUrl(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
