/**
 * Metrics as text, for those who scrape: OpenMetrics 1.0, and the older text format of Prometheus (0.0.4).
 * Values in, text out; what the metrics are is for `metrics.ts` and others to say. Nothing here fails.
 *
 * @module
 */

/** Some metrics of one name. */
export interface MetricFamily {
  /** Without the `_total` of counters; ends in the unit where there is one, such as `_seconds`. */
  readonly name: string;
  /** What kind of numbers they are. An `info` has the value 1 and tells by its labels. */
  readonly type: "counter" | "gauge" | "histogram" | "info";
  /** The base unit, which ends the name. */
  readonly unit?: "seconds" | "bytes";
  /** A sentence for people. */
  readonly help: string;
  /** The numbers, one for each set of labels. */
  readonly samples: readonly MetricSample[];
}

/** The labels of a number: names of letters, digits and `_`, and any text as values. */
export type MetricLabels = Readonly<Record<string, string>>;

/** One number, or in a histogram one distribution. */
export interface MetricSample {
  readonly labels: MetricLabels;
  readonly value: number | Distribution;
}

/** How often values fell where. */
export interface Distribution {
  /** The upper bounds of the buckets, ascending; above the last there is one more. */
  readonly bounds: readonly number[];
  /** How many values each bucket has, those of the buckets below not counted; one more than bounds. */
  readonly counts: ArrayLike<number>;
  /** Of all values. */
  readonly sum: number;
}

/** Which text: `openmetrics` is OpenMetrics 1.0.0, `text` the Prometheus text format 0.0.4. */
export type MetricFormat = "openmetrics" | "text";

/**
 * Writes metrics.
 *
 * @example
 * ```ts
 * import { formatMetrics } from "./open_metrics.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const mails = {
 *   name: "mails",
 *   type: "counter",
 *   help: "Mails that came in.",
 *   samples: [{ labels: { outcome: "accepted" }, value: 3 }],
 * } as const;
 * assertEquals(formatMetrics([mails], "openmetrics").split("\n"), [
 *   "# TYPE mails counter",
 *   "# HELP mails Mails that came in.",
 *   'mails_total{outcome="accepted"} 3',
 *   "# EOF",
 *   "",
 * ]);
 * assertEquals(formatMetrics([mails], "text").split("\n"), [
 *   "# HELP mails_total Mails that came in.",
 *   "# TYPE mails_total counter",
 *   'mails_total{outcome="accepted"} 3',
 *   "",
 * ]);
 * ```
 */
export function formatMetrics(families: Iterable<MetricFamily>, format: MetricFormat): string {
  const lines: string[] = [];
  for (const family of families) {
    lines.push(...format === "openmetrics" ? headOf(family) : oldHeadOf(family));
    const name = sampleName(family);
    for (const { labels, value } of family.samples) {
      if (typeof value === "number") lines.push(`${name}${formatLabels(labels)} ${number(value)}`);
      else pushDistribution(lines, name, labels, value);
    }
  }
  if (format === "openmetrics") lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

/** The name that the numbers of a family have, but for the suffixes of a histogram. */
export function sampleName({ name, type }: Pick<MetricFamily, "name" | "type">): string {
  if (type === "counter") return `${name}_total`;
  return type === "info" ? `${name}_info` : name;
}

function headOf({ name, type, unit, help }: MetricFamily): string[] {
  const lines = [`# TYPE ${name} ${type}`];
  if (unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
  lines.push(`# HELP ${name} ${escape(help)}`);
  return lines;
}

/** The old format knows no units and no `info`, and the name of a counter is that of its numbers. */
function oldHeadOf(family: MetricFamily): string[] {
  const name = sampleName(family);
  const type = family.type === "info" ? "gauge" : family.type;
  const help = family.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function pushDistribution(
  lines: string[],
  name: string,
  labels: MetricLabels,
  { bounds, counts, sum }: Distribution,
): void {
  let below = 0;
  for (let index = 0; index <= bounds.length; index++) {
    below += counts[index] ?? 0;
    const bound = bounds[index] ?? Infinity;
    lines.push(`${name}_bucket${formatLabels({ ...labels, le: canonical(bound) })} ${below}`);
  }
  const rest = formatLabels(labels);
  lines.push(`${name}_sum${rest} ${number(sum)}`, `${name}_count${rest} ${below}`);
}

function formatLabels(labels: MetricLabels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escape(text: string): string {
  return text.toWellFormed().replace(/[\\"\n]/g, (mark) => mark === "\n" ? "\\n" : `\\${mark}`);
}

function number(value: number): string {
  if (Number.isFinite(value)) return `${value}`;
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

/** Bounds are compared as text by some: `1.0`, as OpenMetrics would have it, in both formats. */
function canonical(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : number(bound);
}
