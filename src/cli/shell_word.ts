/**
 * Words of command lines that are shown for people to copy.
 *
 * @module
 */

/**
 * A word as a POSIX shell wants it: in quotes where it would mean anything but itself.
 *
 * @example
 * ```ts
 * import { formatShellWord } from "./shell_word.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatShellWord("alice@example.org"), "alice@example.org");
 * assertEquals(formatShellWord("it's $HOME"), "'it'\\''s $HOME'");
 * ```
 */
export function formatShellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
