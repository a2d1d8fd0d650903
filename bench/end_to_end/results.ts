/**
 * What came of the rows: the harness's lines read, ours held against a peer's, and the table of it all. Pure.
 *
 * @module
 */

import { spread, summarise, type Summary } from "../support/statistics.ts";
import { formatNumber, formatShare, formatTable } from "../support/table.ts";
import { formatGoal, type Row } from "./rows.ts";

/** The name we have in the harness. */
export const OURS = "yizhan";

/** What one server gave in one row. */
export interface Measured {
  readonly server: string;
  /** In the row's unit. */
  readonly values: readonly number[];
  /** CPU seconds per 1,000 messages, run by run; empty where they are not known. */
  readonly cpu: readonly number[];
  /** Messages or connections that failed, of all runs. */
  readonly failed: number;
}

/** A line of the harness's raw output: one run of one server. */
export interface HarnessRow {
  readonly target: string;
  readonly rate: number;
  readonly cpu: number;
  /** Which part of its work; empty where there is only one. */
  readonly what: string;
  readonly failed: number;
}

/**
 * Reads the harness's raw output (`--out`).
 *
 * @throws {SyntaxError} for a line that is no run with a rate.
 */
export function parseHarnessRows(text: string): HarnessRow[] {
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const { target, rate, cpu_per_1000: cpu, what = "", failed = 0, lost = 0 } = JSON.parse(line);
    if (typeof target !== "string" || typeof rate !== "number" || typeof cpu !== "number") {
      throw new SyntaxError(`no run of the harness: ${line}`);
    }
    return { target, rate, cpu, what, failed: failed + lost };
  });
}

/** The runs of a part of the work, server by server. */
export function measuredOf(rows: readonly HarnessRow[], what?: string): Measured[] {
  const meant = rows.filter((row) => what === undefined || row.what === what);
  return [...Map.groupBy(meant, ({ target }) => target)].map(([server, runs]) => ({
    server,
    values: runs.map(({ rate }) => rate),
    cpu: runs.map(({ cpu }) => cpu),
    failed: runs.reduce((sum, { failed }) => sum + failed, 0),
  }));
}

/** Ours held against one peer's. */
export interface Result {
  readonly row: Row;
  /** The row's work, where one row has several lines more of it. */
  readonly work: string;
  readonly peer: string;
  readonly ours: Summary;
  readonly theirs: Summary | null;
  /** How many times better ours is; `null` without a peer. */
  readonly times: number | null;
  readonly oursCpu: number | null;
  readonly theirCpu: number | null;
  /** How many times less CPU ours takes. */
  readonly cpuTimes: number | null;
  readonly reached: boolean;
  /** What spoils the figures, on either side: messages that failed. */
  readonly trouble: string;
}

/** Holds ours against a peer's; `null` where there is no peer to hold it against. */
export function judge(row: Row, ours: Measured, peer: Measured | null, work = row.work): Result {
  const mine = summarise(ours.values);
  const theirs = peer === null ? null : summarise(peer.values);
  const ratio = theirs === null ? null : mine.median / theirs.median;
  const times = ratio !== null && row.better === "less" ? 1 / ratio : ratio;
  const [oursCpu, theirCpu] = [medianOf(ours.cpu), medianOf(peer?.cpu ?? [])];
  const cpuTimes = oursCpu === null || theirCpu === null ? null : theirCpu / oursCpu;
  const { goal } = row;
  const trouble = [ours, peer].flatMap((side) =>
    side !== null && side.failed > 0 ? [`${side.server}: ${side.failed} failed`] : []
  ).join("; ");
  const reached = trouble === "" && atLeast(times, goal.times) &&
    atLeast(cpuTimes, goal.cpuTimes) && (goal.most === undefined || mine.median <= goal.most);
  const name = peer?.server ?? "";
  return {
    row,
    work,
    peer: name,
    ours: mine,
    theirs,
    times,
    oursCpu,
    theirCpu,
    cpuTimes,
    reached,
    trouble,
  };
}

function medianOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : summarise(values).median;
}

function atLeast(value: number | null, wanted: number | undefined): boolean {
  return wanted === undefined || (value !== null && value >= wanted);
}

const HEAD = [
  "work",
  "unit",
  "goal",
  "ours",
  "theirs",
  "peer",
  "times better",
  "CPU s/1,000: ours",
  "theirs",
  "times less",
  "spread: ours, theirs",
  "reached",
];

/** The table, in Markdown. */
export function formatResults(results: readonly Result[]): string {
  return formatTable(HEAD, results.map(cellsOf));
}

function cellsOf(result: Result): string[] {
  const { row, work, peer, ours, theirs, times, oursCpu, theirCpu, cpuTimes } = result;
  const maybe = (value: number | null) => value === null ? "" : formatNumber(value);
  const ratio = (value: number | null) => value === null ? "" : value.toFixed(1);
  const spreads = theirs === null ? [ours] : [ours, theirs];
  return [
    work,
    row.unit,
    formatGoal(row.goal, row),
    formatNumber(ours.median),
    maybe(theirs?.median ?? null),
    peer,
    ratio(times),
    maybe(oursCpu),
    maybe(theirCpu),
    ratio(cpuTimes),
    spreads.map((side) => formatShare(spread(side))).join(", "),
    (result.reached ? "yes" : "no") + (result.trouble === "" ? "" : ` (${result.trouble})`),
  ];
}
