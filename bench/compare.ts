/**
 * What changed between two commits: both are measured in turns on this machine, round by round, so that what else
 * the machine does hits both alike; the change of a figure is the median of what the rounds say, and the noise
 * their range. A change is clear where five rounds or more agree which way it went, which chance alone does once in
 * sixteen times or seldomer: of thirty figures one or two may be called changed that are not.
 *
 * Both are measured by the programs of this checkout, which are copied beside the sources of either commit in a
 * temporary folder. A program that does not fit the sources of a commit (for what it calls was another then)
 * is left out, and said.
 *
 *     deno run --no-prompt -A bench/compare.ts COMMIT COMMIT [--rounds=6] [--only=session,cost] [--json]
 *
 * @module
 */

import { type CleanUp, cleanUpOnSignals } from "./support/clean_up.ts";
import { commandLine, missing } from "./support/command_line.ts";
import { type Figure, moreIsBetter, nameOf } from "./support/figure.ts";
import { formatMachine, git, thisMachine } from "./support/machine.ts";
import { type Program, runProgram } from "./support/program.ts";
import { HERE } from "./support/server.ts";
import { type Change, compareRounds, ENOUGH, summarise } from "./support/statistics.ts";
import { formatChange, formatNumber, formatTable } from "./support/table.ts";

const PROGRAMS: readonly Program[] = [
  { name: "data_decoder", args: ["--quick"] },
  { name: "session", args: ["--quick"] },
  { name: "spool", args: ["--quick"] },
  { name: "cost", args: ["--quick", "--runs=1"] },
];

const { flags, values, words } = commandLine({
  program: "bench/compare.ts",
  about:
    "What changed between two commits, measured in turns. One may be `.`: the files as they are.",
  words: { any: "BEFORE AFTER" },
  values: {
    rounds: ["COUNT", "", "Rounds, in each of which both are measured; default 6, with --quick 3"],
    only: ["NAMES", "data_decoder,session,spool,cost", "Which programs, with commas"],
    works: ["NAMES", "accept,one,maildir,relay", "Which works of cost, with commas"],
  },
  flags: { quick: "Fewer rounds", json: "Print a line of JSON for each figure" },
});
const [before, after] = words;
if (before === undefined || after === undefined || words.length > 2) {
  console.error("bench/compare.ts: wanted two commits; see --help");
  Deno.exit(64);
}
const rounds = Number(values.rounds || (flags.quick ? 3 : 6));
const chosen = PROGRAMS.filter(({ name }) => values.only.split(",").includes(name))
  .map(({ name, args }) => ({
    name,
    args: name === "cost" ? [...values.works.split(","), ...args] : args,
  }));

/** The files as they are, in place of a commit. */
const AS_THEY_ARE = ".";

/** The full hash of a commit. */
async function hashOf(commit: string): Promise<string> {
  if (commit === AS_THEY_ARE) return commit;
  return await git(HERE, "rev-parse", "--verify", "--quiet", `${commit}^{commit}`) ??
    missing(`bench/compare.ts: git knows no commit ${commit}`);
}

/** The sources of a commit in a folder of their own, with the programs of this checkout. */
async function checkOut(hash: string, cleanUp: CleanUp): Promise<string> {
  const folder = await cleanUp.folder();
  if (hash === AS_THEY_ARE) {
    await run("cp", "-r", "src", "mod.ts", "deno.json", "deno.lock", "tests", folder);
  } else {
    await run("git", "archive", "--output", `${folder}/all.tar`, hash);
    await run("tar", "-xf", `${folder}/all.tar`, "-C", folder);
    await run("rm", "-rf", `${folder}/all.tar`, `${folder}/bench`);
  }
  await run("cp", "-r", "bench", folder);
  return folder;
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args, cwd: HERE }).output();
  if (code !== 0) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}

/** The medians of each round, before and after. */
interface Rounds {
  readonly figure: Figure;
  readonly before: number[];
  readonly after: number[];
}

async function measure(program: Program, trees: readonly [string, string], cleanUp: CleanUp) {
  const all = new Map<string, Rounds>();
  for (let round = 0; round < rounds; round++) {
    const order = [[trees[0], "before"], [trees[1], "after"]] as const;
    for (const [tree, side] of round % 2 === 0 ? order : order.toReversed()) {
      for (const figure of await runProgram(tree, program, cleanUp)) {
        const name = nameOf(figure);
        const so = all.get(name) ?? { figure, before: [], after: [] };
        so[side].push(figure.median);
        all.set(name, so);
      }
    }
    console.error(`${program.name}: round ${round + 1} of ${rounds}`);
  }
  return [...all.values()].filter(({ before, after }) => before.length === after.length);
}

function verdict(figure: Figure, { median, clear }: Change): string {
  if (!clear) return rounds < ENOUGH ? "too few rounds" : "within the noise";
  return moreIsBetter(figure) === median > 0 ? "better" : "worse";
}

const hashes = [await hashOf(before), await hashOf(after)] as const;
await using cleanUp = cleanUpOnSignals();
const trees = [await checkOut(hashes[0], cleanUp), await checkOut(hashes[1], cleanUp)] as const;
const rows: string[][] = [];
for (const program of chosen) {
  let measured: readonly Rounds[];
  try {
    measured = await measure(program, trees, cleanUp);
  } catch (error) {
    await cleanUp.unlessEnding();
    console.error(`${program.name} is left out: ${error instanceof Error ? error.message : error}`);
    continue;
  }
  for (const { figure, before, after } of measured) {
    const change = compareRounds(before, after);
    const [was, is] = [summarise(before).median, summarise(after).median];
    if (flags.json) {
      const { bench, name, unit } = figure;
      console.log(JSON.stringify({ bench, name, unit, before: was, after: is, change }));
    }
    rows.push([
      nameOf(figure),
      figure.unit,
      formatNumber(was),
      formatNumber(is),
      formatChange(change.median),
      `${formatChange(change.lowest)} to ${formatChange(change.highest)}`,
      verdict(figure, change),
    ]);
  }
}
if (!flags.json) {
  console.log(
    `${before} to ${after}, ${rounds} rounds in turns; ${formatMachine(thisMachine())}\n`,
  );
  const head = ["what", "unit", before, after, "change", "in the rounds", ""];
  console.log(formatTable(head, rows));
}
