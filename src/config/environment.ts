/**
 * Keys given by the environment: `YIZHAN_` and the key's path in capitals, `__` between levels, so that
 * `YIZHAN_QUEUE__RETRY__FIRST=10m` is `queue.retry.first`. The value is YAML, so that lists and sections
 * can be given too: `YIZHAN_LISTENERS='[{role: mx, address: "[::]:25"}]'`. What a variable says stands in
 * place of what the file says; an empty one says nothing.
 *
 * @module
 */

import { readDocument, type SourceNode } from "./document.ts";
import { hintNearestName } from "./nearest_name.ts";
import { yaml } from "./packages.ts";
import type { Problem } from "./problems.ts";
import { configSchema } from "./schema.ts";
import { listKeys } from "./schema_walk.ts";
import { MAX_OCTETS } from "./text_guard.ts";

/** A key that a variable can give. */
export interface EnvironmentKey {
  readonly name: string;
  readonly path: readonly string[];
}

/** A value with its places, as {@link readDocument} gives it. */
export interface Sourced {
  readonly value: unknown;
  readonly source: SourceNode;
}

const PREFIX = "YIZHAN_";

/** Variables that are no keys: where the file is, and one that images like to have. */
const OTHERS = ["YIZHAN_CONFIG", "YIZHAN_VERSION"];

/** All of them, sections before what is in them. */
export const ENVIRONMENT_KEYS: readonly EnvironmentKey[] = listKeys(configSchema)
  // The version is that of a file.
  .filter(({ path }) => path[0] !== "version")
  .map(({ path }) => ({ name: environmentName(path), path }))
  .sort((a, b) => a.path.length - b.path.length);

/**
 * The variable of a key.
 *
 * @example
 * ```ts
 * import { environmentName } from "./environment.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(environmentName(["limits", "messageSize"]), "YIZHAN_LIMITS__MESSAGE_SIZE");
 * ```
 */
export function environmentName(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return PREFIX + words.join("__");
}

/** Whether any key is given by the environment. */
export function hasEnvironment(environment: (name: string) => string | undefined): boolean {
  return ENVIRONMENT_KEYS.some(({ name }) => (environment(name) ?? "") !== "");
}

/** What the variables say, put in place of what the file says. */
export function applyEnvironment(
  base: Sourced,
  environment: (name: string) => string | undefined,
): Sourced & { readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const root = { value: base.value, source: base.source };
  for (const { name, path } of ENVIRONMENT_KEYS) {
    const text = environment(name) ?? "";
    if (text === "") continue;
    const read = readVariable(name, text);
    problems.push(...read.problems);
    if (read.problems.length === 0) put(root, path, read);
  }
  return { ...root, problems };
}

function readVariable(name: string, text: string): Sourced & { problems: readonly Problem[] } {
  const place = { file: name, line: 0, column: 0 };
  const bare = (source: SourceNode): SourceNode => ({
    place,
    keyPlace: place,
    children: new Map([...source.children].map(([key, child]) => [key, bare(child)])),
  });
  // A YAML comment would silently cut a password in two.
  const comment = text.length > MAX_OCTETS
    ? "is longer than 1 MiB"
    : hasComment(text)
    ? "has a # that begins a comment in YAML; put the value in quotes"
    : null;
  const { value, source, problems } = comment === null
    ? readDocument(text, name)
    : { value: null, source: readDocument("", name).source, problems: [{ message: comment }] };
  return {
    value: value ?? null,
    source: bare(source),
    problems: problems.map(({ message }) => ({ ...place, key: "", message })),
  };
}

function hasComment(text: string): boolean {
  let scalar = false;
  for (const token of new yaml.Lexer().lex(text)) {
    if (!scalar && token.startsWith("#")) return true;
    scalar = token === "\x1f";
  }
  return false;
}

/** Sections that are missing, or have nothing in them, are made; one that is something else stays. */
function put(
  root: { value: unknown; source: SourceNode },
  path: readonly string[],
  given: Sourced,
) {
  root.value ??= {};
  let value = root.value;
  let source = root.source;
  for (const [index, key] of path.entries()) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return;
    const table = value as Record<string, unknown>;
    if (index === path.length - 1) {
      table[key] = given.value;
      source.children.set(key, given.source);
      return;
    }
    table[key] ??= {};
    if (!source.children.has(key)) {
      source.children.set(key, { ...given.source, children: new Map() });
    }
    value = table[key];
    source = source.children.get(key)!;
  }
}

/** Variables that look like keys and are none: a warning each, not an error, since others may use them. */
export function findUnknownVariables(names: readonly string[] | null): Problem[] {
  const known = [...ENVIRONMENT_KEYS.map(({ name }) => name), ...OTHERS];
  return (names ?? [])
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((name) => {
      const hint = hintNearestName(name, known).replace(/^; /, "");
      const message = "gives no key of the configuration";
      return { file: name, line: 0, column: 0, key: "", message, ...(hint !== "" && { hint }) };
    });
}
