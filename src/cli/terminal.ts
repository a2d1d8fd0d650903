/**
 * The terminal, if there is one, and what is said to the operator. All that is said goes to standard
 * error: standard output is for the log, or for what a command was asked to print.
 *
 * @module
 */

import process from "node:process";
import { isatty } from "node:tty";
import { type Paint, paintFor } from "../observe/paint.ts";
import { LineOutput, type Output, STANDARD_ERROR } from "./line_output.ts";

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

/**
 * How lines get to standard error: they are there when this returns. By `warn()`, for on a terminal Bun paints red
 * all that goes through `error()`, which most of what is said here is no reason for.
 */
const speakNow = (text: string) => console.warn(text);
let speak: (text: string) => void = speakNow;

/**
 * From here on nothing that is said waits for who reads it, as a server wants it. To be disposed of at the end:
 * that waits until all is written that can be.
 */
export function speakAside(output: Output = STANDARD_ERROR): AsyncDisposable {
  const lines = new LineOutput(
    output,
    (count) => `${count} lines are missing here: standard error was not read`,
  );
  speak = (text) => lines.offer(() => text);
  return {
    async [Symbol.asyncDispose]() {
      await lines.flush();
      speak = speakNow;
    },
  };
}

/** A line, or several. */
export function say(text: string): void {
  speak(text);
}

/** Something the operator should see to. */
export function warn(text: string): void {
  speak(`${paint().warning("warning:")} ${text}`);
}

/** Why the program ends; each line says so. */
export function complain(text: string): void {
  const name = paint().bad("yizhan:");
  speak(text.split("\n").map((line) => `${name} ${line}`).join("\n"));
}

function paint(): Paint {
  return paintFor(isColourful("stderr"));
}
