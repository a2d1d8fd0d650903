/**
 * A person who has the program and an empty folder, and nothing else: no variables, no other programs in the
 * path.
 *
 * `TEST_COMMAND` (words parted by blanks) gives the person another build, such as the single binary, which
 * must then get along without Deno.
 *
 * @module
 */

import { AssertionError } from "@std/assert";
import type { MtaEvent } from "../../src/events.ts";
import { until } from "./daemon.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "./support.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** Another build, word by word; none for the sources. */
export const BUILD: readonly string[] = (Deno.env.get("TEST_COMMAND") ?? "")
  .split(/\s+/).filter((word) => word !== "");

/** The program: that build, or the sources. */
export const COMMAND: readonly string[] = BUILD.length > 0
  ? BUILD
  : [Deno.execPath(), "run", "--no-prompt", "--quiet", "--no-check", "-A", MAIN];

/** What a command left. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A server that runs. */
export interface RunningServer extends AsyncDisposable {
  /** All it logged so far. */
  readonly events: readonly MtaEvent[];
  /** Stops it by SIGTERM; gives its exit code. */
  stop(): Promise<number>;
}

/** The person. */
export class Newcomer implements AsyncDisposable {
  readonly #folder: TemporaryFolder;

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
  }

  /** Gives them an empty folder. */
  static async arrive(): Promise<Newcomer> {
    return new Newcomer(await makeTemporaryFolder());
  }

  /** The folder. */
  get path(): string {
    return this.#folder.path;
  }

  /** Runs a command to its end. */
  async run(words: readonly string[], input = ""): Promise<Said> {
    const child = this.#spawn(words);
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input)).catch(() => {});
    await writer.close().catch(() => {});
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** The same, for what must go well: gives what it wrote on standard output. */
  async do(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(words);
    if (code !== 0) throw new AssertionError(`${words.join(" ")}: ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Starts a command and reads what it writes, line by line, until that is enough; then it is ended. */
  async follow(
    words: readonly string[],
    begun: () => Promise<unknown>,
    isEnough: (lines: readonly string[]) => boolean,
  ): Promise<readonly string[]> {
    const child = this.#spawn(words);
    await child.stdin.close();
    const lines: string[] = [];
    const reading = readLines(child.stdout, lines);
    const stderr: string[] = [];
    const complaining = readLines(child.stderr, stderr);
    try {
      // Whoever asks for a conversation that begins before it listens has missed it.
      await until(words.join(" "), async () => {
        await begun();
        return isEnough(lines);
      }, { log: () => [...lines, ...stderr].join("\n") });
    } finally {
      child.kill("SIGINT");
      await child.status;
      await Promise.all([reading, complaining]);
    }
    return lines;
  }

  /** Starts the server and waits until so many listeners are there. */
  async serve(listeners: number): Promise<RunningServer> {
    const child = this.#spawn(["serve"]);
    await child.stdin.close();
    const lines: string[] = [];
    const stderr: string[] = [];
    const reading = [readLines(child.stdout, lines), readLines(child.stderr, stderr)];
    const events: MtaEvent[] = [];
    const look = () => {
      while (events.length < lines.length) events.push(JSON.parse(lines[events.length]!));
      return events;
    };
    let ended = false;
    const status = child.status.then(({ code }) => {
      ended = true;
      return code;
    });
    const stop = async () => {
      if (!ended) child.kill("SIGTERM");
      const code = await status;
      await Promise.all(reading);
      look();
      return code;
    };
    const started = () => look().filter(({ type }) => type === "listener.started").length;
    await until("the server", () => started() === listeners, {
      log: () => [...lines, ...stderr].join("\n"),
      ended: () => ended,
    }).catch(async (error) => {
      await stop();
      throw error;
    });
    return {
      get events() {
        return look();
      },
      stop,
      [Symbol.asyncDispose]: async () => void await stop(),
    };
  }

  #spawn(words: readonly string[]): Deno.ChildProcess {
    const [program = "", ...before] = COMMAND;
    // The sources need the packages that Deno has fetched.
    const own = ["HOME", "DENO_DIR"].flatMap((name) => {
      const value = Deno.env.get(name);
      return BUILD.length > 0 || value === undefined ? [] : [[name, value]];
    });
    return new Deno.Command(program, {
      args: [...before, ...words],
      cwd: this.path,
      clearEnv: true,
      env: { PATH: "/nonexistent", ...Object.fromEntries(own) },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function readLines(stream: ReadableStream<Uint8Array>, into: string[]): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream() as TransformStream)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    into.push(...lines);
  }
  if (rest !== "") into.push(rest);
}
