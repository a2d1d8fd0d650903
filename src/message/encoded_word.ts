/**
 * Encoded words (RFC 2047): a Subject made readable for a log. For showing, and to learn what others may show; what a
 * text means is never read off it.
 *
 * @module
 */

/** Text beyond this is not looked at where nothing is said: a log line needs no more. */
const LONGEST = 4096;

// Bounded repeats, and none that overlaps its neighbour: the match is linear whatever the text.
const ENCODED_WORD =
  /=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{0,20})?\?([BbQq])\?([!->@-~]{0,1000})\?=/g;

/**
 * Decodes the encoded words of an unstructured value; white space between two of them vanishes
 * (RFC 2047 §6.2). A word in an unknown character set stays as it is. Control characters, which may
 * have been encoded too, become spaces.
 *
 * @param longest characters that are looked at; the time taken is linear.
 *
 * @example
 * ```ts
 * import { decodeEncodedWords } from "./encoded_word.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decodeEncodedWords("=?ISO-8859-1?Q?Andr=E9?= Pirard"), "André Pirard");
 * ```
 */
export function decodeEncodedWords(text: string, longest = LONGEST): string {
  const start = text.slice(0, longest);
  let decoded = "";
  let at = 0;
  let run: Run | null = null;
  for (const match of start.matchAll(ENCODED_WORD)) {
    const [word, charset = "", encoding = "", payload = ""] = match;
    const between = start.slice(at, match.index);
    at = match.index + word.length;
    const octets = encoding.toUpperCase() === "B" ? decodeB(payload) : decodeQ(payload);
    const joins: boolean = run !== null && /^[ \t]*$/.test(between);
    // A character cut in two by a word's end is common: words of one charset are decoded as one.
    if (joins && run !== null && run.charset === charset.toLowerCase()) {
      run.octets.push(...octets);
      run.words += between + word;
      continue;
    }
    decoded += finish(run) + (joins ? "" : between);
    run = { charset: charset.toLowerCase(), octets: [...octets], words: word };
  }
  decoded += finish(run) + start.slice(at);
  return decoded.replace(/\p{Cc}/gu, " ");
}

/** Encoded words that follow one another in one character set. */
interface Run {
  readonly charset: string;
  readonly octets: number[];
  /** As they stood. */
  words: string;
}

function finish(run: Run | null): string {
  if (run === null) return "";
  try {
    return new TextDecoder(run.charset).decode(Uint8Array.from(run.octets));
  } catch {
    return run.words; // no such character set here
  }
}

function decodeB(text: string): Uint8Array {
  try {
    const binary = atob(text.replace(/[^A-Za-z0-9+/]/g, ""));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

function decodeQ(text: string): Uint8Array {
  const binary = text.replaceAll("_", " ").replace(
    /=([0-9A-Fa-f]{2})/g,
    (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
