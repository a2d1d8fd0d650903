/**
 * The whole server beside others, on one machine and in turns: mail accepted, delivered and relayed, TLS, memory, and
 * how long replies take; one table at the end, with the goal of each row.
 *
 * All servers make a message durable before they say 250, and keep what they keep on the same disk. Ours is started
 * as a user starts it (`support/server.ts`), fresh for each row; its queue is emptied between runs, as those of
 * the others are. Most rows are measured by a load harness that is not part of this project: `SMTP_BENCH` names its
 * folder, which has a program `bench.py` that takes `WORK --peers NAMES --attach NAME:PORT:PID[:CLEAN] …` and scripts
 * `peers/NAME start|stop|clean`; it needs root, Postfix and its tools. Two rows are measured by a load of our own:
 * memory (`end_to_end/idle.ts`) and delays (`end_to_end/tail.ts`). A row that fails is said, and the others go on.
 *
 *     SMTP_BENCH=DIR deno run --no-prompt -A bench/end_to_end.ts [accept] [relay] … [--runs=3] [--peers=postfix]
 *
 * @module
 */

import type { Context } from "./end_to_end/context.ts";
import { measureDecoder } from "./end_to_end/decoder.ts";
import { rateOf, runHarness } from "./end_to_end/harness.ts";
import { idleOfOurs, idleOfPeer } from "./end_to_end/idle.ts";
import {
  formatResults,
  type HarnessRow,
  judge,
  type Measured,
  measuredOf,
  OURS,
  type Result,
} from "./end_to_end/results.ts";
import { type HarnessWork, PEER_NAMES, type Row, ROWS } from "./end_to_end/rows.ts";
import { measureTail } from "./end_to_end/tail.ts";
import { cleanUpOnSignals } from "./support/clean_up.ts";
import { commandLine, missing } from "./support/command_line.ts";
import { formatMachine, thisMachine } from "./support/machine.ts";
import { formatNumber } from "./support/table.ts";

const { flags, values, words } = commandLine({
  program: "bench/end_to_end.ts",
  about: "The whole server beside others, in turns. SMTP_BENCH names the folder of a load harness.",
  words: Object.fromEntries(ROWS.map(({ name, work }) => [name, work])),
  values: {
    runs: ["COUNT", "", "Runs of each row; default 3, with --quick 1"],
    peers: ["NAMES", "postfix", `With commas, of ${PEER_NAMES.join(", ")}`],
    workers: ["COUNT", "", "workers: in our configuration"],
    dir: ["DIR", "/var/tmp", "All servers keep their mail on the disk of this folder"],
    tree: ["DIR", "", "Start our server from these sources; default those beside this program"],
    rate: ["COUNT", "", "tail: messages a second; default half of what the peer accepts"],
  },
  flags: {
    quick: "Less of everything: to see that it works",
    json: "Print a line of JSON for each row",
  },
});

const harness = Deno.env.get("SMTP_BENCH");
if (harness === undefined) {
  missing(
    "SMTP_BENCH is not set, so nothing was measured. It names the folder of a load harness: a program\n" +
      "bench.py that drives smtp-source and smtp-sink (Debian: postfix) against servers in turns; see the\n" +
      "head of bench/end_to_end.ts.",
  );
}
const peers = values.peers.split(",").filter((name) => name !== "");
const stranger = peers.find((name) => !PEER_NAMES.includes(name));
if (stranger !== undefined) {
  console.error(`bench/end_to_end.ts: the harness has no peer ${stranger}; see --help`);
  Deno.exit(64);
}
await checkThere(harness);

await using cleanUp = cleanUpOnSignals();
const context: Context = {
  harness,
  disk: values.dir,
  state: await cleanUp.folder(values.dir),
  peers,
  runs: Number(values.runs || (flags.quick ? 1 : 3)),
  quick: flags.quick,
  cleanUp,
  ...(values.tree === "" ? {} : { tree: await Deno.realPath(values.tree) }),
  ...(values.workers === "" ? {} : { workers: Number(values.workers) }),
};

/** Says what is missing of what every row needs. */
async function checkThere(harness: string): Promise<void> {
  for (const file of ["bench.py", "smtpload", "cert.pem", "peers/postfix"]) {
    const there = await Deno.stat(`${harness}/${file}`).then(() => true, () => false);
    if (!there) {
      missing(`${harness}/${file} is not there: SMTP_BENCH must name a harness that is set up`);
    }
  }
  for (const program of ["python3", "smtp-source", "smtp-sink"]) {
    const { success } = await new Deno.Command("sh", {
      args: ["-c", `command -v ${program}`],
      stdout: "null",
    }).output();
    if (!success) missing(`${program} is not installed (Debian: python3, postfix)`);
  }
  if (Deno.uid() !== 0) missing("the harness starts mail servers, for which it must be root");
}

/** What the harness gave, by the call: two rows come from one. */
const calls = new Map<string, HarnessRow[]>();

async function harnessRows(work: HarnessWork): Promise<HarnessRow[]> {
  const key = [work.letter, ...work.args].join(" ");
  const rows = calls.get(key) ?? await runHarness(context, work);
  calls.set(key, rows);
  return rows;
}

/** What each peer accepts, as far as a row has found it out. */
const accepted = new Map<string, number>();

/** Ours against each of the others. */
function judgeAll(row: Row, measured: readonly Measured[], work = row.work): Result[] {
  const ours = measured.find(({ server }) => server === OURS);
  if (ours === undefined) throw new Error("our server gave nothing");
  const others = measured.filter(({ server }) => server !== OURS);
  return others.length === 0
    ? [judge(row, ours, null, work)]
    : others.map((peer) => judge(row, ours, peer, work));
}

async function measure(row: Row): Promise<Result[]> {
  switch (row.measured.kind) {
    case "harness": {
      const measured = measuredOf(await harnessRows(row.measured), row.measured.what);
      const results = judgeAll(row, measured);
      if (row.name === "accept") {
        for (const { peer, theirs } of results) if (theirs) accepted.set(peer, theirs.median);
      }
      return results;
    }
    case "idle": {
      const count = flags.quick ? 2_000 : 10_000;
      const ours = await idleOfOurs(context, count);
      const others: Measured[] = [];
      for (const name of peers) others.push(await idleOfPeer(context, name));
      return judgeAll(row, [ours, ...others], `${row.work}, ${formatNumber(count)} open`);
    }
    case "tail": {
      const results: Result[] = [];
      for (const name of peers) {
        const half = (accepted.get(name) ?? await rateOf(context, name)) / 2;
        const rate = values.rate === "" ? Math.round(half) : Number(values.rate);
        const [ours, peer] = await measureTail(context, name, rate);
        results.push(judge(row, ours, peer, `${row.work} (${rate}/s)`));
      }
      return results;
    }
    case "decoder":
      return await measureDecoder(row, flags.quick, cleanUp);
  }
}

const results: Result[] = [];
for (const row of ROWS) {
  if (words.length > 0 && !words.includes(row.name)) continue;
  console.error(`${row.name}: ${row.work} …`);
  try {
    results.push(...await measure(row));
  } catch (error) {
    await cleanUp.unlessEnding();
    console.error(`${row.name}: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  }
}
if (flags.json) {
  for (const { row, ...result } of results) {
    const { name, unit, goal } = row;
    console.log(JSON.stringify({ bench: "end_to_end", name, unit, goal, ...result }));
  }
} else {
  console.log(`Medians of ${context.runs} runs; ${formatMachine(thisMachine())}\n`);
  console.log(formatResults(results));
}
