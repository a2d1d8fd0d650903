/**
 * Text for terminals: what strangers chose, made harmless, and sizes and times for people.
 *
 * @module
 */

/**
 * Text that can do no harm on a terminal: control, format and lone surrogate characters become
 * `\u{…}`, and what is longer than `limit` characters ends in `…`.
 *
 * @example
 * ```ts
 * import { formatVisible } from "./visible_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatVisible("\x1b[2Jhi\r\n", 100), "\\u{1b}[2Jhi\\u{d}\\u{a}");
 * assertEquals(formatVisible("abcdef", 4), "abc…");
 * ```
 */
export function formatVisible(text: string, limit: number): string {
  // A character takes at most two code units: what is far too long is not walked to its end.
  const characters = [...text.slice(0, 2 * limit + 1)];
  const cut = characters.length > limit;
  const kept = cut ? characters.slice(0, limit - 1).join("") : text;
  const safe = kept.replace(UNSAFE, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
  return cut ? `${safe}…` : safe;
}

/** The first characters of a text, `limit` at most and at least 1, the last of them `…` where some are left out. */
export function cutText(text: string, limit: number): string {
  const characters = [...text];
  if (characters.length <= limit) return text;
  return `${characters.slice(0, Math.max(1, limit - 1)).join("")}…`;
}

/** JSON text in which no character can do harm on a terminal; it reads back as the same value. */
export function escapeJson(json: string): string {
  // Most of it is plain ASCII, which is faster to see than to look through for categories.
  return /^[ -~]*$/.test(json) ? json : json.replace(UNSAFE, escapeAsJson);
}

/** Octets for people: `812 B`, `1.2 KB`, `34 MB` (of 1,024). */
export function formatSize(octets: number): string {
  let value = octets;
  let unit = 0;
  while (value >= 999.5 && unit < SIZE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0);
  return `${digits} ${SIZE_UNITS[unit]}`;
}

const SIZE_UNITS = ["B", "KB", "MB", "GB", "TB"];

/**
 * Controls (C0, DEL, C1), format characters (bidirectional overrides and isolates, zero-width ones,
 * tags), lone surrogates, and the line and paragraph separators.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function escapeAsJson(character: string): string {
  let escaped = "";
  for (let i = 0; i < character.length; i++) {
    escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
  }
  return escaped;
}

/** Lines of at most so many characters, broken at blanks; a longer word gets a line of its own. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return line === "" ? lines : [...lines, line];
}

/**
 * How long something is, or has been, to the nearest of one unit: `12 s`, `5 min`, `3 h`, `2 d`. Under a minute it is
 * seconds: a wait of a few is no minute.
 *
 * @example
 * ```ts
 * import { formatSpan } from "./visible_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([40_000, 59_600, 90 * 60_000].map(formatSpan), ["40 s", "1 min", "90 min"]);
 * ```
 */
export function formatSpan(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}
