/**
 * What a command of the program is: a name, its flags and examples as data, and a function that runs
 * it. The help text and the reading of the command line are both made from the same data, so that
 * neither can lag behind the other.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type ExitCode, UsageError } from "./exit.ts";
import { hintNearestName } from "../config/nearest_name.ts";

/** A flag. Without `value` it is a switch. */
export interface Flag {
  /** What stands for its value in help texts, such as `ADDR:PORT`. */
  readonly value?: string;
  /** It may be given more than once. */
  readonly multiple?: boolean;
  /** What it does, in a line. */
  readonly help: string;
}

/** A command. */
export interface Command {
  readonly name: string;
  /** What stands after the command's name in its usage line. */
  readonly usage: string;
  /** More about it, in lines of at most 90 characters. */
  readonly description: string;
  /** Its flags by name, without the dashes; a name of one letter is a flag of one dash. */
  readonly flags: Readonly<Record<string, Flag>>;
  /** It reads its words itself, since they follow other rules; `flags` are for the help. Default `false`. */
  readonly ownRules?: boolean;
  /** Command lines that work, without the program's name. */
  readonly examples: readonly string[];
  /** Does it; resolves with the exit code. `words` is the whole command line, to be shown again. */
  run(line: CommandLine, words: readonly string[]): Promise<ExitCode>;
}

/** A command that may not be loaded yet. */
export interface CommandEntry {
  readonly name: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** Loads it. */
  load(): Promise<Command>;
}

/** A command line that was understood. */
export interface CommandLine {
  /** What is neither a flag nor the value of one. */
  readonly operands: readonly string[];
  /** Whether the flag was given. */
  has(flag: string): boolean;
  /** The value of a flag, the last one where it was given twice. */
  value(flag: string): string | undefined;
  /** All values of a flag, in order. */
  values(flag: string): readonly string[];
}

/** Every command has it. */
const HELP: Flag = { help: "Print this help" };

/**
 * Reads what follows a command's name.
 *
 * @throws {UsageError} for a flag that is not known, lacks its value, has one it cannot take, or is
 * repeated where that means nothing.
 */
export function parseCommandLine(command: Command, words: readonly string[]): CommandLine {
  if (command.ownRules) {
    return {
      operands: words,
      // `-h` alone; else it may be anything.
      has: (flag) => flag === "help" && (words[0] === "--help" || words.join(" ") === "-h"),
      value: () => undefined,
      values: () => [],
    };
  }
  const flags: Record<string, Flag> = { ...command.flags, help: HELP };
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, {
      type: flag.value === undefined ? "boolean" as const : "string" as const,
      multiple: flag.multiple === true,
      ...(name === "help" ? { short: "h" } : {}),
    }]),
  );
  // Not strict: the messages of strict mode do not say what would be right.
  const { tokens, positionals } = parseArgs({
    args: [...words],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name]! : null;
    if (flag === null) throw new UsageError(describeUnknownFlag(command, token.rawName, flags));
    const value = readValue(token.rawName, flag, token.value, token.inlineValue === true);
    const values = given.get(token.name) ?? [];
    if (values.length > 0 && flag.value !== undefined && !flag.multiple) {
      throw new UsageError(`${token.rawName} is given twice; give it once`);
    }
    given.set(token.name, [...values, value]);
  }
  return {
    operands: positionals,
    has: (name) => given.has(name),
    value: (name) => given.get(name)?.at(-1),
    values: (name) => given.get(name) ?? [],
  };
}

function readValue(rawName: string, flag: Flag, value: string | undefined, inline: boolean) {
  if (flag.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return "";
  }
  // `--data --json`: a forgotten value, not a folder called `--json`. `--data=--json` says it outright.
  if (value === undefined || (!inline && value.length > 1 && value.startsWith("-"))) {
    throw new UsageError(`${rawName} wants a value: ${rawName} ${flag.value}`);
  }
  if (value === "") throw new UsageError(`${rawName} has an empty value; wanted: ${flag.value}`);
  return value;
}

function describeUnknownFlag(command: Command, rawName: string, flags: Record<string, Flag>) {
  const names = Object.keys(flags).map((name) => `--${name}`);
  const hint = rawName.startsWith("--") ? hintNearestName(rawName, names) : "";
  return `${command.name} has no flag ${rawName}${hint}`;
}

/** A flag as it is written on the command line. */
export function formatFlagName(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

/** Two columns, indented; a long first one gets a line of its own. */
export function formatTable(rows: readonly (readonly [string, string])[]): string[] {
  const widest = Math.max(...rows.map(([first]) => first.length).filter((width) => width <= 30));
  return rows.flatMap(([first, second]) =>
    first.length <= widest
      ? [`  ${first.padEnd(widest)}  ${second}`]
      : [`  ${first}`, `  ${" ".repeat(widest)}  ${second}`]
  );
}
