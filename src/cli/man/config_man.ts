/**
 * The manual page of the configuration, `yizhan.yaml(5)`: every key with its meaning and default, from the schema.
 * Pure.
 *
 * @module
 */

import { configSchema } from "../../config/schema.ts";
import {
  choicesOf,
  definitionOf,
  describeSchema,
  exampleOf,
  shapeOf,
  unwrap,
} from "../../config/schema_walk.ts";
import type { Edition } from "./command_man.ts";
import { ManPage } from "./roff.ts";

type Schema = Parameters<typeof shapeOf>[0];

/** The page, as man(7) source. */
export function formatConfigMan({ source, date }: Edition): string {
  const summary = "the configuration of the mail server yizhan";
  const man = new ManPage({ name: "yizhan.yaml", section: 5, date, source, summary });
  man.section("Description");
  man.paragraph(
    "One file in YAML says all that the server is told. It is the one that --config names, else the " +
      "one that YIZHAN_CONFIG in the environment names, else yizhan.yaml in the current folder, else " +
      "/etc/yizhan/yizhan.yaml. A key that is not known is an error, and so is a value of the wrong kind: all " +
      "errors are told at once, each with its place.",
  );
  man.paragraph(
    "Durations are written 500ms, 30s, 6m, 4h, 5d; sizes 500K, 50M, 1G (of 1,024); addresses to listen on " +
      "192.0.2.1:25, [::]:25 or unix:PATH. Relative paths are relative to the folder of the file, those of " +
      "mail.directory, queue.directory and drop.directory to data. A secret is the text itself, or file: PATH of " +
      "a file that holds nothing else.",
  );
  man.paragraph(
    "What the environment says comes before what the file says: YIZHAN_ and the key in capitals, with __ " +
      "between levels and _ before what is a capital letter in the key, such as YIZHAN_STOP__GRACE or " +
      "YIZHAN_LIMITS__MESSAGE_SIZE. The value is YAML.",
  );
  man.section("Keys");
  for (const [key, schema] of Object.entries(shapeOf(configSchema)!)) writeKey(man, key, schema);
  man.section("Examples").example(EXAMPLE);
  man.section("See also");
  const pages = ["yizhan-config", "yizhan-check", "yizhan-init", "yizhan-serve"];
  return man.line(pages.flatMap((name, at) => [at === 0 ? "" : ", ", { bold: name }, "(1)"])).text;
}

const EXAMPLE = [
  "hostname: mail.example.org",
  "listeners:",
  '  - { role: mx, address: "[::]:25" }',
  '  - { role: submissions, address: "[::]:465" }',
  "tls:",
  "  certificates:",
  "    - { certificate: tls/cert.pem, key: tls/key.pem }",
];

/** A key, and those below it. */
function writeKey(man: ManPage, path: string, schema: Schema): void {
  man.item([{ bold: path }], describeKey(schema));
  const { schema: inner } = unwrap(schema);
  const { element, valueType }: ReturnType<typeof definitionOf> = definitionOf(inner);
  const choices = choicesOf(inner);
  // A choice within a choice has the kinds that were described already.
  if (choices !== null) return path.endsWith(".via") ? writeChoices(man, path, choices) : undefined;
  if (element !== undefined) return writeShape(man, `${path}[]`, element);
  if (valueType !== undefined) return writeShape(man, `${path}.NAME`, valueType);
  writeShape(man, path, inner);
}

function writeShape(man: ManPage, path: string, schema: Schema): void {
  for (const [key, below] of Object.entries(shapeOf(schema) ?? {})) {
    writeKey(man, `${path}.${key}`, below);
  }
}

function writeChoices(
  man: ManPage,
  path: string,
  { by, kinds }: NonNullable<ReturnType<typeof choicesOf>>,
): void {
  const described = new Map<string, string>();
  const isKnown = ([key, below]: [string, Schema]) => described.get(key) === describeKey(below);
  for (const [kind, option] of kinds) {
    const keys = Object.entries(shapeOf(option)!);
    const [, own] = keys.find(([key]) => key === by)!;
    const others = keys.filter(([key]) => key !== by);
    const known = others.filter(isKnown).map(([key]) => key);
    const also = known.length === 0 ? "" : ` As above: ${known.join(", ")}.`;
    man.item([{ bold: `${path}.${by}: ${kind}` }], `${sentence(describeSchema(own))}${also}`);
    for (const [key, below] of others.filter((one) => !isKnown(one))) {
      described.set(key, describeKey(below));
      writeKey(man, `${path}.${key}`, below);
    }
  }
}

/** What it means, what it may be, and what holds where it is not given. */
function describeKey(schema: Schema): string {
  const { schema: inner, optional, nullable, default: given } = unwrap(schema);
  const { entries }: ReturnType<typeof definitionOf> = definitionOf(inner);
  const text = describeSchema(schema);
  const parts = [sentence(text)];
  if (entries !== undefined) parts.push(`One of ${Object.values(entries).join(", ")}.`);
  if (given !== undefined) {
    if (!text.includes("default")) parts.push(describeDefault(given));
  } else if (!optional) parts.push("Must be given.");
  else if (exampleOf(schema) !== undefined) parts.push(`Such as ${exampleOf(schema)}.`);
  if (nullable && !text.includes("null")) parts.push("null is allowed.");
  return parts.filter((part) => part !== "").join(" ");
}

function describeDefault(given: unknown): string {
  if (Array.isArray(given) && given.length === 0) return "Default: none.";
  // Of a section each key has its own.
  if (typeof given === "object" && given !== null && !Array.isArray(given)) {
    return "kind" in given ? `Default ${JSON.stringify(given)}.` : "";
  }
  if (typeof given === "number") return `Default ${Number(given.toPrecision(6))}.`;
  return `Default ${typeof given === "string" ? given : JSON.stringify(given)}.`;
}

function sentence(text: string): string {
  return text === "" || text.endsWith(".") ? text : `${text}.`;
}
