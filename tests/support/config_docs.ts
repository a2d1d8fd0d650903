/**
 * The reference of all keys, made from the schema of the configuration. Run as a program it writes
 * `docs/configuration.md`; a test holds the two together.
 *
 * @module
 */

import { environmentName } from "../../src/config/environment.ts";
import type { z } from "../../src/config/packages.ts";
import { configSchema } from "../../src/config/schema.ts";
import {
  choicesOf,
  definitionOf,
  describeSchema,
  exampleOf,
  shapeOf,
  titleOf,
  unwrap,
} from "../../src/config/schema_walk.ts";

const HEAD = `# Configuration

<!-- Made from the schema by \`deno task docs\`: edit src/config/schema.ts, not this file. -->

A server is told everything by one file, \`yizhan.yaml\`. It is looked for as \`--config FILE\`,
\`$YIZHAN_CONFIG\`, \`./yizhan.yaml\` and \`/etc/yizhan/yizhan.yaml\`. The smallest that does something:

\`\`\`yaml
hostname: mail.example.org
listeners:
  - { role: mx, address: "[::]:25" }
\`\`\`

- It is YAML 1.2: \`true\` and \`false\` are the only truth values, and text that begins with one of
  \`* & ! % @ [ { #\` or has a colon and a space in it goes in quotes.
- Durations are written \`500ms\`, \`30s\`, \`6m\`, \`4h\`, \`5d\` or \`1h30m\`; sizes \`500K\`, \`50M\`, \`1G\` (of
  1,024) or plain octets.
- Relative paths start at the folder of the file; those of \`mail.directory\`, \`queue.directory\` and
  \`drop.directory\` at \`data\`.
- A secret is the text itself, or \`{ file: PATH }\` of a file that holds nothing else, mode 0600.
- A key that is not known is an error. All errors are told at once, each with line and column.
- \`yizhan config print\` shows the configuration in force, \`yizhan config print --defaults\` every key with
  its default. \`yizhan check\` also looks at what the file speaks of: certificates, ports, folders.

## Completion in editors

\`\`\`sh
yizhan config schema > yizhan.schema.json
\`\`\`

and, as the first line of \`yizhan.yaml\`, for every editor that uses yaml-language-server:

\`\`\`yaml
# yaml-language-server: $schema=yizhan.schema.json
\`\`\`

## The environment

Each key that is not in a list or a table can be given by a variable, whose value stands in place of what
the file says: \`YIZHAN_\` and the key's path in capitals, \`__\` between levels, and \`_\` before what is a
capital letter in the key. The value is YAML, so lists and whole sections can be given too; a value with \`#\`
goes in quotes. An empty variable counts as not set.

\`\`\`sh
YIZHAN_HOSTNAME=mail.example.org
YIZHAN_QUEUE__RETRY__FIRST=10m
YIZHAN_LISTENERS='[{role: mx, address: "[::]:25"}]'
\`\`\`

Where there is no file at all, the environment can say everything, as in a container; relative paths then
start where the process runs. Variables that begin with \`YIZHAN_\` and give no key are warned of. Deno reads
only the variables that it is allowed to: \`--allow-env='YIZHAN_*'\`.

## Keys

In the tables, **must** stands for a key without which a configuration is not complete, and — for one that
may be left out and then means what its description says.
`;

/** The whole document, as Markdown. */
export function formatConfigDocs(): string {
  const lines: string[] = [HEAD];
  const shape = shapeOf(configSchema)!;
  const plain = Object.entries(shape).filter(([, schema]) => !isSection(schema));
  lines.push("### At the top", "", ...formatTable(plain, []), "");
  for (const [key, schema] of Object.entries(shape)) {
    if (isSection(schema) || hasInner(schema)) lines.push(...formatSection([key], schema));
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

type Key = readonly [string, z.core.$ZodType];

/** Whether it is keys of a certain kind, and so has a table of its own. */
function isSection(schema: z.core.$ZodType): boolean {
  return shapeOf(schema) !== null;
}

/** The schema of what is in a list or table, where that has keys. */
function innerOf(schema: z.core.$ZodType): z.core.$ZodType | null {
  const { element, valueType }: ReturnType<typeof definitionOf> = definitionOf(
    unwrap(schema).schema,
  );
  const inner = element ?? valueType ?? null;
  return inner !== null && (shapeOf(inner) !== null || choicesOf(inner) !== null) ? inner : null;
}

function hasInner(schema: z.core.$ZodType): boolean {
  return innerOf(schema) !== null || choicesOf(schema) !== null;
}

function formatSection(path: readonly string[], schema: z.core.$ZodType): string[] {
  const inner = innerOf(schema);
  if (inner === null) return formatBelow(path, schema, schema);
  const { keyType }: ReturnType<typeof definitionOf> = definitionOf(unwrap(schema).schema);
  const isOfAccounts = keyType !== undefined && `${exampleOf(keyType)}`.includes("@");
  const index = keyType === undefined ? "" : isOfAccounts ? "ACCOUNT" : "DOMAIN";
  const each = `${path.at(-1)}[${index}]`;
  return formatBelow([...path.slice(0, -1), each], inner, schema);
}

/** What is in a section, or in each of a list or table. */
function formatBelow(
  path: readonly string[],
  schema: z.core.$ZodType,
  described: z.core.$ZodType,
): string[] {
  const choices = choicesOf(schema);
  if (choices === null) return formatKeys(path, schema, described);
  const below = new Map<string, z.core.$ZodType>();
  const tables = [...choices.kinds].flatMap(([kind, option]) => {
    const shape = shapeOf(option)!;
    const keys = Object.entries(shape).filter(([name]) => name !== choices.by);
    // Several ways have them alike.
    for (const [name, inner] of keys) if (isSection(inner)) below.set(name, inner);
    const meaning = escape(describeSchema(shape[choices.by]!));
    return [`\`${choices.by}: ${kind}\`: ${meaning}.`, "", ...formatTable(keys, null), ""];
  });
  return [
    ...formatHeading(path, described),
    ...tables,
    ...[...below].flatMap(([name, inner]) => formatSection([...path, name], inner)),
  ];
}

function formatKeys(
  path: readonly string[],
  schema: z.core.$ZodType,
  described: z.core.$ZodType,
): string[] {
  const keys: Key[] = Object.entries(shapeOf(schema)!);
  const inList = path.some((key) => /[[\].]/.test(key));
  return [
    ...formatHeading(path, described),
    ...formatTable(keys.filter(([, below]) => !isSection(below) || inList), inList ? null : path),
    "",
    ...keys.filter(([, below]) => isSection(below) || hasInner(below))
      .flatMap(([name, below]) => formatSection([...path, name], below)),
  ];
}

const told = (path: readonly string[]) => path.join(".");

function formatHeading(path: readonly string[], schema: z.core.$ZodType): string[] {
  const meaning = describeSchema(schema);
  return [`### \`${told(path)}\``, "", ...(meaning === "" ? [] : [`${escape(meaning)}.`, ""])];
}

/** @param path of what they are in; `null` below a list, where no variable reaches. */
function formatTable(keys: readonly Key[], path: readonly string[] | null): string[] {
  const rows = keys.map(([name, schema]) => [
    `\`${name}\``,
    formatKind(schema),
    formatDefault(schema),
    escape(describeSchema(schema)) +
    (path === null || name === "version" ? "" : ` <br>\`${environmentName([...path, name])}\``),
  ]);
  const head = ["key", "is", "default", "meaning"];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

function formatDefault(schema: z.core.$ZodType): string {
  const { optional, default: given } = unwrap(schema);
  if (given !== undefined) {
    return `\`${typeof given === "string" ? given : JSON.stringify(given)}\``;
  }
  return optional ? "—" : "**must**";
}

function formatKind(schema: z.core.$ZodType): string {
  const { nullable } = unwrap(schema);
  return `${kindOf(schema)}${nullable ? ", `null`" : ""}`;
}

function kindOf(schema: z.core.$ZodType): string {
  const { schema: inner } = unwrap(schema);
  const { type, entries, values, element } = definitionOf(inner);
  if (choicesOf(inner) !== null) return "see below";
  const names = entries === undefined ? values : Object.values(entries);
  if (names !== undefined) return names.map((one) => `\`${one}\``).join(", ");
  if (type === "array") return innerOf(inner) !== null ? "list" : `list of ${kindOf(element!)}`;
  if (type === "boolean") return "`true`, `false`";
  const title = titleOf(schema);
  if (title !== "") return title;
  return { record: "table", object: "keys", number: "number" }[type] ?? "text";
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("*", "\\*").replaceAll("[", "\\[")
    .replaceAll("<", "&lt;");
}

if (import.meta.main) {
  await Deno.writeTextFile(
    new URL("../../docs/configuration.md", import.meta.url),
    formatConfigDocs(),
  );
}
