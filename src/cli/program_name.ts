/**
 * The name that the program was called by: `sendmail`, `mailq` and `newaliases` may be links to it.
 *
 * @module
 */

/** The names, and the words they stand for. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  sendmail: ["sendmail"],
  mailq: ["sendmail", "-bp"],
  newaliases: ["sendmail", "-bi"],
};

/**
 * The command line with what the program's name stands for.
 *
 * @param argv0 the name as it was called, with or without a path.
 *
 * @example
 * ```ts
 * import { wordsFor } from "./program_name.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(wordsFor("/usr/sbin/sendmail", ["-t"]), ["sendmail", "-t"]);
 * assertEquals(wordsFor("yizhan", ["serve"]), ["serve"]);
 * ```
 */
export function wordsFor(argv0: string, words: readonly string[]): readonly string[] {
  const name = argv0.slice(argv0.lastIndexOf("/") + 1);
  return Object.hasOwn(NAMES, name) ? [...NAMES[name]!, ...words] : words;
}
