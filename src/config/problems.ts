/**
 * What is wrong with a configuration: always all of it at once, each with its place, so that one look at
 * the file mends everything.
 *
 * @module
 */

import { formatVisible } from "../observe/visible_text.ts";

/** The way to a value: names of keys and places in lists, from 0. */
export type KeyPath = readonly (string | number)[];

/** Something wrong, or doubtful, in a configuration. */
export interface Problem {
  /** The file, or the environment variable. */
  readonly file: string;
  /** From 1; 0 where there is no line: in a variable, or when the file itself could not be read. */
  readonly line: number;
  /** In characters, from 1; 0 as {@link line}. */
  readonly column: number;
  /** The key's path as {@link formatKey} writes it; `""` for the whole. */
  readonly key: string;
  /** What was found and what is allowed, one line without the place. */
  readonly message: string;
  /** What was probably meant, or what to do. */
  readonly hint?: string;
}

/** A configuration that cannot be used. */
export class ConfigError extends Error {
  /** In the order of the file. */
  readonly problems: readonly Problem[];

  /** @param problems at least one. */
  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/**
 * A problem as a line: `FILE:LINE:COLUMN: KEY: MESSAGE; HINT`. It can do no harm on a terminal.
 *
 * @example
 * ```ts
 * import { formatProblem } from "./problems.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const problem = { file: "yizhan.yaml", line: 3, column: 1, key: "hostnam", message: "no such key" };
 * assertEquals(
 *   formatProblem({ ...problem, hint: "did you mean hostname?" }),
 *   "yizhan.yaml:3:1: hostnam: no such key; did you mean hostname?",
 * );
 * ```
 */
export function formatProblem({ file, line, column, key, message, hint }: Problem): string {
  const parts = [
    line === 0 ? file : `${file}:${line}:${column}`,
    ...(key === "" ? [] : [key]),
    hint === undefined ? message : `${message}; ${hint}`,
  ];
  return formatVisible(parts.join(": "), 2000);
}

/**
 * A key's path as people write it.
 *
 * @example
 * ```ts
 * import { formatKey } from "./problems.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatKey(["relay", "routes", 0, "via", "port"]), "relay.routes[0].via.port");
 * assertEquals(formatKey(["queue", "retryDomains", ".example.org"]), 'queue.retryDomains[".example.org"]');
 * ```
 */
export function formatKey(path: KeyPath): string {
  return path.map((part, index) => {
    if (typeof part === "number") return `[${part}]`;
    if (!/^[\p{L}\p{N}_-]{1,60}$/u.test(part)) return `[${quote(part)}]`;
    return index === 0 ? part : `.${part}`;
  }).join("");
}

/** Text in double quotes, in one line and not too long. */
export function quote(text: string): string {
  return `"${formatVisible(text, 60)}"`;
}
