/**
 * The help of a command, as text for a terminal of a hundred columns.
 *
 * @module
 */

import { wrapWords } from "../observe/visible_text.ts";
import type { Block, CommandPage, Row } from "./command_page.ts";

/** Columns of a line at most. */
const WIDTH = 100;
/** A first column that is wider gets lines of its own. */
const WIDEST = 30;

/** The help text of a command. */
export function formatCommandHelp(program: string, page: CommandPage): string {
  const { name, summary, usage, blocks, flags, examples, exits } = page;
  const rows = flags.map(({ name: flag, value, multiple, help }): Row => {
    const shown = value === undefined ? "" : ` ${value}`;
    return [`${flag}${shown}${multiple ? " ..." : ""}`, help];
  });
  return [
    `${program} ${name}: ${summary}`,
    "",
    ...wrapWords(`Usage: ${program} ${name}${usage === "" ? "" : ` ${usage}`}`, WIDTH),
    "",
    ...blocks.flatMap((block) => [...formatBlock(block), ""]),
    "Flags:",
    ...formatRows(rows),
    "",
    "Examples:",
    ...examples.map((example) => `  ${program} ${example}`),
    "",
    "Exit codes:",
    ...formatRows(exits),
  ].join("\n");
}

function formatBlock(block: Block): string[] {
  return block.kind === "text" ? wrapWords(block.text, WIDTH) : formatRows(block.rows);
}

/** Two columns, indented, the second one wrapped. */
function formatRows(rows: readonly Row[]): string[] {
  const widths = rows.map(([first]) => first.length).filter((width) => width <= WIDEST);
  const widest = Math.max(0, ...widths);
  const indent = " ".repeat(widest + 4);
  return rows.flatMap(([first, second]) => {
    const [begin = "", ...rest] = wrapWords(second, WIDTH - indent.length);
    const lines = [begin, ...rest].map((line) => `${indent}${line}`);
    if (first.length > widest) return [`  ${first}`, ...lines];
    return [`  ${first.padEnd(widest)}  ${begin}`, ...lines.slice(1)];
  });
}
