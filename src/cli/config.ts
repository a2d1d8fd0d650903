/**
 * `yizhan config`: the configuration in force, all defaults, and the schema for editors.
 *
 * @module
 */

import { configJsonSchema } from "../config/json_schema.ts";
import { findNearestName } from "../config/nearest_name.ts";
import { encodeConfig, formatConfig, formatDefaults } from "../config/print.ts";
import { formatProblem } from "../config/problems.ts";
import { configSchema } from "../config/schema.ts";
import { hideSecrets } from "../config/secrets.ts";
import { listKeys, unwrap } from "../config/schema_walk.ts";
import { escapeJson } from "../observe/visible_text.ts";
import type { Command, CommandLine } from "./command.ts";
import { CONFIG_FLAG, readConfigFor } from "./config_file.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { StandardOutput } from "./standard_output.ts";
import { warn } from "./terminal.ts";

const VERBS = ["print", "schema"] as const;

/** The command. */
export const config: Command = {
  name: "config",
  usage: "print|schema [--config FILE] [--defaults] [--json]",
  description: [
    "print shows the configuration in force: the file, with what the environment says in place of it, and",
    "every default. Secrets are shown as ***, those in files by the name of the file. With --defaults it",
    "shows every key there is with its default and its meaning; no file is needed.",
    "",
    "schema prints the JSON Schema for editors. With yaml-language-server, put the first line into the",
    "configuration: # yaml-language-server: $schema=yizhan.schema.json",
    "",
    "The environment: YIZHAN_ and the key's path in capitals, with __ between levels and _ before what is",
    "a capital letter in the key. The value is YAML. Without a file, the environment can say all.",
    "",
    "Whether certificates, ports and folders are as they should be, yizhan check tells.",
    "",
    "Exit codes: 0 printed, 66 no configuration, 78 it is wrong.",
  ].join("\n"),
  flags: {
    ...CONFIG_FLAG,
    defaults: { help: "Every key with its default and its meaning" },
    json: { help: "Print JSON" },
  },
  examples: [
    "config print",
    "config print --defaults > yizhan.example.yaml",
    "config schema > yizhan.schema.json",
  ],
  run: runConfig,
};

async function runConfig(line: CommandLine): Promise<ExitCode> {
  const verb = readVerb(line);
  const output = new StandardOutput();
  try {
    output.print(verb === "schema" ? toJson(configJsonSchema()) : await textOf(line));
  } catch (error) {
    if (!output.gone) throw error;
  }
  return EXIT.ok;
}

function readVerb({ operands, has }: CommandLine): typeof VERBS[number] {
  const [given, ...rest] = operands;
  const verb = VERBS.find((one) => one === given);
  if (verb === undefined) {
    const nearest = given === undefined ? null : findNearestName(given, VERBS);
    const hint = nearest === null ? "" : `; did you mean ${nearest}?`;
    const found = given === undefined ? "" : `, not ${given}`;
    throw new UsageError(`config wants ${VERBS.join(" or ")}${found}${hint}`);
  }
  if (rest.length > 0) throw new UsageError(`config ${verb} takes flags only, not ${rest[0]}`);
  const contrary = ["config", "defaults", "json"].find((flag) => has(flag));
  if (verb === "schema" && contrary !== undefined) {
    throw new UsageError(`config schema takes no --${contrary}`);
  }
  if (has("defaults") && has("config")) {
    throw new UsageError("config print --defaults reads no file; leave out --config");
  }
  return verb;
}

async function textOf(line: CommandLine): Promise<string> {
  if (line.has("defaults")) {
    return line.has("json") ? toJson(defaults()) : formatDefaults().trimEnd();
  }
  const { written, warnings } = await readConfigFor(line);
  for (const warning of warnings) warn(formatProblem(warning));
  const shown = hideSecrets(written);
  return line.has("json") ? toJson(encodeConfig(shown)) : formatConfig(shown).trimEnd();
}

/** By the key's path; a key without a default is not there. */
function defaults(): Record<string, unknown> {
  const keys = listKeys(configSchema).map(({ path, schema }) =>
    [path.join("."), unwrap(schema).default] as const
  );
  const sections = new Set(keys.map(([path]) => path.replace(/\.?\w+$/, "")));
  return Object.fromEntries(
    keys.filter(([path, given]) => given !== undefined && !sections.has(path)),
  );
}

function toJson(value: unknown): string {
  return JSON.stringify(value, null, 2).split("\n").map(escapeJson).join("\n");
}
