import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BUCKET_MS, bucketOf, formatBucket, parseBucket } from "../../../src/queue/spool/bucket.ts";

Deno.test("bucketOf() gives ten minutes that hold the time, and formatBucket() their UTC date", () => {
  const cases: readonly (readonly [number, string])[] = [
    [Date.UTC(2026, 10, 22, 20, 10), "20261122T2010"],
    [Date.UTC(2026, 10, 22, 20, 19, 59, 999), "20261122T2010"],
    [Date.UTC(2026, 10, 22, 20, 20), "20261122T2020"],
    [Date.UTC(2028, 1, 29, 23, 59), "20280229T2350"],
    [0, "19700101T0000"],
    [-1, "19700101T0000"],
    [-Infinity, "19700101T0000"],
    [Infinity, "99991231T2350"],
    [Number.MAX_SAFE_INTEGER, "99991231T2350"],
  ];
  for (const [time, name] of cases) assertEquals(formatBucket(bucketOf(time)), name);
});

Deno.test("parseBucket() reads what formatBucket() writes; names sort as times do", () => {
  const start = fc.nat({ max: Date.UTC(9999, 11, 31, 23, 59) }).map(bucketOf);
  fc.assert(fc.property(start, start, (a, b) => {
    assertEquals(parseBucket(formatBucket(a)), a);
    assertEquals(a % BUCKET_MS, 0);
    assertEquals(formatBucket(a) < formatBucket(b), a < b);
  }));
});

Deno.test("parseBucket() takes no other name", () => {
  const names = [
    "",
    "20261122T2015",
    "20261122T2060",
    "20261122T2410",
    "20260231T0000",
    "20261122T201",
    "20261122T20100",
    "x20261122T2010",
    "20261122t2010",
    "00010101T0000",
    "held",
    "..",
  ];
  for (const name of names) assert(parseBucket(name) === null, name);
});
