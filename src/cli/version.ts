/**
 * Which Yizhan this is.
 *
 * @module
 */

import process from "node:process";
import manifest from "../../deno.json" with { type: "json" };

/** The version, such as `0.1.0`. */
export const VERSION: string = manifest.version;

/** What runs it, such as `deno 2.9.6`. */
export function describeRuntime(): string {
  const { bun, deno } = process.versions;
  return bun === undefined ? `deno ${deno}` : `bun ${bun}`;
}
