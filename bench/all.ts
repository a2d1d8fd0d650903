/**
 * All that can be measured without another mail server, in less than two minutes, and a line of it for the history:
 * the decoder of DATA, the session alone, the spool, and what a message costs the whole server.
 *
 * The line goes to `bench/history.jsonl`, with the commit, the machine and all medians. Where the history has
 * an earlier line from such a machine, what changed since is shown; a busy machine changes much by itself, so
 * what a commit does is better asked of `compare.ts`.
 *
 *     deno task bench [--quick] [--json] [--no-history]
 *
 * @module
 */

import { cleanUpOnSignals } from "./support/clean_up.ts";
import { commandLine } from "./support/command_line.ts";
import { type Figure, formatFigure, nameOf } from "./support/figure.ts";
import {
  formatHistoryLine,
  type HistoryLine,
  historyLine,
  parseHistory,
} from "./support/history.ts";
import { checkoutAt, formatMachine, thisMachine } from "./support/machine.ts";
import { type Program, runProgram } from "./support/program.ts";
import { HERE } from "./support/server.ts";
import { formatChange, formatNumber, formatTable } from "./support/table.ts";

const { flags, values } = commandLine({
  program: "bench/all.ts",
  about: "All that can be measured without another mail server, and a line of it for the history.",
  values: { history: ["FILE", `${HERE}/bench/history.jsonl`, "Where the line goes"] },
  flags: {
    quick: "Less of everything, for half a minute",
    json: "Print a line of JSON for each figure",
    "no-history": "Keep no line",
  },
});

const PROGRAMS: readonly Program[] = [
  { name: "data_decoder", args: flags.quick ? ["--quick"] : [] },
  { name: "session", args: ["--quick"] },
  { name: "spool", args: ["--quick"] },
  {
    name: "cost",
    args: flags.quick
      ? ["accept", "--quick", "--runs=1"]
      : ["accept", "one", "maildir", "relay", "--quick"],
  },
];

/** The last line of the history from such a machine, if there is one. */
async function lastLine(file: string, line: HistoryLine): Promise<HistoryLine | null> {
  const { cpu, cores } = line.machine;
  const lines = parseHistory(await Deno.readTextFile(file).catch(() => ""));
  return lines.findLast(({ machine }) => machine.cpu === cpu && machine.cores === cores) ?? null;
}

function rowOf(figure: Figure, last: HistoryLine | null): string[] {
  const before = last?.figures[nameOf(figure)];
  const change = before === undefined ? "" : formatChange(figure.median / before.median - 1);
  return [nameOf(figure), formatNumber(figure.median), figure.unit, change];
}

await using cleanUp = cleanUpOnSignals();
const figures: Figure[] = [];
let failed = false;
for (const program of PROGRAMS) {
  try {
    figures.push(...await runProgram(HERE, program, cleanUp));
  } catch (error) {
    await cleanUp.unlessEnding();
    failed = true;
    console.error(`${program.name}: ${error instanceof Error ? error.message : error}`);
  }
}
const machine = thisMachine();
const line = historyLine(new Date(), await checkoutAt(HERE), machine, figures);
const last = await lastLine(values.history, line);
if (flags.json) {
  for (const figure of figures) console.log(formatFigure(figure));
} else {
  console.log(
    `${formatMachine(machine)}; commit ${line.commit}${line.modified ? ", changed" : ""}\n`,
  );
  const since = last === null ? "" : `since ${last.commit.slice(0, 7)} (${last.date.slice(0, 10)})`;
  const head = ["what", "median", "unit", since];
  console.log(formatTable(head, figures.map((figure) => rowOf(figure, last))));
}
if (failed) Deno.exitCode = 1; // a line with holes is no line
else if (!flags["no-history"]) {
  await Deno.writeTextFile(values.history, formatHistoryLine(line), { append: true });
}
