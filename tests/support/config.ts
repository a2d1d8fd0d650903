/**
 * Configuration files for tests: written as the one place where `serve` is told what to do.
 *
 * @module
 */

import type { ConfigInput } from "../../src/config/schema.ts";

/** How mail for others goes, as a configuration has it. */
export type RouteInput = NonNullable<NonNullable<ConfigInput["relay"]>["routes"]>[number];

/** Writes `yizhan.yaml` into a folder (JSON is YAML) and gives its path. Everything is kept in that folder. */
export async function writeConfig(folder: string, config: ConfigInput): Promise<string> {
  const file = `${folder}/yizhan.yaml`;
  await Deno.writeTextFile(file, JSON.stringify({ data: ".", ...config }, null, 2));
  return file;
}

/** Everything to one port of this machine. */
export function toPort(port: number): RouteInput {
  return { domains: ["*"], via: { kind: "smarthost", host: "127.0.0.1", port } };
}
