/**
 * The numbers of several who count the same things, as one: what each counted is added up, label by label. Pure.
 *
 * @module
 */

import type { MetricFamily, MetricSample } from "./open_metrics.ts";

/**
 * Adds up families of the same names. Distributions of one name have the same bounds.
 *
 * @example
 * ```ts
 * import { mergeFamilies } from "./merged_families.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const mails = { name: "mails", type: "counter", help: "Mails." } as const;
 * const [sum] = mergeFamilies([
 *   [{ ...mails, samples: [{ labels: { outcome: "accepted" }, value: 3 }] }],
 *   [{ ...mails, samples: [{ labels: { outcome: "accepted" }, value: 2 }] }],
 * ]);
 * assertEquals(sum?.samples, [{ labels: { outcome: "accepted" }, value: 5 }]);
 * ```
 */
export function mergeFamilies(counted: readonly (readonly MetricFamily[])[]): MetricFamily[] {
  const merged = new Map<string, MetricFamily>();
  for (const family of counted.flat()) {
    const sum = merged.get(family.name);
    merged.set(family.name, sum === undefined ? family : addFamilies(sum, family));
  }
  return [...merged.values()];
}

function addFamilies(one: MetricFamily, other: MetricFamily): MetricFamily {
  const samples = new Map(one.samples.map((sample) => [keyOf(sample), sample]));
  for (const sample of other.samples) {
    const known = samples.get(keyOf(sample));
    const value = known === undefined ? sample.value : addValues(known.value, sample.value);
    samples.set(keyOf(sample), { labels: sample.labels, value });
  }
  return { ...one, samples: [...samples.values()] };
}

/** The labels of a name always come in one order. */
function keyOf({ labels }: MetricSample): string {
  return JSON.stringify(Object.values(labels));
}

type Value = MetricSample["value"];

function addValues(one: Value, other: Value): Value {
  if (typeof one === "number" || typeof other === "number") return Number(one) + Number(other);
  const counts = Array.from(one.counts, (count, index) => count + (other.counts[index] ?? 0));
  return { bounds: one.bounds, counts, sum: one.sum + other.sum };
}
