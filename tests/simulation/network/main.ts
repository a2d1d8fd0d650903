/**
 * `deno task simulate`: runs seeds of the simulated network, in several threads if wanted, and says which failed and
 * how each is run again.
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { SeedOutcome } from "./run.ts";
import { runSeed } from "./run.ts";
import { formatTally, Tally } from "./tally.ts";

const HELP =
  `Simulates a network of mail stations, in memory and virtual time, with troubles at every step.

Usage: deno task simulate [options]

  --seeds N   how many seeds to run (default 100)
  --from S    the first seed (default 1)
  --seed S    this seed alone
  --trace     print all that happens in the seed (with --seed)
  --jobs J    threads (default 1)
  --help      print this

Exit code 1 when a seed fails, 2 for wrong options. The same seed always gives the same run.
`;

/** Seeds that a thread is given at once. */
const BATCH = 20;

/** Milliseconds after which a seed has not come to an end: hundreds of times as long as others take. */
const ENDLESS = 120_000;

/** What was asked for. */
interface Wanted {
  readonly from: number;
  readonly seeds: number;
  readonly jobs: number;
  readonly trace: boolean;
}

/** @throws {Error} in words, for options that cannot be. */
function readOptions(): Wanted | null {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      seeds: { type: "string", default: "100" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      trace: { type: "boolean", default: false },
      jobs: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const number = (name: string, text: string, least: number) => {
    if (/^\d+$/.test(text) && Number(text) >= least && Number(text) < 2 ** 31) return Number(text);
    throw new Error(`--${name}: "${text}" is not a whole number from ${least} on`);
  };
  const { seed, trace } = values;
  if (trace && seed === undefined) throw new Error("--trace: say which seed, with --seed");
  return {
    from: number(seed === undefined ? "from" : "seed", seed ?? values.from, 0),
    seeds: seed === undefined ? number("seeds", values.seeds, 1) : 1,
    jobs: number("jobs", values.jobs, 1),
    trace,
  };
}

/** Runs all, telling of each as it ends. */
async function runAll({ from, seeds, jobs, trace }: Wanted, onEnd: (one: SeedOutcome) => void) {
  if (jobs === 1 || seeds <= BATCH) {
    for (let seed = from; seed < from + seeds; seed++) onEnd(await runSeed(seed, { trace }));
    return;
  }
  let next = from;
  const end = from + seeds;
  await Promise.all(Array.from({ length: jobs }, () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
      let seed = next;
      let timer: ReturnType<typeof setTimeout> | undefined;
      // A thread that is caught in a loop says nothing more.
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(() => reject(new EndlessError(seed)), ENDLESS);
      };
      const give = () => {
        if (next >= end) {
          clearTimeout(timer);
          worker.terminate();
          return resolve();
        }
        seed = next;
        next = Math.min(next + BATCH, end);
        wait();
        worker.postMessage({ first: seed, last: next - 1 });
      };
      worker.onmessage = ({ data }) => {
        if (data === null) return give();
        seed++;
        wait();
        onEnd(data);
      };
      worker.onerror = ({ message }) => reject(new Error(message));
      give();
    })));
}

/** A seed that runs for ever. */
class EndlessError extends Error {
  constructor(seed: number) {
    super(
      `seed ${seed} failed:\n  it has not ended after ${ENDLESS / 1000} s\n` +
        `  again: deno task simulate --seed ${seed}`,
    );
  }
}

async function main(): Promise<number> {
  let wanted: Wanted | null;
  try {
    wanted = readOptions();
  } catch (error) {
    console.error(`simulate: ${(error as Error).message}`);
    return 2;
  }
  if (wanted === null) {
    console.log(HELP);
    return 0;
  }
  const tally = new Tally();
  const begun = performance.now();
  const progress = Deno.stderr.isTerminal() ? 1 : 500;
  const encoder = new TextEncoder();
  const show = (outcome: SeedOutcome) => {
    tally.add(outcome);
    for (const line of outcome.lines) console.log(line);
    if (outcome.problems.length > 0) {
      console.log(`seed ${outcome.seed} failed:`);
      for (const problem of outcome.problems) console.log(`  ${problem}`);
      console.log(`  again: deno task simulate --seed ${outcome.seed} --trace`);
    }
    if (tally.seeds % progress !== 0) return;
    const line = `${tally.seeds} of ${wanted.seeds} seeds, ${tally.failed} failed`;
    Deno.stderr.writeSync(encoder.encode(progress === 1 ? `\r${line}` : `${line}\n`));
  };
  try {
    await runAll(wanted, show);
  } catch (error) {
    if (!(error instanceof EndlessError)) throw error;
    console.log(error.message);
    return 1;
  }
  if (progress === 1) Deno.stderr.writeSync(encoder.encode("\n"));
  console.log(formatTally(tally, performance.now() - begun));
  return tally.failed > 0 ? 1 : 0;
}

Deno.exit(await main());
