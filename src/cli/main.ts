/**
 * The program: finds the command, runs it, and turns what went wrong into one line and an exit code.
 *
 * @module
 */

import "./early_hang_ups.ts";
import process from "node:process";
import { type CommandEntry, formatTable, parseCommandLine } from "./command.ts";
import { formatCommandHelp } from "./command_help.ts";
import { loadPage } from "./command_page.ts";
import { COMMANDS } from "./commands.ts";
import { tameEnvironment } from "./environment.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { hintNearestName } from "../config/nearest_name.ts";
import { wordsFor } from "./program_name.ts";
import { complain, say } from "./terminal.ts";
import { describeError } from "./trouble.ts";
import { describeRuntime, VERSION } from "./version.ts";
import { isThread, rememberEntry } from "./workers/thread.ts";

const PROGRAM = "yizhan";

/** Runs the program; resolves with what the process shall exit with. */
export async function main(words: readonly string[]): Promise<ExitCode> {
  tameEnvironment();
  try {
    return await dispatch(words);
  } catch (error) {
    if (error instanceof CommandError) {
      const see = error instanceof UsageError ? ` (see ${PROGRAM} ${helpFor(words[0])})` : "";
      complain(`${error.message}${see}`);
      return error.exitCode;
    }
    complain(`internal error: ${describeError(error)}; please report it with what follows`);
    console.error(error);
    return EXIT.software;
  }
}

async function dispatch(words: readonly string[]): Promise<ExitCode> {
  const [first, ...rest] = words;
  switch (first) {
    case undefined:
      say(formatHelp());
      return EXIT.usage;
    case "version":
    case "--version":
    case "-V":
      demandNoMore(first, rest);
      console.log(`${PROGRAM} ${VERSION}\n${describeRuntime()}`);
      return EXIT.ok;
    case "--help":
    case "-h":
      demandNoMore(first, rest);
      console.log(formatHelp());
      return EXIT.ok;
    case "help":
      demandNoMore(`help ${rest[0]}`, rest.slice(1));
      console.log(rest[0] === undefined ? formatHelp() : await formatHelpOf(find(rest[0])));
      return EXIT.ok;
  }
  const entry = find(first, rest);
  const command = await entry.load();
  const line = parseCommandLine(command, rest);
  if (line.has("help")) {
    console.log(await formatHelpOf(entry));
    return EXIT.ok;
  }
  return await command.run(line, words);
}

function demandNoMore(first: string, [extra]: readonly string[]): void {
  if (extra !== undefined) throw new UsageError(`${first} stands alone; what is ${extra} for?`);
}

/** @param rest what stands after it. */
function find(name: string, rest: readonly string[] = []): CommandEntry {
  const known = COMMANDS.find((one) => one.name === name);
  if (known !== undefined) return known;
  const names = [...COMMANDS.map((one) => one.name), "help", "version", "--help", "--version"];
  const kind = name.startsWith("-") ? "flag" : "command";
  const command = rest.find((word) => COMMANDS.some((one) => one.name === word));
  const hint = kind === "flag" && command !== undefined
    ? `; the command comes first: ${PROGRAM} ${command} ${name}`
    : hintNearestName(name, names);
  throw new UsageError(`there is no ${kind} ${name}${hint}`);
}

function helpFor(name: string | undefined): string {
  return COMMANDS.some((command) => command.name === name) ? `help ${name}` : "help";
}

async function formatHelpOf(entry: CommandEntry): Promise<string> {
  return formatCommandHelp(PROGRAM, await loadPage(entry));
}

function formatHelp(): string {
  return [
    `${PROGRAM} ${VERSION}: a mail server`,
    "",
    `Usage: ${PROGRAM} COMMAND [FLAGS]`,
    "",
    "Commands:",
    ...formatTable([
      ...COMMANDS.map(({ name, summary }) => [name, capitalize(summary)] as const),
      ["help", "Print this help, or that of a command: help COMMAND"],
      ["version", "Print the version, and that of the runtime"],
    ]),
    "",
    "Flags:",
    ...formatTable([
      ["--help", "Print this help"],
      ["--version", "The same as version"],
    ]),
  ].join("\n");
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// A thread of ours has the same entry file, and is asked for nothing on a command line.
rememberEntry(import.meta.url);
if (isThread()) await import("./workers/worker_role.ts").then(({ runWorker }) => runWorker());
else if (import.meta.main) process.exit(await main(wordsFor(process.argv0, process.argv.slice(2))));
