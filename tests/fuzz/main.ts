/**
 * `deno task fuzz`: fuzzes all targets, or some, and says what came of it. `--help` tells more.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { attempt, timedAttempt } from "./engine/attempt.ts";
import { seedOf } from "./engine/chance.ts";
import { CORPUS } from "./engine/corpus.ts";
import type { Failure, Progress } from "./engine/fuzz.ts";
import { runTarget } from "./engine/run_target.ts";
import { loadTarget, TARGETS } from "./targets.ts";

const HELP = `Gives hostile input to all that reads what strangers write, and checks what must hold.

Usage: deno task fuzz [--target NAME]... [--seconds N | --runs N] [--seed N] [--jobs N]
       deno task fuzz --target NAME --input FILE

  --target NAME   Only this target; may be given more than once
  --seconds N     Seconds in all, divided among the targets. Default 60
  --runs N        Inputs for each target instead
  --seed N        Where chance begins: the same seed and --runs give the same inputs. Default: random
  --jobs N        Targets that run at once, a thread each. Default 1
  --input FILE    Give one target this one input, such as one that failed
  --failures DIR  Where inputs that fail are written. Default: a new temporary folder
  --keep DIR      Begin with the inputs kept there too, and add those that find new code
  --list          Print the targets
  --help          Print this help

An input is worth keeping where it makes code of src/ run that never ran before (as V8 counts it); most
inputs are made of such ones. Exit code: 0, or 1 where an input failed, 64 for a wrong command line.
`;

const FLAGS = {
  target: { type: "string", multiple: true },
  seconds: { type: "string" },
  runs: { type: "string" },
  seed: { type: "string" },
  jobs: { type: "string" },
  input: { type: "string" },
  failures: { type: "string" },
  keep: { type: "string" },
  list: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

class UsageError extends Error {}

function read(words: readonly string[]) {
  try {
    const { values } = parseArgs({ args: [...words], options: FLAGS });
    return values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function readNumber(flag: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const number = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || !(number >= 0)) throw new UsageError(`${flag}: no number`);
  return number;
}

async function main(words: readonly string[]): Promise<number> {
  const flags = read(words);
  if (flags.help) {
    console.log(HELP.trimEnd());
    return 0;
  }
  const names = flags.target ?? TARGETS;
  if (flags.list) {
    for (const name of names) console.log(`${name.padEnd(14)} ${(await loadTarget(name)).about}`);
    return 0;
  }
  const unknown = names.find((name) => !TARGETS.includes(name));
  if (unknown !== undefined) throw new UsageError(`--target: no ${unknown}; --list prints them`);
  if (flags.input !== undefined) {
    if (names.length !== 1) throw new UsageError("--input wants one --target");
    return await replay(names[0]!, flags.input);
  }
  const runs = readNumber("--runs", flags.runs);
  const seconds = readNumber("--seconds", flags.seconds);
  if (runs !== null && seconds !== null) throw new UsageError("--runs or --seconds, not both");
  const session = new FuzzSession({
    names,
    runs,
    seconds: runs === null ? seconds ?? 60 : null,
    seed: readNumber("--seed", flags.seed) ?? crypto.getRandomValues(new Uint32Array(1))[0]!,
    jobs: Math.max(1, readNumber("--jobs", flags.jobs) ?? 1),
    failures: flags.failures ?? null,
    keep: flags.keep ?? null,
  });
  return await session.run();
}

async function replay(name: string, path: string): Promise<number> {
  const target = await loadTarget(name);
  const input = await Deno.readFile(path);
  const fault = await attempt(target, input) ?? await timedAttempt(target, input);
  console.log(
    fault === null ? `${name}: ${path} passes` : `${name}: ${path} fails\n${fault.message}`,
  );
  return fault === null ? 0 : 1;
}

interface Wanted {
  readonly names: readonly string[];
  readonly runs: number | null;
  readonly seconds: number | null;
  readonly seed: number;
  readonly jobs: number;
  readonly failures: string | null;
  readonly keep: string | null;
}

class FuzzSession {
  #folder: string | null;
  #failures = 0;
  #inputs = 0;
  #done = 0;

  constructor(readonly wanted: Wanted) {
    this.#folder = wanted.failures;
  }

  async run(): Promise<number> {
    const { names, jobs, seed } = this.wanted;
    const began = performance.now();
    const waiting = [...names];
    console.log(`fuzz: ${names.length} targets, seed ${seed}`);
    const work = async () => {
      for (let name; (name = waiting.shift()) !== undefined;) await this.#runOne(name);
    };
    await Promise.all(Array.from({ length: Math.min(jobs, names.length) }, work));
    const took = Math.round((performance.now() - began) / 1000);
    console.log(
      `fuzz: ${this.#inputs} inputs, ${names.length} targets, ${this.#failures} failures, ` +
        `seed ${seed}, ${took} s`,
    );
    return this.#failures === 0 ? 0 : 1;
  }

  async #runOne(name: string): Promise<void> {
    const { runs, seconds, seed, jobs, names, keep } = this.wanted;
    const kept = keep === null ? [] : [folderUrl(keep)];
    const threads = Math.min(jobs, names.length);
    const progress = await runTarget({
      target: name,
      seed: (seed ^ seedOf(new TextEncoder().encode(name))) >>> 0,
      runs,
      time: seconds === null ? null : seconds * 1000 * threads / names.length,
      folders: [CORPUS.href, ...kept],
      failed: (failure) => this.#failed(name, failure),
      found: (input) => keep === null ? undefined : this.#keep(keep, name, input),
      progress: (progress) => this.#show(name, progress),
    });
    this.#done++;
    this.#inputs += progress.inputs;
    if (Deno.stdout.isTerminal()) console.log(`\r\x1b[K${describe(name, progress)}`);
    else console.log(describe(name, progress));
  }

  #show(name: string, progress: Progress): void {
    if (!Deno.stdout.isTerminal()) return;
    const text = `\r\x1b[K${this.#done}/${this.wanted.names.length} ${describe(name, progress)}`;
    Deno.stdout.writeSync(new TextEncoder().encode(text));
  }

  #failed(name: string, failure: Failure): void {
    this.#failures++;
    this.#folder ??= Deno.makeTempDirSync({ prefix: "yizhan-fuzz-" });
    const path = write(this.#folder, name, failure.input);
    console.log(`\n${name}: FAILED after ${failure.after} inputs\n${failure.message}`);
    console.log(`again: deno task fuzz --target ${name} --input ${path}\n`);
  }

  #keep(folder: string, name: string, input: Uint8Array): void {
    write(`${folder}/${name}`, "found", input);
    // It is only more to begin with the next time.
  }
}

function describe(name: string, { inputs, pool, covered, known, failures }: Progress): string {
  const share = known === 0 ? "not measured" : `${Math.floor(100 * covered / known)} %`;
  return `${name.padEnd(14)} ${inputs} inputs, ${pool} kept, ${covered} characters covered, ` +
    `${share} of the functions reached, ${failures} failures`;
}

function folderUrl(path: string): string {
  return new URL(`file://${path.startsWith("/") ? path : `${Deno.cwd()}/${path}`}/`).href;
}

function write(folder: string, name: string, input: Uint8Array): string {
  Deno.mkdirSync(folder, { recursive: true });
  const path = `${folder}/${name}-${seedOf(input).toString(16).padStart(8, "0")}`;
  Deno.writeFileSync(path, input);
  return path;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`fuzz: ${error.message}`);
    Deno.exit(64);
  }
}
