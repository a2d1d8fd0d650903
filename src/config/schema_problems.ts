/**
 * What the schema finds, in plain English: each with the key's path, what was found and what is allowed.
 * Values of keys that hold secrets are never shown.
 *
 * @module
 */

import { findPlace, type SourceNode } from "./document.ts";
import { environmentName } from "./environment.ts";
import { findNearestName } from "./nearest_name.ts";
import type { z } from "./packages.ts";
import { formatKey, type KeyPath, type Problem, quote } from "./problems.ts";
import { HIDDEN } from "./secrets.ts";
import { choicesOf, describeSchema, listKeys, schemaAt, shapeOf } from "./schema_walk.ts";

/** An issue, as zod gives it. */
type Issue = z.core.$ZodIssue;

/** A value that did not fit a schema. */
export interface Checked {
  readonly schema: z.core.$ZodType;
  readonly value: unknown;
  readonly source: SourceNode;
}

/** All problems of a value, in the order of the file. */
export function schemaProblems(issues: readonly Issue[], checked: Checked): Problem[] {
  const told = new Set<string>();
  return issues.filter((issue) => {
    // The first thing that is wrong with a value is enough: the others follow from it.
    const path = JSON.stringify(issue.path);
    const again = told.has(path);
    if (issue.code !== "unrecognized_keys") told.add(path);
    return !again || issue.code === "unrecognized_keys";
  }).flatMap((issue) => problemsOf(issue, checked));
}

function problemsOf(issue: Issue, checked: Checked): Problem[] {
  const path = issue.path.map((part) => typeof part === "symbol" ? String(part) : part);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey([...path, key], checked));
  }
  const { value, present } = lookUp(checked.value, path);
  if (!present) return [missingKey(path, checked, issue)];
  if (issue.code === "invalid_key") {
    const message = issue.issues[0]?.message ?? "is no key that can be here";
    return [problemAt(path, checked, "key", `found ${quote(String(path.at(-1)))}; ${message}`)];
  }
  // What stands in place of a password may be one: `{abc}` in YAML is a key.
  const bare = isSecret(path) && !Object.hasOwn(Object(value), "file");
  const meant = bare ? null : branchOf(issue);
  if (meant !== null) return meant.flatMap((inner) => problemsOf(inner, checked));
  const { wanted, hint } = explain(issue, value);
  const found = describeValue(value, isSecret(path));
  return [problemAt(path, checked, "value", `found ${found}; ${wanted}`, hint)];
}

/** Of several ways to write a value, the one that was begun: what is wrong is in it, not it itself. */
function branchOf(issue: Issue): Issue[] | null {
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return null;
  const begun = issue.errors.find((issues) =>
    issues.every(({ path, code }) => path.length > 0 || code === "unrecognized_keys")
  );
  return begun?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })) ?? null;
}

function problemAt(
  path: KeyPath,
  { source }: Checked,
  of: "key" | "value",
  message: string,
  hint?: string,
): Problem {
  const place = findPlace(source, path, of);
  return { ...place, key: formatKey(path), message, ...(hint !== undefined && { hint }) };
}

function lookUp(value: unknown, path: KeyPath): { value: unknown; present: boolean } {
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) {
      return { value: undefined, present: false };
    }
    value = (value as Record<string | number, unknown>)[part];
  }
  return { value, present: value !== undefined };
}

function unknownKey(path: KeyPath, checked: Checked): Problem {
  const name = String(path.at(-1));
  const above = path.slice(0, -1);
  const schema = schemaAt(checked.schema, above, checked.value);
  const allowed = Object.keys(schema === null ? {} : shapeOf(schema) ?? {});
  const nearest = findNearestName(name, allowed);
  const elsewhere = listKeys(checked.schema).find(({ path }) => path.at(-1) === name)?.path;
  const hint = nearest !== null
    ? `did you mean ${nearest}?`
    : elsewhere !== undefined
    ? `did you mean ${formatKey(elsewhere)}?`
    : allowed.length > 0
    ? `allowed are ${allowed.join(", ")}`
    : undefined;
  return problemAt(path, checked, "key", "there is no such key", hint);
}

function missingKey(path: KeyPath, checked: Checked, issue: Issue): Problem {
  const schema = schemaAt(checked.schema, path, checked.value);
  const meaning = schema === null ? "" : describeSchema(schema).split(/[;.](?: |$)/)[0]!;
  const choices = choiceOf(issue) ?? (schema === null ? null : namesOf(schema));
  const wanted = choices !== null && issue.message.startsWith("wanted")
    ? `; ${issue.message}`
    : choices === null
    ? meaning === "" ? "" : ` (${meaning})`
    : `; wanted ${listWords(choices)}`;
  // Without a file there is nowhere else to write it.
  const { line } = findPlace(checked.source, path, "key");
  const hint = line === 0 && path.every((part) => typeof part === "string")
    ? `give it as ${environmentName(path as readonly string[])}`
    : undefined;
  return problemAt(path, checked, "key", `is missing${wanted}`, hint);
}

function namesOf(schema: z.core.$ZodType): string[] | null {
  const choices = choicesOf(schema);
  return choices === null
    ? null
    : [...choices.kinds.keys()].map((kind) => `${choices.by}: ${kind}`);
}

/** The names that an issue would take. */
function choiceOf(issue: Issue): string[] | null {
  if (issue.code === "invalid_value") return issue.values.map(String);
  if (issue.code !== "invalid_union") return null;
  const { options } = issue as { options?: readonly unknown[] };
  return options === undefined ? null : options.map(String);
}

function explain(issue: Issue, value: unknown): { wanted: string; hint?: string } {
  const choices = choiceOf(issue);
  if (choices !== null) {
    const own = issue.message.startsWith("wanted");
    const wanted = own ? issue.message : `wanted ${listWords(choices)}`;
    if (typeof value !== "string") return { wanted };
    if (choices.includes(value)) return { wanted, hint: "without quotes" };
    const nearest = findNearestName(value, choices);
    return nearest === null ? { wanted } : { wanted, hint: `did you mean ${nearest}?` };
  }
  if (issue.message.startsWith("wanted")) return { wanted: issue.message };
  switch (issue.code) {
    case "invalid_type": {
      if (value === null && issue.expected === "object") {
        return { wanted: "wanted keys below it, or not this line" };
      }
      const hint = quoteHint(issue.expected, value);
      return {
        wanted: `wanted ${TYPES[issue.expected] ?? issue.expected}`,
        ...(hint !== null && { hint }),
      };
    }
    case "too_small":
      return { wanted: `wanted ${issue.minimum} or more${unitOf(issue.origin)}` };
    case "too_big": {
      const limit = issue.inclusive === false
        ? `less than ${issue.maximum}`
        : `${issue.maximum} or less`;
      return { wanted: `wanted ${limit}${unitOf(issue.origin)}` };
    }
    default:
      return { wanted: "wanted something else here" };
  }
}

function unitOf(origin: string): string {
  return origin === "string" ? " characters" : origin === "array" ? " of them" : "";
}

function quoteHint(expected: string, value: unknown): string | null {
  if (expected === "string" && (typeof value === "number" || typeof value === "boolean")) {
    return "put it in quotes";
  }
  const isNumber = typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value));
  if (/^(?:number|int)$/.test(expected) && isNumber) return "without quotes";
  if (expected === "array" && typeof value === "string") {
    return "one of a list stands in [ ] or after a -";
  }
  return null;
}

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "keys with values",
  record: "keys with values",
  array: "a list",
};

/** What was found, in a word or two. */
function describeValue(value: unknown, secret: boolean): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "keys with values";
  if (secret) return typeof value === "string" ? "text" : `a ${typeof value}`;
  return typeof value === "string" ? quote(hidePassword(value)) : String(value);
}

/** Where a host is wanted, some write `smtp://user:password@host`. */
function hidePassword(text: string): string {
  return text.replace(/^((?:\w+:\/\/)?[^\s:@/]*):.*@/s, `$1:${HIDDEN}@`);
}

/** Whether what stands there, also by a slip, may be a secret. */
function isSecret(path: KeyPath): boolean {
  return path.some((part) => /^(?:credentials|password)$|secrets?$/i.test(String(part)));
}

/** `a, b or c`. */
export function listWords(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
