import { assertEquals } from "@std/assert";
import { mergeFamilies } from "../../src/observe/merged_families.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { formatMetrics } from "../../src/observe/open_metrics.ts";
import type { MtaEvent } from "../../src/events.ts";

const EVENTS: readonly MtaEvent[] = [
  { time: 0, type: "session.opened", session: "a", listener: "mx", client: "::1" },
  { time: 1, type: "session.opened", session: "b", listener: "submission", client: "::1" },
  { time: 2, type: "session.refused", listener: "mx", client: "::1", reason: "too many" },
  { time: 3, type: "session.opened", session: "c", listener: "mx", client: "::1" },
];

Deno.test("mergeFamilies() of what several counted is what one would have counted", () => {
  const one = new Metrics();
  const several = [new Metrics(), new Metrics(), new Metrics()];
  EVENTS.forEach((event, index) => {
    one.record(event);
    several[index % several.length]!.record(event);
  });
  // As threads hand them over.
  const counted = several.map((metrics) => structuredClone(metrics.families()));
  const sorted = (text: string) => text.split("\n").sort();
  assertEquals(
    sorted(formatMetrics(mergeFamilies(counted), "text")),
    sorted(formatMetrics(one.families(), "text")),
  );
});

Deno.test("mergeFamilies() adds up distributions bucket by bucket", () => {
  const family = (counts: readonly number[], sum: number) => ({
    ...{ name: "seconds", type: "histogram", help: "Seconds." } as const,
    samples: [{ labels: {}, value: { bounds: [1, 2], counts: Float64Array.from(counts), sum } }],
  });
  const [merged] = mergeFamilies([[family([1, 2, 3], 10)], [family([4, 0, 1], 5)]]);
  assertEquals(merged?.samples, [
    { labels: {}, value: { bounds: [1, 2], counts: [5, 2, 4], sum: 15 } },
  ]);
});
