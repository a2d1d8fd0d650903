/**
 * The configuration, from text to what the program goes by: read, overridden by the environment, checked,
 * with its secrets and certificates read from their files. Whatever is wrong is told at once, with its
 * place.
 *
 * What touches the machine is given as {@link ConfigMachine}; so the same configuration can be read in a
 * test.
 *
 * @module
 */

import { errorCode } from "../runtime/system_error.ts";
import type { TlsCertificate } from "../runtime/tls.ts";
import { checkListeners } from "./check_listeners.ts";
import { checkControlSocket, checkFolders, checkRetry } from "./check_queue.ts";
import { checkRelay } from "./check_relay.ts";
import { checkWeb } from "./check_web.ts";
import { findPlace, placeIn, readDocument, type SourceNode } from "./document.ts";
import { applyEnvironment, findUnknownVariables } from "./environment.ts";
import { type ConfigMachine, describeReadError } from "./machine.ts";
import { z } from "./packages.ts";
import { type Finding, type Parts, takeApart } from "./parts.ts";
import { type ConfigPaths, folderOf, type PathKeys, resolveAll, resolvePaths } from "./paths.ts";
import { ConfigError, formatKey, type KeyPath, type Problem } from "./problems.ts";
import { readReferences } from "./references.ts";
import { type Config, configSchema, type WrittenConfig } from "./schema.ts";
import { schemaProblems } from "./schema_problems.ts";
import { withSecrets } from "./secrets.ts";
import { decodeText, MAX_OCTETS, TOO_LONG } from "./text_guard.ts";

/** What {@link ReadConfig.file} is where there is no file. */
export const ENVIRONMENT = "the environment";

/** Problems told at most. */
const MAX_PROBLEMS = 100;

/** A configuration whose text is right. The files that it names were not looked at. */
export interface ReadConfig {
  /** As it was written, with what the environment overrides: paths and secrets as they stand there. */
  readonly written: WrittenConfig;
  /** The file; {@link ENVIRONMENT} where there is none. */
  readonly file: string;
  readonly paths: ConfigPaths;
  /** What can be used but should not be so. */
  readonly warnings: readonly Problem[];
  /** Where a key stands (or the nearest key above it that is there), for problems found later. */
  at(key: KeyPath, message: string, hint?: string): Problem;
}

/** A configuration that can be used. */
export interface LoadedConfig extends ReadConfig {
  /** Ready for use: every path in it, also of a unix socket, is resolved, and secrets are texts. */
  readonly config: Config;
  /** The certificates and keys of `config.tls.certificates`, in order, checked. */
  readonly certificates: readonly TlsCertificate[];
  /** PEM texts by path, for every path in the `authorities` of a route. */
  readonly authorities: ReadonlyMap<string, string>;
  /** Paths of the files that secrets are in. */
  readonly secretFiles: readonly string[];
}

/**
 * Reads and checks a configuration and the files with secrets, certificates and authorities that it
 * names.
 *
 * @param file its path; `null`: there is only the environment, and paths are relative to the process.
 * @throws {ConfigError} with all problems.
 */
export async function loadConfig(
  file: string | null,
  machine: ConfigMachine,
): Promise<LoadedConfig> {
  const text = await readText(file, machine);
  const { written, problems, warnings, parts } = check(text, machine);
  const folder = folderOf(file);
  const references = await readReferences(parts, folder, machine);
  const findings = [...checkControlSocket(parts, folder), ...references.findings];
  const all = [...problems, ...asProblems(findings, text.source, false)];
  if (written === null || all.length > 0) throw new ConfigError(inOrder(all));
  const config = withSecrets(resolveAll(written, folder), references.secrets);
  return {
    ...readConfigOf(file, text, written, [
      ...warnings,
      ...asProblems(findings, text.source, true),
    ]),
    config,
    certificates: references.certificates,
    authorities: references.authorities,
    secretFiles: [...references.secrets.keys()],
  };
}

/** Reads and checks the text of a configuration only. @throws {ConfigError} with all problems. */
export async function readConfig(
  file: string | null,
  machine: ConfigMachine,
): Promise<ReadConfig> {
  const text = await readText(file, machine);
  const { written, problems, warnings } = check(text, machine);
  if (written === null || problems.length > 0) throw new ConfigError(inOrder(problems));
  return readConfigOf(file, text, written, warnings);
}

/**
 * Where things are, also where the rest of the configuration is wrong: for commands that ask a running
 * server.
 *
 * @throws {ConfigError} where the file cannot be read, or the keys of these paths are wrong.
 */
export async function readConfigPaths(
  file: string | null,
  machine: ConfigMachine,
): Promise<ConfigPaths> {
  const { value, source, problems, whole } = await readText(file, machine);
  const read = PATHS.safeParse(value ?? {});
  const wrong = read.success
    ? []
    : schemaProblems(read.error.issues, { schema: configSchema, value, source });
  // What is wrong elsewhere does not matter; but half a text may have lost these very keys.
  if (!whole || !read.success) throw new ConfigError(inOrder(whole ? wrong : [...problems]));
  return resolvePaths(read.data satisfies PathKeys, folderOf(file));
}

const { shape } = configSchema;
const directoryOf = <T extends z.ZodType>(directory: T) =>
  z.object({ directory }).prefault({} as never);
const PATHS = z.object({
  data: shape.data,
  users: shape.users,
  mail: directoryOf(shape.mail.unwrap().shape.directory),
  queue: directoryOf(shape.queue.unwrap().shape.directory),
  drop: directoryOf(shape.drop.unwrap().shape.directory),
  dkim: directoryOf(shape.dkim.unwrap().shape.directory),
});

/** What file and environment say together. */
interface Text {
  readonly value: unknown;
  readonly source: SourceNode;
  readonly problems: readonly Problem[];
  readonly whole: boolean;
}

async function readText(file: string | null, machine: ConfigMachine): Promise<Text> {
  const document = file === null ? emptyDocument() : await readFileText(file, machine);
  // After an error of syntax nobody knows what else is meant.
  if (!document.whole) return document;
  const later = laterVersion(document);
  if (later !== null) return { ...document, whole: false, problems: [later] };
  const { value, source, problems } = applyEnvironment(
    document,
    (name) => machine.environment(name),
  );
  return { value, source, whole: true, problems: [...document.problems, ...problems] };
}

/** Of a file of a later version the rest is not for us to judge. */
function laterVersion({ value, source }: Text): Problem | null {
  const { version } = Object(value) as { readonly version?: unknown };
  if (!Number.isSafeInteger(version) || (version as number) <= 1) return null;
  return {
    ...findPlace(source, ["version"], "value"),
    key: "version",
    message: `found ${version}; this yizhan knows version 1 only`,
    hint: "use the yizhan that it was written for, or a later one",
  };
}

function emptyDocument(): Text {
  const place = { file: ENVIRONMENT, line: 0, column: 0 };
  const source = { place, keyPlace: place, children: new Map() };
  return { value: {}, source, problems: [], whole: true };
}

/** @throws {ConfigError} where there is nothing to read at all. */
async function readFileText(file: string, machine: ConfigMachine): Promise<Text> {
  const fail = (message: string, place = { file, line: 0, column: 0 }): never => {
    throw new ConfigError([{ ...place, key: "", message }]);
  };
  let octets: Uint8Array;
  try {
    ({ octets } = await machine.readFile(file, MAX_OCTETS));
  } catch (error) {
    if (errorCode(error) === "EFBIG") return fail(TOO_LONG);
    return fail(`cannot be read: ${describeReadError(error)}`);
  }
  const read = decodeText(octets);
  if ("text" in read) return readDocument(read.text, file);
  return fail(read.message, placeIn(new TextDecoder().decode(octets), read.offset, file));
}

interface Outcome {
  /** `null` where it does not fit the schema. */
  readonly written: WrittenConfig | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly parts: Parts;
}

function check({ value, source, problems, whole }: Text, machine: ConfigMachine): Outcome {
  const warnings = findUnknownVariables(machine.environmentNames());
  if (!whole) return { written: null, problems, warnings, parts: takeApart({}) };
  const top = value ?? {};
  const read = configSchema.safeParse(top);
  const parts = takeApart(top);
  const findings = [
    ...checkListeners(parts),
    ...checkRelay(parts),
    ...checkRetry(parts),
    ...checkFolders(parts),
    ...checkWeb(parts),
  ];
  const wrong = read.success
    ? []
    : schemaProblems(read.error.issues, { schema: configSchema, value: top, source });
  return {
    written: read.success ? read.data : null,
    problems: [...problems, ...wrong, ...asProblems(findings, source, false)],
    warnings: [...warnings, ...asProblems(findings, source, true)],
    parts,
  };
}

function asProblems(
  findings: readonly Finding[],
  source: SourceNode,
  warnings: boolean,
): Problem[] {
  return findings.filter(({ warning = false }) => warning === warnings)
    .map(({ path, of, message, hint }) => ({
      ...findPlace(source, path, of),
      key: formatKey(path),
      message,
      ...(hint !== undefined && { hint }),
    }));
}

function readConfigOf(
  file: string | null,
  { source }: Text,
  written: WrittenConfig,
  warnings: readonly Problem[],
): ReadConfig {
  return {
    ...{ written, warnings },
    file: file ?? ENVIRONMENT,
    paths: resolvePaths(written, folderOf(file)),
    at: (key, message, hint) => ({
      ...findPlace(source, key, "value"),
      ...{ key: formatKey(key), message },
      ...(hint !== undefined && { hint }),
    }),
  };
}

/** The file from top to bottom, then the variables; not endlessly many. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const sorted = [...problems].sort((a, b) =>
    Number(a.line === 0) - Number(b.line === 0) || a.line - b.line || a.column - b.column
  );
  const rest = sorted.length - MAX_PROBLEMS;
  if (rest <= 0) return sorted;
  const { file, line, column } = sorted[MAX_PROBLEMS]!;
  return [
    ...sorted.slice(0, MAX_PROBLEMS),
    { file, line, column, key: "", message: `and ${rest} more problems from here on` },
  ];
}
