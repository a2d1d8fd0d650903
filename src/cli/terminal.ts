/**
 * The terminal, if there is one, and what is said to the operator. All that is said goes to standard
 * error: standard output is for the log, or for what a command was asked to print.
 *
 * @module
 */

import process from "node:process";
import { isatty } from "node:tty";
import { type Paint, paintFor } from "../observe/paint.ts";

/** The three streams every process has, by the number of their file. */
const STREAMS = { stdin: 0, stdout: 1, stderr: 2 } as const;

/** One of them. */
export type StandardStream = keyof typeof STREAMS;

/** Whether a person is at the other end. */
export function isTerminal(stream: StandardStream): boolean {
  return isatty(STREAMS[stream]);
}

/** Whether colours are seen there and wanted: on a terminal, and not with `NO_COLOR` set to anything. */
export function isColourful(stream: StandardStream): boolean {
  return isTerminal(stream) && !process.env["NO_COLOR"];
}

/** The columns of the terminal on standard output; 80 where it does not tell. */
export function terminalWidth(): number {
  return process.stdout.columns || 80;
}

/** A line, or several. */
export function say(text: string): void {
  console.error(text);
}

/** Something the operator should see to. */
export function warn(text: string): void {
  console.error(`${paint().warning("warning:")} ${text}`);
}

/** Why the program ends; each line says so. */
export function complain(text: string): void {
  const name = paint().bad("yizhan:");
  console.error(text.split("\n").map((line) => `${name} ${line}`).join("\n"));
}

function paint(): Paint {
  return paintFor(isColourful("stderr"));
}
