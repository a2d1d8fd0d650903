/**
 * The lexemes of structured header fields (RFC 5322 §3.2): atoms, quoted strings, domain literals and
 * specials, with comments and white space left out.
 *
 * @module
 */

/** One lexeme. */
export interface Lexeme {
  /** Which of the four it is. */
  readonly kind: "atom" | "quoted" | "literal" | "special";
  /** An atom or special as it stands; a quoted string without quoting; a literal with its brackets. */
  readonly text: string;
  /** Where it stands in the value: from here, up to there. */
  readonly start: number;
  readonly end: number;
}

// Beyond ASCII RFC 6532 §3.2. The dot is a special here, as in obs-phrase and obs-local-part.
const ATOM = /[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u00a0-\uffff]+/y;
const QUOTED = /"((?:[^"\\\p{Cc}]|[\t]|\\[^\p{Cc}])*)"/yu;
const LITERAL = /\[[!-Z^-~]*\]/y;
const SPACE = /[ \t]+/y;

/**
 * The lexemes of an unfolded value, or `null` where it is malformed: an open comment or string, a
 * control character.
 *
 * @example
 * ```ts
 * import { lexStructured } from "./structured.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lexStructured('"a b" (c (d)) <e@[::1]>')?.map((lexeme) => lexeme.text), [
 *   "a b", "<", "e", "@", "[::1]", ">",
 * ]);
 * assertEquals(lexStructured("(open"), null);
 * ```
 */
export function lexStructured(text: string): Lexeme[] | null {
  const lexemes: Lexeme[] = [];
  for (let at = 0; at < text.length;) {
    const character = text[at] ?? "";
    if (character === "(") {
      at = endOfComment(text, at);
      if (at === -1) return null;
      continue;
    }
    const space = matchAt(SPACE, text, at);
    if (space !== null) {
      at += space[0].length;
      continue;
    }
    const lexeme = lexemeAt(text, at);
    if (lexeme === null) return null;
    lexemes.push(lexeme);
    at = lexeme.end;
  }
  return lexemes;
}

/**
 * A text that may be malformed without what stands in parentheses, as the least careful reader sees it: whatever is
 * quoted, and where one is open, to the end.
 */
export function withoutComments(text: string): string {
  let depth = 0;
  let rest = "";
  for (const character of text) {
    if (character === "(") depth++;
    else if (character === ")") depth = Math.max(0, depth - 1);
    else if (depth === 0) rest += character;
  }
  return rest;
}

function lexemeAt(text: string, at: number): Lexeme | null {
  const character = text[at] ?? "";
  if (character === '"') {
    const match = matchAt(QUOTED, text, at);
    if (match === null) return null;
    const content = (match[1] ?? "").replace(/\\([^])/gu, "$1");
    return { kind: "quoted", text: content, start: at, end: at + match[0].length };
  }
  if (character === "[") {
    const match = matchAt(LITERAL, text, at);
    return match && { kind: "literal", text: match[0], start: at, end: at + match[0].length };
  }
  if ("<>,:;@.".includes(character)) {
    return { kind: "special", text: character, start: at, end: at + 1 };
  }
  const match = matchAt(ATOM, text, at);
  return match && { kind: "atom", text: match[0], start: at, end: at + match[0].length };
}

/** One past the parenthesis that closes the comment at `start`; comments nest. -1 where none does. */
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

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
