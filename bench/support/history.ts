/**
 * The history of figures: `bench/history.jsonl`, one line for each time `deno task bench` ran. Pure.
 *
 * @module
 */

import { type Figure, nameOf } from "./figure.ts";
import type { Checkout, Machine } from "./machine.ts";

/** One line. */
export interface HistoryLine extends Checkout {
  /** When, in UTC (RFC 3339). */
  readonly date: string;
  readonly machine: Machine;
  /** Medians by the figure's name, with its unit. */
  readonly figures: Readonly<Record<string, { readonly median: number; readonly unit: string }>>;
}

/** The line of a run. */
export function historyLine(
  date: Date,
  checkout: Checkout,
  machine: Machine,
  figures: readonly Figure[],
): HistoryLine {
  const { commit, modified } = checkout;
  const medians = figures.map((figure) =>
    [nameOf(figure), {
      median: Number(figure.median.toPrecision(5)),
      unit: figure.unit,
    }] as const
  );
  return {
    commit,
    modified,
    date: date.toISOString(),
    machine,
    figures: Object.fromEntries(medians),
  };
}

/** As it stands in the file, with its line end. */
export function formatHistoryLine(line: HistoryLine): string {
  return `${JSON.stringify(line)}\n`;
}

/**
 * The lines of a history.
 *
 * @throws {SyntaxError} for one that is none, with its number.
 */
export function parseHistory(text: string): HistoryLine[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const value = JSON.parse(line) as Partial<HistoryLine>;
    if (typeof value.commit !== "string" || typeof value.figures !== "object") {
      throw new SyntaxError(`line ${index + 1} is none of a history`);
    }
    return [value as HistoryLine];
  });
}
