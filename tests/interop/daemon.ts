/**
 * Running a server of somebody else: a process that is stopped by its number, and waiting until
 * something is so, with all the server said where it never becomes so.
 *
 * @module
 */

import { findTool } from "./support.ts";

/** How long anything may take, in milliseconds: generous, as machines are busy. */
const LIMIT = 30_000;

/**
 * Asks again and again until there is an answer.
 *
 * @param what it is waited for, for the error.
 * @param ask gives `null` or `undefined` for "not yet".
 * @param log is read for the error.
 * @throws {Error} after half a minute, or at once when `ended` says that nothing more will come.
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { log = () => "", ended = () => false }: {
    readonly log?: () => string | Promise<string>;
    readonly ended?: () => boolean;
  } = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + LIMIT;
  do {
    const last = ended();
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (last) break;
    await new Promise((resolve) => setTimeout(resolve, 25));
  } while (Date.now() < deadline);
  throw new Error(`${what}: it never came to that; the log:\n${await log()}`);
}

/** A server that runs. Going out of scope it is stopped. */
export interface Daemon extends AsyncDisposable {
  /** All it wrote so far. */
  readonly output: () => string;
  /** Asks it to end, and waits until it has. */
  stop(): Promise<void>;
}

/** What a server is started with. */
export interface DaemonOptions {
  readonly args: readonly string[];
  /** It is up when something listens there. */
  readonly port: number;
  /** The address, too; default 127.0.0.1. */
  readonly hostname?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it logs, unless to its outputs. */
  readonly log?: () => Promise<string>;
  /** The file with the number of the process to stop, where that is one the program started. */
  readonly pidFile?: string;
  /** What asks it to end, where SIGTERM takes long. */
  readonly signal?: Deno.Signal;
}

/** Starts a server in the foreground and waits until it listens. */
export async function startDaemon(tool: string, options: DaemonOptions): Promise<Daemon> {
  const child = new Deno.Command(findTool(tool), {
    args: [...options.args],
    env: { LC_ALL: "C.UTF-8", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let text = "";
  let ended = false;
  const readers = [child.stdout, child.stderr].map((stream) => stream.getReader());
  const read = Promise.all(readers.map(async (reader) => {
    const decoder = new TextDecoder();
    for (let chunk; !(chunk = await reader.read()).done;) {
      text += decoder.decode(chunk.value, { stream: true });
    }
  }));
  const done = child.status.then(() => ended = true);
  const stop = async () => {
    try {
      Deno.kill(await readPid(options.pidFile) ?? child.pid, options.signal ?? "SIGTERM");
    } catch { /* it has ended by itself */ }
    await done;
    // What it has started may live on for a while, with the same outputs.
    await Promise.all(readers.map((reader) => reader.cancel()));
    await read;
  };
  const log = async () => text + (await options.log?.() ?? "");
  try {
    await until(`${tool} starts`, () => listens(options.port, options.hostname), {
      log,
      ended: () => ended,
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { output: () => text, stop, [Symbol.asyncDispose]: stop };
}

async function readPid(path: string | undefined): Promise<number | null> {
  if (path === undefined) return null;
  const text = await Deno.readTextFile(path).catch(() => "");
  return Number(text.trim()) || null;
}

async function listens(port: number, hostname = "127.0.0.1"): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return true;
  } catch {
    return false;
  }
}
