/**
 * `yizhan man`: manual pages, made from the same data as the help and the check of the configuration. One is
 * printed, or all are written into a folder, for whoever packs the program.
 *
 * @module
 */

import { mkdir, writeFile } from "node:fs/promises";
import { hintNearestName } from "../config/nearest_name.ts";
import type { Command, CommandEntry, CommandLine } from "./command.ts";
import { loadPage } from "./command_page.ts";
import { errorCode } from "../runtime/system_error.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { type Edition, formatCommandMan, formatProgramMan } from "./man/command_man.ts";
import { formatConfigMan } from "./man/config_man.ts";
import { requirePermissions } from "./permissions.ts";
import { StandardOutput } from "./standard_output.ts";
import { say } from "./terminal.ts";
import { describeError, explainFailure } from "./trouble.ts";
import { VERSION } from "./version.ts";

/** A day of its own would make each build another one. */
const EDITION: Edition = { source: `Yizhan ${VERSION}`, date: "2026-11-23" };

/** The command. @param commands all of them, this one too. */
export function manCommand(commands: readonly CommandEntry[]): Command {
  return {
    name: "man",
    usage: "[COMMAND | yizhan.yaml] | --directory DIR",
    description: [
      "Prints the manual page of the program, of a command, or of the configuration, as source that man",
      "and mandoc understand. With --directory it writes all pages where man looks for them: in DIR/man1",
      "yizhan.1 and a page for each command (yizhan-serve.1), in DIR/man5 yizhan.yaml.5.",
      "",
      "Exit codes: 0 done, 73 a file or folder cannot be made.",
    ].join("\n"),
    flags: { directory: { value: "DIR", help: "Write all pages into man1 and man5 there" } },
    examples: [
      "man serve | man -l -",
      "man yizhan.yaml | man -l -",
      "man --directory /usr/local/share/man",
    ],
    run: (line, words) => runMan(commands, line, words),
  };
}

async function runMan(
  commands: readonly CommandEntry[],
  line: CommandLine,
  words: readonly string[],
): Promise<ExitCode> {
  const [name, extra] = line.operands;
  if (extra !== undefined) throw new UsageError(`man prints one page; what is ${extra} for?`);
  const directory = line.value("directory");
  if (directory !== undefined) {
    if (name !== undefined) throw new UsageError("man --directory writes all pages; name none");
    return await writePages(commands, directory, words);
  }
  const output = new StandardOutput();
  const text = await pageOf(commands, name);
  try {
    output.write(new TextEncoder().encode(text));
  } catch (error) {
    if (!output.gone) throw error;
  }
  return EXIT.ok;
}

async function pageOf(commands: readonly CommandEntry[], name?: string): Promise<string> {
  if (name === undefined || name === "yizhan") return formatProgramMan(EDITION, commands);
  if (name === "yizhan.yaml") return formatConfigMan(EDITION);
  const entry = commands.find((one) => one.name === name.replace(/^yizhan-/, ""));
  if (entry !== undefined) {
    return formatCommandMan(EDITION, await loadPage(entry), commands.map((one) => one.name));
  }
  const names = [...commands.map((one) => one.name), "yizhan.yaml"];
  throw new UsageError(`there is no page of ${name}${hintNearestName(name, names)}`);
}

async function writePages(
  commands: readonly CommandEntry[],
  directory: string,
  words: readonly string[],
): Promise<ExitCode> {
  requirePermissions({ read: [], write: [directory], listen: [], sys: [] }, words);
  const pages: (readonly [file: string, name: string])[] = [
    ["man1/yizhan.1", "yizhan"],
    ...commands.map(({ name }) => [`man1/yizhan-${name}.1`, name] as const),
    ["man5/yizhan.yaml.5", "yizhan.yaml"],
  ];
  try {
    for (const section of ["man1", "man5"]) {
      await mkdir(`${directory}/${section}`, { recursive: true });
    }
    for (const [file, name] of pages) {
      await writeFile(`${directory}/${file}`, await pageOf(commands, name));
    }
  } catch (error) {
    if (errorCode(error) === undefined) throw explainFailure(directory, error) ?? error;
    throw new CommandError(EXIT.cantCreate, `${directory}: ${describeError(error)}`);
  }
  say(`${pages.length} pages are in ${directory}`);
  return EXIT.ok;
}
