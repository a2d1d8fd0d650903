/**
 * Other programs, by `node:child_process`: no shell, no environment but the one given.
 *
 * Each is the head of a process group of its own, and is killed with the whole of it: else what a script
 * started would go on with half a message. What has left the group (`setsid`) goes on.
 *
 * What fails: a program that cannot be started rejects with an errno `code`; so does, once the program was
 * killed for it, an input that fails (a program must not take half a message for a whole one) and an aborted
 * signal (with its reason). A program that stops reading its input, or fails, is a result; so is one that
 * had ended before: what it has done must not be done again.
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import type { Readable } from "node:stream";
import { clearTimeout, setTimeout } from "node:timers";
import { decode } from "../bytes.ts";
import type { ProgramCommand, ProgramResult } from "./programs.ts";
import { errorCode } from "./system_error.ts";

/** Octets kept of what a program writes; it may write more, which is read and forgotten. */
const MAX_OUTPUT = 4096;

/**
 * Milliseconds for input and output of a program that has ended: what it started may hold its output open,
 * and an input may be long in coming.
 */
const LAST_WAIT = 1000;

/** Runs a program; see {@link Programs.run}. */
export async function runNodeProgram(
  command: ProgramCommand,
  signal?: AbortSignal,
): Promise<ProgramResult> {
  signal?.throwIfAborted();
  const { child, ended } = await start(command);
  const killedFor: unknown[] = [];
  let running = true;
  const kill = (reason: unknown) => {
    if (!running) return;
    killedFor.push(reason);
    killGroup(child);
  };
  const onAbort = () => kill(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const output = new Output();
  const reading = Promise.all([child.stdout, child.stderr].map((stream) => output.gather(stream)));
  const feeding = feed(child, command.input, ended, kill);
  const { code, endedBy } = await ended;
  running = false;
  signal?.removeEventListener("abort", onAbort);
  const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    giveUp();
    child.stdout.destroy();
    child.stderr.destroy();
  }, LAST_WAIT);
  await Promise.all([Promise.race([feeding, late]), Promise.race([reading, late])]);
  clearTimeout(timer);
  child.stdin.destroy();
  // It may have ended by itself before the signal came to it.
  if (killedFor.length > 0 && endedBy === "SIGKILL") throw killedFor[0];
  return { code, output: output.text() };
}

/** A program that runs, and its end. */
interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<ProgramEnd>;
}

/** Resolves when it runs. */
function start(command: ProgramCommand): Promise<Running> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.program, command.arguments, {
      env: { ...command.environment },
      stdio: "pipe",
      detached: true,
    });
    // What comes later shows in the streams and in the end.
    child.on("error", reject);
    child.stdin.on("error", () => {});
    const ended = endOf(child);
    child.once("spawn", () => resolve({ child, ended }));
  });
}

interface ProgramEnd {
  readonly code: number;
  readonly endedBy: NodeJS.Signals | null;
}

function endOf(child: ChildProcessWithoutNullStreams): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    child.once("exit", (code, endedBy) => {
      const number = endedBy === null ? 0 : constants.signals[endedBy];
      resolve({ code: code ?? 128 + number, endedBy });
    });
  });
}

function killGroup(child: ChildProcessWithoutNullStreams): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    child.kill("SIGKILL"); // false where it has ended already
  }
}

/**
 * Writes the input as far as it is read. Where the input fails, the program is dead before the pipe is closed:
 * the end of it would say that the message is whole. Never throws.
 */
async function feed(
  child: ChildProcessWithoutNullStreams,
  input: AsyncIterable<Uint8Array>,
  ended: Promise<unknown>,
  kill: (reason: unknown) => void,
): Promise<void> {
  const over = ended.then(() => false);
  try {
    for await (const chunk of input) {
      // What the program started may hold the pipe open, unread, when the program is gone.
      if (!await Promise.race([writeTo(child, chunk), over])) return;
    }
    const closed = new Promise<boolean>((resolve) => child.stdin.end(() => resolve(true)));
    await Promise.race([closed, over]);
  } catch (error) {
    kill(error);
    await ended;
  }
}

/** Writes a chunk; `false` when the program reads no more. */
function writeTo(child: ChildProcessWithoutNullStreams, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    child.stdin.write(chunk, (error) => {
      if (!error) return resolve(true);
      if (READS_NO_MORE.has(errorCode(error))) resolve(false);
      else reject(error);
    });
  });
}

/** Of a pipe that is closed at its other end, or by us when the program had ended. */
const READS_NO_MORE: ReadonlySet<string | undefined> = new Set([
  "EPIPE",
  "EBADF",
  "ECANCELED",
  "ECONNRESET",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_WRITE_AFTER_END",
]);

/** The beginning of what comes on several streams. */
class Output {
  readonly #octets = new Uint8Array(MAX_OUTPUT);
  #length = 0;

  gather(stream: Readable): Promise<void> {
    stream.on("data", (chunk: Uint8Array) => {
      const kept = chunk.subarray(0, MAX_OUTPUT - this.#length);
      this.#octets.set(kept, this.#length);
      this.#length += kept.length;
    });
    return new Promise((resolve) => {
      stream.once("close", resolve);
      stream.once("end", resolve);
      stream.once("error", () => resolve());
    });
  }

  text(): string {
    return decode(this.#octets.subarray(0, this.#length));
  }
}
