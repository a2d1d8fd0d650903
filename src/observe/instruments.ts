/**
 * What counts: tallies and histograms with labels, cheap enough for the path of every mail (a look into a
 * map and an addition). How many sets of labels there may be is bounded: what comes beyond is counted
 * under `other`, so that nobody outside can make the list of metrics grow.
 *
 * @module
 */

import type { MetricFamily } from "./open_metrics.ts";

/** What an instrument is called. */
export interface InstrumentOptions {
  /** As in {@link MetricFamily}. */
  readonly name: string;
  readonly help: string;
  readonly unit?: MetricFamily["unit"];
  /** The names of its labels; none for a single number. */
  readonly labels?: readonly string[];
  /** Sets of labels that are there from the start, with 0: a rate is not known of what appears with 1. */
  readonly known?: readonly (readonly string[])[];
  /** Sets of labels at most; default 64. */
  readonly limit?: number;
}

/** The value of a label that stands for those there was no room for. */
export const OTHER = "other";

const LIMIT = 64;

/** The cells of an instrument, by labels. */
class Cells<T> {
  readonly #cells = new Map<string, { readonly labels: readonly string[]; readonly cell: T }>();
  readonly #names: readonly string[];
  readonly #limit: number;
  readonly #make: () => T;

  constructor({ labels = [], known = [], limit = LIMIT }: InstrumentOptions, make: () => T) {
    this.#names = labels;
    this.#limit = limit;
    this.#make = make;
    if (labels.length === 0) this.at("", "");
    for (const [first = "", second = ""] of known) this.at(first, second);
  }

  /** The cell of one label, or two. */
  at(first: string, second: string): T {
    const key = second === "" ? first : `${first}\n${second}`;
    return this.#cells.get(key)?.cell ?? this.#add(key, [first, second]);
  }

  #add(key: string, labels: readonly string[]): T {
    const rest = this.#names.map(() => OTHER);
    if (this.#cells.size >= this.#limit && key !== rest.join("\n")) {
      return this.at(rest[0] ?? "", rest[1] ?? "");
    }
    const cell = this.#make();
    this.#cells.set(key, { labels, cell });
    return cell;
  }

  samples(read: (cell: T) => MetricFamily["samples"][number]["value"]): MetricFamily["samples"] {
    return [...this.#cells.values()].map(({ labels, cell }) => ({
      labels: Object.fromEntries(this.#names.map((name, index) => [name, labels[index] ?? ""])),
      value: read(cell),
    }));
  }
}

/**
 * A number that only grows (a counter), or goes up and down (a gauge).
 *
 * @example
 * ```ts
 * import { Tally } from "./instruments.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const seen = new Tally("counter", { name: "seen", help: "…", labels: ["colour"], limit: 1 });
 * seen.add(1, "red");
 * seen.add(1, "green");
 * seen.add(1, "blue");
 * assertEquals(seen.family().samples, [
 *   { labels: { colour: "red" }, value: 1 },
 *   { labels: { colour: "other" }, value: 2 },
 * ]);
 * ```
 */
export class Tally {
  readonly #type: "counter" | "gauge";
  readonly #options: InstrumentOptions;
  readonly #cells: Cells<{ value: number }>;

  /** @param type whether it only grows. @param options its name and labels. */
  constructor(type: "counter" | "gauge", options: InstrumentOptions) {
    this.#type = type;
    this.#options = options;
    this.#cells = new Cells(options, () => ({ value: 0 }));
  }

  /** Adds to the number with these labels. */
  add(amount: number, first = "", second = ""): void {
    this.#cells.at(first, second).value += amount;
  }

  /** As a metric. */
  family(): MetricFamily {
    const samples = this.#cells.samples(({ value }) => value);
    return familyOf(this.#options, this.#type, samples);
  }
}

interface Buckets {
  readonly counts: Float64Array;
  sum: number;
}

/** How values are distributed. */
export class Histogram {
  readonly #options: InstrumentOptions;
  readonly #bounds: readonly number[];
  readonly #cells: Cells<Buckets>;

  /** @param bounds the upper bounds of the buckets, ascending. @param options its name and labels. */
  constructor(bounds: readonly number[], options: InstrumentOptions) {
    this.#bounds = bounds;
    this.#options = options;
    const size = bounds.length + 1;
    this.#cells = new Cells(options, () => ({ counts: new Float64Array(size), sum: 0 }));
  }

  /** Notes a value. */
  observe(value: number, first = "", second = ""): void {
    const cell = this.#cells.at(first, second);
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && value > bounds[index]!) index++;
    cell.counts[index]!++;
    cell.sum += value;
  }

  /** As a metric. */
  family(): MetricFamily {
    const bounds = this.#bounds;
    const samples = this.#cells.samples(({ counts, sum }) => ({ bounds, counts, sum }));
    return familyOf(this.#options, "histogram", samples);
  }
}

function familyOf(
  { name, help, unit }: InstrumentOptions,
  type: MetricFamily["type"],
  samples: MetricFamily["samples"],
): MetricFamily {
  return { name, type, help, ...(unit !== undefined && { unit }), samples };
}
