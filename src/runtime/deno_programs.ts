/**
 * Other programs, by `Deno.Command`: no shell, no environment but the one given.
 *
 * Each is the head of a process group of its own, and is killed with the whole of it: else what a script
 * started would go on with half a message. Deno sends signals to a group with `--allow-run` for all
 * programs only; with a list of programs no more than the program itself is killed, and what it started
 * sees the end of its input. What has left the group (`setsid`) goes on either way.
 *
 * What fails: a program that cannot be started rejects with an errno `code`; so does, once the program was
 * killed for it, an input that fails (a program must not take half a message for a whole one) and an aborted
 * signal (with its reason). A program that stops reading its input, or fails, is a result; so is one that
 * had ended before: what it has done must not be done again.
 *
 * @module
 */

import { decode } from "../bytes.ts";
import { withErrorCode } from "./deno_errors.ts";
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
export async function runProgram(
  command: ProgramCommand,
  signal?: AbortSignal,
): Promise<ProgramResult> {
  signal?.throwIfAborted();
  const child = start(command);
  const killedFor: unknown[] = [];
  let running = true;
  const kill = (reason: unknown) => {
    if (!running) return;
    killedFor.push(reason);
    killAll(child);
  };
  const onAbort = () => kill(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const output = new Output();
  const streams = [child.stdout, child.stderr].map((stream) => stream.getReader());
  const reading = Promise.all(streams.map((stream) => output.gather(stream)));
  const feeding = feed(child, command.input, kill);
  const { code, signal: endedBy } = await child.status;
  running = false;
  signal?.removeEventListener("abort", onAbort);
  const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    giveUp();
    streams.forEach((stream) => void stream.cancel());
  }, LAST_WAIT);
  await Promise.all([Promise.race([feeding, late]), reading]);
  clearTimeout(timer);
  // It may have ended by itself before the signal came to it.
  if (killedFor.length > 0 && endedBy === "SIGKILL") throw killedFor[0];
  return { code, output: output.text() };
}

function start(command: ProgramCommand): Deno.ChildProcess {
  try {
    return new Deno.Command(command.program, {
      args: [...command.arguments],
      clearEnv: true,
      env: { ...command.environment },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
  } catch (error) {
    throw withErrorCode(error);
  }
}

/** Kills the program and its process group, as far as Deno lets us. */
function killAll(child: Deno.ChildProcess): void {
  try {
    Deno.kill(-child.pid, "SIGKILL");
  } catch {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended already */ }
  }
}

/**
 * Writes the input as far as it is read. Where the input fails, the program is dead before the pipe is closed:
 * the end of it would say that the message is whole. Never throws.
 */
async function feed(
  child: Deno.ChildProcess,
  input: AsyncIterable<Uint8Array>,
  kill: (reason: unknown) => void,
): Promise<void> {
  const writer = child.stdin.getWriter();
  const ended = child.status.then(() => false);
  try {
    for await (const chunk of input) {
      const written = writer.write(chunk as Uint8Array<ArrayBuffer>).then(() => true, isOpen);
      // What the program started may hold the pipe open, unread, when the program is gone.
      if (!await Promise.race([written, ended])) return;
    }
    await Promise.race([writer.close().catch(isOpen), ended]);
  } catch (error) {
    kill(error);
    await ended;
  } finally {
    writer.abort().catch(() => {});
  }
}

/** For a failed write: the program reads no more. */
function isOpen(error: unknown): false {
  const code = errorCode(withErrorCode(error));
  if (code === "EPIPE" || code === "EBADF" || code === "ECANCELED") return false;
  throw error;
}

/** The beginning of what comes on several streams. */
class Output {
  readonly #octets = new Uint8Array(MAX_OUTPUT);
  #length = 0;

  async gather(stream: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    for (;;) {
      const { done, value } = await stream.read();
      if (done) return;
      const kept = value.subarray(0, MAX_OUTPUT - this.#length);
      this.#octets.set(kept, this.#length);
      this.#length += kept.length;
    }
  }

  text(): string {
    return decode(this.#octets.subarray(0, this.#length));
  }
}
