/**
 * What is said about a command, read from its data: paragraphs and lists of its description, its exit codes,
 * its flags as they are written. The help, the manual pages and the completions of shells are made from this,
 * so none can lag behind another. Pure.
 *
 * @module
 */

import { type Command, type CommandEntry, type Flag, formatFlagName } from "./command.ts";
import { EXIT } from "./exit.ts";

/** A piece of a description. */
export type Block =
  | { readonly kind: "text"; readonly text: string }
  /** What is said of each of several words. */
  | { readonly kind: "list"; readonly rows: readonly Row[] };

/** A word, or some, and what is said of it. */
export type Row = readonly [term: string, text: string];

/** A flag as it is written. */
export interface PageFlag {
  /** With its dashes. */
  readonly name: string;
  /** What stands for its value. */
  readonly value?: string;
  readonly multiple: boolean;
  readonly help: string;
}

/** All that is said about a command. */
export interface CommandPage {
  readonly name: string;
  readonly summary: string;
  /** What stands after its name. */
  readonly usage: string;
  readonly blocks: readonly Block[];
  readonly flags: readonly PageFlag[];
  /** Command lines, without the program's name. */
  readonly examples: readonly string[];
  /** Code and meaning, in the order of the codes. */
  readonly exits: readonly Row[];
}

/** Loads a command and reads its page. */
export async function loadPage(entry: CommandEntry): Promise<CommandPage> {
  return readPage(entry.summary, await entry.load());
}

/** Reads a page. @param summary what the command does, in a line. */
export function readPage(summary: string, command: Command): CommandPage {
  const { name, usage, examples } = command;
  const paragraphs = command.description.split("\n\n");
  const exits = paragraphs.filter((text) => text.startsWith(EXIT_CODES));
  return {
    ...{ name, summary, usage, examples },
    blocks: paragraphs.filter((text) => !exits.includes(text)).map(readBlock),
    flags: Object.entries({ ...command.flags, help: HELP }).map(readFlag),
    exits: readExits(exits.join(" ").slice(EXIT_CODES.length)),
  };
}

const HELP: Flag = { help: "Print this help" };
const EXIT_CODES = "Exit codes: ";

/** Two columns: a term, two spaces or more, what is said of it. Lines that begin with spaces go on. */
const ROW = /^(\S+(?: \S+)*) {2,}(\S.*)$/;

function readBlock(text: string): Block {
  const lines = text.split("\n");
  if (lines.length === 1 || !lines.every((line) => ROW.test(line) || line.startsWith("  "))) {
    return { kind: "text", text: lines.map((line) => line.trim()).join(" ") };
  }
  const rows: [string, string][] = [];
  for (const line of lines) {
    const [, term, said] = ROW.exec(line) ?? [];
    if (term !== undefined) rows.push([term, said!]);
    else rows.at(-1)![1] += ` ${line.trim()}`;
  }
  return { kind: "list", rows };
}

function readFlag([name, { value, multiple = false, help }]: [string, Flag]): PageFlag {
  return { name: formatFlagName(name), ...(value !== undefined && { value }), multiple, help };
}

/** `0 done, 64 wrong command line; 75 later.` as rows. Every command has these two. */
function readExits(text: string): Row[] {
  const said = new Map<number, string>([[EXIT.ok, "done"], [EXIT.usage, "wrong command line"]]);
  for (const item of text.replaceAll("\n", " ").trim().replace(/\.$/, "").split(/[,;] (?=\d+ )/)) {
    const [, code, meaning] = /^(\d+) (.+)$/.exec(item) ?? [];
    if (code !== undefined) said.set(Number(code), meaning!);
  }
  return [...said].sort(([a], [b]) => a - b).map(([code, meaning]) => [`${code}`, meaning]);
}
