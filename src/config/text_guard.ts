/**
 * The octets of a configuration as text, and whether that may be given to the YAML parser: one that is
 * enormous, or nested thousands deep, is turned away by a glance over its tokens, which takes
 * milliseconds and no memory.
 *
 * @module
 */

import { yaml } from "./packages.ts";

/** Octets of a configuration at most. */
export const MAX_OCTETS = 1024 * 1024;

/** What is said of more. */
export const TOO_LONG = "is longer than 1 MiB, too long for a configuration";

/** Some 20,000 lines. Each becomes an object or two in the parser. */
const MAX_TOKENS = 100_000;
/** The deepest key there is lies at 6. */
const MAX_DEPTH = 50;
const MAX_INDENT = 400;

/** What is wrong with a text, and where: in code units from its beginning. */
export interface TextFault {
  readonly message: string;
  readonly offset: number;
}

/** The text, or why it is none. */
export function decodeText(octets: Uint8Array): { readonly text: string } | TextFault {
  if (octets.length > MAX_OCTETS) {
    return { message: TOO_LONG, offset: -1 };
  }
  const nul = octets.indexOf(0);
  if (nul !== -1) {
    // Half of UTF-16 is NUL: say what is the matter, which no editor shows.
    const wide = (octets[0] === 0xff && octets[1] === 0xfe) ||
      (octets[0] === 0xfe && octets[1] === 0xff);
    const message = wide ? "is UTF-16; save it as UTF-8" : "has a NUL octet; wanted text in UTF-8";
    return {
      message,
      offset: wide ? -1 : new TextDecoder().decode(octets.subarray(0, nul)).length,
    };
  }
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(octets) };
  } catch {
    return { message: "is not UTF-8 here; save it as UTF-8", offset: findNonUtf8(octets) };
  }
}

/** Where the first octet is that is none of UTF-8. */
function findNonUtf8(octets: Uint8Array): number {
  // U+FFFD may also stand there by itself: as long as it is written back as it was, it does.
  const encoder = new TextEncoder();
  const text = new TextDecoder().decode(octets);
  const start = octets.length >= 3 && octets[0] === 0xef && octets[1] === 0xbb ? 3 : 0;
  let at = start;
  let offset = 0;
  for (const part of text.split(/(?<=\n)/)) {
    const line = encoder.encode(part);
    const same = line.every((octet, index) => octets[at + index] === octet);
    if (!same) {
      const column = part.split("").findIndex((char, index) =>
        char === "\ufffd" && !matches(octets, at, encoder.encode(part.slice(0, index + 1)))
      );
      return offset + Math.max(0, column);
    }
    at += line.length;
    offset += part.length;
  }
  return offset;
}

function matches(octets: Uint8Array, at: number, wanted: Uint8Array): boolean {
  return wanted.every((octet, index) => octets[at + index] === octet);
}

/** What keeps a text from being parsed, or `null`. */
export function guardText(text: string): TextFault | null {
  const glance = new Glance();
  for (const token of new yaml.Lexer().lex(text)) {
    const message = glance.take(token);
    if (message !== null) return { message, offset: glance.offset };
  }
  return null;
}

const TOO_DEEP = "is nested too deeply for a configuration";

/** What is counted on the way. */
class Glance {
  offset = 0;
  #tokens = 0;
  #brackets = 0;
  /** Marks of block collections on this line, each of which opens one. */
  #marks = 0;
  #lineStart = true;
  #scalar = false;

  take(token: string): string | null {
    this.#tokens += 1;
    if (this.#tokens > MAX_TOKENS) {
      return "has more words and marks up to here than any configuration needs";
    }
    // The lexer's own marks: of a scalar (the next token is its text), a document, the end of a flow.
    const own = token === "\x1f" || token === "\x02" || token === "\x18";
    const fault = own || this.#scalar ? null : this.#measure(token);
    this.#scalar = token === "\x1f";
    if (fault === null && !own) this.offset += token.length;
    return fault;
  }

  #measure(token: string): string | null {
    if (token === "\n" || token === "\r\n") {
      this.#marks = 0;
      this.#lineStart = true;
      return null;
    }
    const indent = this.#lineStart && /^ +$/.test(token) ? token.length : 0;
    this.#lineStart = false;
    if (token === "[" || token === "{") this.#brackets += 1;
    else if (token === "]" || token === "}") this.#brackets = Math.max(0, this.#brackets - 1);
    else if (this.#brackets === 0 && /^[-?:]$/.test(token)) this.#marks += 1;
    const deep = this.#brackets > MAX_DEPTH || this.#marks > MAX_DEPTH;
    if (deep) return TOO_DEEP;
    // Far to the right is deep only where a block continues, but nobody indents a value so far either.
    return this.#brackets === 0 && indent > MAX_INDENT ? TOO_DEEP : null;
  }
}
