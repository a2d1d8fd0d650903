/**
 * The few numbers that say what several runs gave. Pure.
 *
 * @module
 */

/** What several runs of one measurement gave. */
export interface Summary {
  /** The middle value; of an even number of runs the mean of the two in the middle. */
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  /** How many runs there were. */
  readonly runs: number;
}

/**
 * Sums runs up.
 *
 * @throws {RangeError} where there was none.
 */
export function summarise(values: readonly number[]): Summary {
  if (values.length === 0) throw new RangeError("no runs to sum up");
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1]!;
  const lower = sorted[(sorted.length - 1) >> 1]!;
  return {
    median: (lower + upper) / 2,
    lowest: sorted[0]!,
    highest: sorted.at(-1)!,
    runs: sorted.length,
  };
}

/** How far the runs lie apart: (highest - lowest) / median. */
export function spread({ median, lowest, highest }: Summary): number {
  return median === 0 ? 0 : (highest - lowest) / median;
}

/**
 * The value that a share of all values does not pass, by nearest rank: `quantile(values, 0.99)` is the p99.
 *
 * @param share in (0, 1].
 * @throws {RangeError} where there is no value.
 */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("no values");
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

/** What became of a figure between two commits, from rounds in each of which both were measured. */
export interface Change {
  /** The median of the rounds' changes: 0.05 is five per cent more. */
  readonly median: number;
  /** The lowest and the highest of them: what noise does to one round. */
  readonly lowest: number;
  readonly highest: number;
  /** All rounds, {@link ENOUGH} of them or more, agree which way it went. */
  readonly clear: boolean;
}

/** Rounds that agree by chance alone once in 16 times; of six it would be once in 32. */
export const ENOUGH = 5;

/**
 * Compares round by round, so that what else the machine did in a round hits both sides.
 *
 * @throws {RangeError} where the sides have different numbers of rounds, or none.
 */
export function compareRounds(before: readonly number[], after: readonly number[]): Change {
  if (before.length !== after.length) throw new RangeError("rounds that only one side has");
  const { median, lowest, highest } = summarise(
    before.map((value, round) => after[round]! / value - 1),
  );
  return { median, lowest, highest, clear: before.length >= ENOUGH && (lowest > 0 || highest < 0) };
}
