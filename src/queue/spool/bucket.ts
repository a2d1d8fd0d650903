/**
 * The folders of deferred messages: ten minutes of attempts each, named by their beginning in UTC
 * (`20261122T2010`), so that the names of a few hundred folders tell what is due. Pure; nothing fails.
 *
 * @module
 */

/** Milliseconds of a bucket. */
export const BUCKET_MS: number = 10 * 60 * 1000;

/** The last bucket there is: for what waits for something other than time. */
const LAST = Date.UTC(9999, 11, 31, 23, 50);

const NAME = /^(\d{4})(\d{2})(\d{2})T(\d{2})([0-5])0$/;

/**
 * The beginning of the bucket a time falls into, in milliseconds since the epoch; times no calendar has fall into
 * the first or the last bucket.
 */
export function bucketOf(time: number): number {
  const within = Math.min(Math.max(time, 0), LAST);
  return within - within % BUCKET_MS;
}

/**
 * The folder name of the bucket that begins at `start`.
 *
 * @example
 * ```ts
 * import { bucketOf, formatBucket, parseBucket } from "./bucket.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const start = bucketOf(Date.UTC(2026, 10, 22, 20, 14, 37));
 * assertEquals(formatBucket(start), "20261122T2010");
 * assertEquals(parseBucket("20261122T2010"), start);
 * ```
 */
export function formatBucket(start: number): string {
  return new Date(start).toISOString().slice(0, 16).replace(/[-:]/g, "");
}

/** The beginning of the bucket of that name, or `null` where the name is none. */
export function parseBucket(name: string): number | null {
  const [year, month, day, hour, ten] = (NAME.exec(name) ?? []).slice(1).map(Number);
  if (ten === undefined) return null;
  const start = Date.UTC(year!, month! - 1, day, hour, ten * 10);
  // 31 February is a date to Date.UTC, and years below 100 are of the last century.
  return start >= 0 && formatBucket(start) === name ? start : null;
}
