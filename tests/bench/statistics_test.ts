import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { compareRounds, quantile, spread, summarise } from "../../bench/support/statistics.ts";

Deno.test("summarise() takes the middle run, or the mean of the two in the middle", () => {
  assertEquals(summarise([30, 10, 20]), { median: 20, lowest: 10, highest: 30, runs: 3 });
  assertEquals(summarise([1, 2, 3, 10]), { median: 2.5, lowest: 1, highest: 10, runs: 4 });
  assertEquals(summarise([7]), { median: 7, lowest: 7, highest: 7, runs: 1 });
  assertThrows(() => summarise([]), RangeError);
});

Deno.test("spread() is the distance of the extremes in medians", () => {
  assertEquals(spread(summarise([50, 100, 150])), 1);
  assertEquals(spread(summarise([5, 5, 5])), 0);
  assertEquals(spread(summarise([0])), 0);
});

Deno.test("quantile() is by nearest rank: the value that the share does not pass", () => {
  // The examples of the nearest-rank method in Wikipedia's "Percentile".
  const values = [35, 20, 15, 50, 40];
  assertEquals([0.05, 0.3, 0.4, 0.5, 1].map((share) => quantile(values, share)), [
    15,
    20,
    20,
    35,
    50,
  ]);
  assertEquals(quantile(Array.from({ length: 1000 }, (_, index) => index + 1), 0.99), 990);
  assertThrows(() => quantile([], 0.5), RangeError);
});

Deno.test("compareRounds() compares round by round, so that a slow round is none of a change", () => {
  const noisy = [100, 50, 100, 25, 100];
  const change = compareRounds(noisy, noisy.map((value) => value * 1.1));
  assertAlmostEquals(change.median, 0.1);
  assertAlmostEquals(change.lowest, 0.1);
  assertAlmostEquals(change.highest, 0.1);
  assertEquals(change.clear, true);
});

Deno.test("compareRounds() calls no change clear when rounds disagree, or are too few", () => {
  const before = [10, 10, 10, 10, 10];
  assertEquals(compareRounds(before, [9, 9, 9, 9, 10.1]).clear, false);
  assertEquals(compareRounds(before, [9, 8, 7, 9, 9.9]).clear, true);
  assertEquals(compareRounds(before.slice(1), [9, 8, 7, 9]).clear, false);
  assertThrows(() => compareRounds([1], [1, 2]), RangeError);
  assertThrows(() => compareRounds([], []), RangeError);
});
