/**
 * What is different between two configurations, and what of it a running station cannot take over.
 *
 * @module
 */

import type { LoadedConfig } from "./load.ts";
import type { KeyPath } from "./problems.ts";
import type { Config, WrittenConfig } from "./schema.ts";

/**
 * The keys whose values differ, two levels deep: `hostname`, `queue.retry`.
 *
 * @example
 * ```ts
 * import { changedKeys } from "./changes.ts";
 * import { configSchema } from "./schema.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const listeners = [{ role: "mx" as const, address: "[::]:25" }];
 * const old = configSchema.parse({ hostname: "a.example.org", listeners });
 * const next = configSchema.parse({ hostname: "b.example.org", listeners, queue: { paused: true } });
 * assertEquals(changedKeys(old, next), ["hostname", "queue.paused"]);
 * ```
 */
export function changedKeys(old: WrittenConfig, next: WrittenConfig): string[] {
  return differing(old, next).flatMap((key) => {
    const [before, after] = [old[key as keyof WrittenConfig], next[key as keyof WrittenConfig]];
    if (!isGroup(before) || !isGroup(after)) return [key];
    return differing(before, after).map((below) => `${key}.${below}`);
  });
}

/** What is opened once, at the start. */
const AT_START: readonly KeyPath[] = [
  ["data"],
  ["user"],
  ["group"],
  ["workers"],
  ["queue", "directory"],
  ["relay", "enabled"],
  ["relay", "nameServers"],
  ["relay", "dnssec"],
  ["drop", "enabled"],
  ["drop", "directory"],
];

/** Those of the keys that differ for which a restart is needed. */
export function restartKeys(
  { config: old }: LoadedConfig,
  { config: next }: LoadedConfig,
): KeyPath[] {
  return AT_START.filter((key) => !isSame(valueAt(old, key), valueAt(next, key)));
}

function valueAt(config: Config, key: KeyPath): unknown {
  return key.reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], config);
}

function differing(old: object, next: object): string[] {
  const names = new Set([...Object.keys(old), ...Object.keys(next)]);
  return [...names].filter((name) => !isSame(Reflect.get(old, name), Reflect.get(next, name)));
}

/** Configurations are plain data whose keys come in the order of the schema. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function isGroup(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
