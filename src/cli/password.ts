/**
 * Asks for a password: twice and without echo on a terminal, or once from standard input for programs.
 *
 * @module
 */

import { read, writeSync } from "node:fs";
import process from "node:process";
import { promisify } from "node:util";
import { passwordProblem } from "../directory/password.ts";
import { CommandError, EXIT, UsageError } from "./exit.ts";
import { isTerminal, say, warn } from "./terminal.ts";

const readLater = promisify(read);

/** Octets that are read; what makes a good password is said by `directory/password.ts`. */
const MAX_LINE = 4096;

/** What keys make of a line that is typed blindly. */
export type TypedLine =
  | { readonly state: "typing" }
  | { readonly state: "done"; readonly line: string }
  | { readonly state: "interrupted" };

const ENTER = new Set([0x0a, 0x0d]);
const ERASE = new Set([0x08, 0x7f]);
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;

/** A line typed on a raw terminal: octets in, the line out once Enter is pressed. */
export class BlindLine {
  #octets: number[] = [];

  /** Takes octets as they come; what comes after Enter is dropped. */
  receive(octets: Uint8Array): TypedLine {
    for (const octet of octets) {
      if (octet === CTRL_C) return { state: "interrupted" };
      if (ENTER.has(octet)) return this.#finish();
      if (octet === CTRL_D) {
        if (this.#octets.length === 0) return { state: "interrupted" };
        return this.#finish();
      }
      if (ERASE.has(octet)) this.#erase();
      else if (octet === CTRL_U) this.#octets = [];
      else if (this.#octets.length < MAX_LINE) this.#octets.push(octet);
    }
    return { state: "typing" };
  }

  #finish(): TypedLine {
    return { state: "done", line: new TextDecoder().decode(new Uint8Array(this.#octets)) };
  }

  /** One character back: in UTF-8 that is all octets to the one that begins it (RFC 3629 §3). */
  #erase(): void {
    let octet = this.#octets.pop();
    while (octet !== undefined && (octet & 0xc0) === 0x80) octet = this.#octets.pop();
  }
}

/** How often somebody may mistype. */
const TRIES = 3;

/** Characters of a password below which it is warned of: what is exposed to the world is tried by it. */
const SHORT = 8;

/**
 * A new password. On a terminal it is asked for again where it is empty or the two are not the same, a few times.
 *
 * @throws {UsageError} when there is no terminal to ask on.
 * @throws {CommandError} when it is empty, or the two are not the same; or for Ctrl-C.
 */
export async function askNewPassword(address: string, fromStdin: boolean): Promise<string> {
  if (fromStdin) return checkPassword(await readStdin());
  if (!isTerminal("stdin")) {
    throw new UsageError("standard input is not a terminal to ask on: give --password-stdin");
  }
  for (let tries = 1;; tries++) {
    const first = await typeBlindly(`Password for ${address}: `);
    const problem = passwordProblem(first) ??
      (await typeBlindly("Again: ") === first ? null : "the two passwords differ");
    if (problem === null) return warnOfShort(first);
    if (tries === TRIES) throw new CommandError(EXIT.dataError, `${problem}; nothing was changed`);
    say(`  ${problem}; once more`);
  }
}

function warnOfShort(password: string): string {
  if ([...password].length < SHORT) {
    warn(`a password of less than ${SHORT} characters is soon guessed, and spam sent with it`);
  }
  return password;
}

function checkPassword(password: string): string {
  const problem = passwordProblem(password);
  if (problem === null) return warnOfShort(password);
  throw new CommandError(EXIT.dataError, `${problem}; nothing was changed`);
}

/** Some octets of standard input, 0 at its end. */
async function readInput(into: Uint8Array): Promise<number> {
  return (await readLater(0, into, 0, into.length, null)).bytesRead;
}

async function typeBlindly(prompt: string): Promise<string> {
  const line = new BlindLine();
  const octets = new Uint8Array(64);
  // First no echo, then the prompt: somebody who types at once must not see it either.
  process.stdin.setRawMode(true);
  try {
    writeSync(2, prompt);
    for (;;) {
      const length = await readInput(octets);
      const typed: TypedLine = length === 0
        ? { state: "interrupted" }
        : line.receive(octets.subarray(0, length));
      if (typed.state === "done") return typed.line;
      if (typed.state === "interrupted") {
        throw new CommandError(EXIT.interrupted, "interrupted; nothing was changed");
      }
    }
  } finally {
    process.stdin.setRawMode(false);
    writeSync(2, "\n");
  }
}

/** The first line of standard input. */
async function readStdin(): Promise<string> {
  const octets = new Uint8Array(MAX_LINE);
  let length = 0;
  while (length < octets.length && !octets.subarray(0, length).includes(0x0a)) {
    const count = await readInput(octets.subarray(length));
    if (count === 0) break;
    length += count;
  }
  const [line = ""] = new TextDecoder().decode(octets.subarray(0, length)).split("\n");
  return line.replace(/\r$/, "");
}
