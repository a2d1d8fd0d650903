/**
 * What is said to the operator. All of it goes to standard error: standard output is for the log, or
 * for what a command was asked to print.
 *
 * @module
 */

import { type Paint, paintFor } from "../observe/paint.ts";

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
  return paintFor(Deno.stderr.isTerminal() && !Deno.noColor);
}
