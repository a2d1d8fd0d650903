/**
 * A configuration as YAML that reads as the same configuration, and all defaults with what each key
 * means. Pure.
 *
 * @module
 */

import { wrapWords } from "../observe/visible_text.ts";
import { yaml, z } from "./packages.ts";
import { configSchema, type WrittenConfig } from "./schema.ts";
import {
  choicesOf,
  definitionOf,
  describeSchema,
  exampleOf,
  shapeOf,
  unwrap,
} from "./schema_walk.ts";

/** As it is written: durations, sizes and addresses as texts. */
export function encodeConfig(written: WrittenConfig): unknown {
  return z.encode(configSchema, written);
}

/** The whole configuration, defaults too, as YAML. */
export function formatConfig(written: WrittenConfig): string {
  return toYaml(encodeConfig(written));
}

function toYaml(value: unknown): string {
  return yaml.stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/**
 * Every key with its default and its meaning, as YAML. Keys without a default are commented out, with an
 * example; of a list, what one in it may be.
 */
export function formatDefaults(): string {
  const lines = [
    "# Every key of a configuration with its default. What begins with # has none: it shows an example.",
    "# Durations are 500ms, 30s, 6m, 4h, 5d; sizes 500K, 50M, 1G (of 1,024).",
  ];
  for (const [key, schema] of Object.entries(shapeOf(configSchema)!)) {
    lines.push("", ...formatKey(key, schema, ""));
  }
  return `${lines.join("\n")}\n`;
}

function formatKey(key: string, schema: z.core.$ZodType, indent: string): string[] {
  const { optional, default: given } = unwrap(schema);
  const comment = wrapWords(describeSchema(schema), 96 - indent.length).map((line) =>
    `${indent}# ${line}`
  );
  const shape = shapeOf(schema);
  // A section is made of its keys; one without a default is only an example.
  if (shape !== null && given !== undefined) {
    const below = Object.entries(shape).flatMap(([name, inner]) =>
      formatKey(name, inner, `${indent}  `)
    );
    // A section with nothing in it is none.
    if (below.every((line) => /^ *#/.test(line))) {
      return [...comment, `${indent}# ${key}:`, ...below.map((line) => `# ${line}`)];
    }
    return [...comment, `${indent}${key}:`, ...below];
  }
  const example = formatExample(schema).map((line) => `${indent}#   ${line}`);
  if (given !== undefined) {
    return [...comment, `${indent}${toYaml({ [key]: given }).trimEnd()}`, ...example];
  }
  const must = optional ? "" : " (must be given)";
  const text = exampleOf(schema);
  const value = text === undefined ? "" : ` ${toYaml(text).trimEnd()}`;
  return [...comment, `${indent}# ${key}:${value}${must === "" ? "" : ` #${must}`}`, ...example];
}

/** What one in a list or table, or an optional section, is made of. */
function formatExample(schema: z.core.$ZodType): string[] {
  const { element, keyType, valueType }: ReturnType<typeof definitionOf> = definitionOf(
    unwrap(schema).schema,
  );
  const inner = element ?? valueType;
  if (inner === undefined) {
    return Object.entries(shapeOf(schema) ?? {}).map(([key, below]) =>
      `${key}: ${formatWanted(below)}`
    );
  }
  const choices = choicesOf(inner);
  if (element !== undefined && choices !== null) {
    return [...choices.kinds].flatMap(([kind, option]) => [
      `- ${choices.by}: ${kind}`,
      ...Object.entries(shapeOf(option)!).filter(([name]) => name !== choices.by)
        .map(([name, below]) => `  ${name}: ${formatWanted(below)}`),
    ]);
  }
  const shape = shapeOf(inner);
  if (shape === null) return [];
  const name = keyType === undefined ? undefined : exampleOf(keyType);
  const [first, rest] = element === undefined ? [`${name ?? "example.org"}:`, "  "] : ["-", "  "];
  const lines = Object.entries(shape).flatMap(([key, below]) => formatInner(key, below));
  return valueType === undefined
    ? lines.map((line, index) => `${index === 0 ? `${first} ` : rest}${line}`)
    : [first, ...lines.map((line) => `${rest}${line}`)];
}

function formatInner(key: string, schema: z.core.$ZodType): string[] {
  const choices = choicesOf(schema);
  if (choices === null) return [`${key}: ${formatWanted(schema)}`];
  return [...choices.kinds].flatMap(([kind, option]) => [
    `${key}: {${choices.by}: ${kind}, …} with`,
    ...Object.entries(shapeOf(option)!).filter(([name]) => name !== choices.by)
      .map(([name, below]) => `  ${name}: ${formatWanted(below)}`),
  ]);
}

/** What may stand there, in a word or two: the default, an example, the names. */
export function formatWanted(schema: z.core.$ZodType): string {
  const { schema: inner, default: given } = unwrap(schema);
  if (given !== undefined) return JSON.stringify(given);
  const { type, entries }: ReturnType<typeof definitionOf> = definitionOf(inner);
  if (entries !== undefined) return Object.values(entries).join(" | ");
  const example = exampleOf(schema);
  if (example !== undefined) return String(example);
  return { boolean: "true | false", array: "[…]", object: "{…}", union: "…" }[type] ?? "…";
}
