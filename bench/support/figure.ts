/**
 * A figure: what one measurement gave, as every program here writes it with `--json`, one a line. The lines of
 * `data_decoder.ts`, which have several figures each, are read as well. Pure.
 *
 * @module
 */

import { summarise, type Summary } from "./statistics.ts";
import { formatNumber, formatTable } from "./table.ts";

/** What was measured, and what the runs gave. */
export interface Figure extends Summary {
  /** The program. */
  readonly bench: string;
  /** What it measured; with the program's name the figure's own for good, as the history knows it. */
  readonly name: string;
  /** Such as `messages/s`. */
  readonly unit: string;
}

/** A figure of these runs. */
export function figureOf(
  bench: string,
  name: string,
  unit: string,
  values: readonly number[],
): Figure {
  return { bench, name, unit, ...summarise(values) };
}

/** The figure's name in a history, such as `session: pipelined`. */
export function nameOf({ bench, name }: Figure): string {
  return `${bench}: ${name}`;
}

/** Whether more of it is better: rates are, what a message costs is not. */
export function moreIsBetter({ unit }: Figure): boolean {
  return unit.endsWith("/s");
}

/** One line of JSON. Values have five figures that matter. */
export function formatFigure({ median, lowest, highest, ...rest }: Figure): string {
  return JSON.stringify({
    ...rest,
    median: short(median),
    lowest: short(lowest),
    highest: short(highest),
  });
}

function short(value: number): number {
  return Number(value.toPrecision(5));
}

/** Figures as a table for people. */
export function formatFigures(figures: readonly Figure[]): string {
  return formatTable(
    ["what", "median", "lowest", "highest", "unit"],
    figures.map(({ name, median, lowest, highest, unit }) => [
      name,
      ...[median, lowest, highest].map(formatNumber),
      unit,
    ]),
  );
}

/**
 * The figures in what a program wrote.
 *
 * @throws {SyntaxError} for a line that is none.
 */
export function parseFigures(text: string): Figure[] {
  return text.split("\n").filter((line) => line.trim() !== "").flatMap(parseLine);
}

function parseLine(line: string): Figure[] {
  const value: unknown = JSON.parse(line);
  if (isFigure(value)) return [value];
  if (!isDecoderLine(value)) throw new SyntaxError(`no figure: ${line}`);
  const { bench, corpus, unit, rates } = value;
  return Object.entries(rates).map(([decoder, { median, lowest, highest }]) => ({
    bench,
    name: `${corpus}, ${decoder}`,
    unit,
    median,
    lowest,
    highest,
    runs: 1,
  }));
}

/** What `data_decoder.ts` writes: one line for each kind of message, with all decoders. */
export interface DecoderLine {
  readonly bench: string;
  readonly corpus: string;
  readonly unit: string;
  readonly rates: Readonly<Record<string, Omit<Summary, "runs">>>;
  /** Ours to the peer's. */
  readonly ratio: number;
}

function isFigure(value: unknown): value is Figure {
  return isObject(value) && typeof value["name"] === "string" && isSummary(value) &&
    typeof value["bench"] === "string" && typeof value["unit"] === "string";
}

/** Whether a parsed line is one of `data_decoder.ts`. */
export function isDecoderLine(value: unknown): value is DecoderLine {
  return isObject(value) && typeof value["corpus"] === "string" && isObject(value["rates"]) &&
    typeof value["ratio"] === "number" && Object.values(value["rates"]).every(isSummary);
}

function isSummary(value: unknown): boolean {
  return isObject(value) &&
    ["median", "lowest", "highest"].every((key) => Number.isFinite(value[key]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
