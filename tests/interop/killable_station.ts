/**
 * Starts the program `peers/station.ts`, which may be killed at any moment, again and again on one folder.
 *
 * @module
 */

import { AssertionError } from "@std/assert";
import type { StationPlan } from "./peers/station.ts";

const PROGRAM = new URL("./peers/station.ts", import.meta.url).pathname;

/** Milliseconds for anything it is asked for: generous, as machines are busy. */
const LIMIT = 60_000;

/** A line of what it writes. */
export interface StationLine {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** One run of the station. */
export class KillableStation {
  /** What it wrote so far that is out of the ordinary. */
  readonly lines: StationLine[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #outputs: Promise<unknown>;
  #text = "";
  #ended = false;
  #wake: () => void = () => {};

  /** Starts one; it is not ready yet. */
  constructor(plan: StationPlan) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-check", "-A", PROGRAM, JSON.stringify(plan)],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#outputs = Promise.all([
      this.#read(this.#child.stdout, (line) => this.lines.push(JSON.parse(line))),
      this.#read(this.#child.stderr, (line) => this.#text += `${line}\n`),
    ]).finally(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Resolves with its port when it listens. */
  async ready(): Promise<number> {
    await this.#line("queue.opened");
    const { address } = await this.#line("listener.started");
    return Number(/:(\d+)$/.exec(String(address))![1]);
  }

  /** Gives an order. */
  async order(word: "retry" | "count" | "stop"): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${word}\n`));
  }

  /** How many messages are in the queue. */
  async count(): Promise<number> {
    const seen = this.lines.length;
    await this.order("count");
    return Number((await this.#line("counted", seen)).messages);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch { /* it has ended by itself, which its lines will tell */ }
    await this.#child.status;
    await this.#outputs;
    await this.#input.abort().catch(() => {});
  }

  /** Lets it end what it does. Fails unless it ends well. */
  async stop(): Promise<void> {
    await this.order("stop");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT);
    const { code } = await this.#child.status;
    clearTimeout(timer);
    await this.#outputs;
    await this.#input.abort().catch(() => {});
    if (code !== 0) throw new AssertionError(`the station ended with ${code}:\n${this.#text}`);
  }

  async #line(type: string, from = 0): Promise<StationLine> {
    const deadline = Date.now() + LIMIT;
    for (;;) {
      const line = this.lines.slice(from).find((line) => line.type === type);
      if (line !== undefined) return line;
      if (this.#ended || Date.now() > deadline) {
        throw new AssertionError(`the station did not say ${type}; it wrote:\n${this.#text}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async #read(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? ""; // a line cut short by the end is nobody's
      for (const line of lines) take(line);
      this.#wake();
    }
  }
}

/** What lies below a folder and is no folder itself. */
export async function listFiles(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${below}`)) {
    if (isDirectory) found.push(...await listFiles(folder, `${below}${name}/`));
    else found.push(`${below}${name}`);
  }
  return found.sort();
}
