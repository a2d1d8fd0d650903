/**
 * A machine with these files and variables only, to read configurations from.
 *
 * @module
 */

import type { ConfigMachine } from "../../src/config/machine.ts";
import { loadConfig, type LoadedConfig } from "../../src/config/load.ts";
import { ConfigError, formatProblem } from "../../src/config/problems.ts";
import { SystemError } from "../../src/runtime/system_error.ts";

/** A file: its text or octets, with its mode. */
export interface TestFile {
  readonly text: string | Uint8Array<ArrayBuffer>;
  /** Default 0o600. */
  readonly mode?: number;
}

/** What is on the machine. */
export interface TestMachine {
  readonly files?: Readonly<Record<string, string | TestFile>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Default `true`. */
  readonly listed?: boolean;
  readonly now?: number;
}

/** Makes it. */
export function testMachine(
  { files = {}, environment = {}, listed = true, now = Date.UTC(2026, 10, 23) }: TestMachine,
): ConfigMachine {
  return {
    // deno-lint-ignore require-await
    async readFile(path, limit) {
      const file = files[path];
      if (file === undefined) throw new SystemError("ENOENT", `no ${path}`);
      const { text, mode = 0o600 } = typeof file === "string" ? { text: file } : file;
      const octets = typeof text === "string" ? new TextEncoder().encode(text) : text;
      if (octets.length > limit) throw new SystemError("EFBIG", `${path} is too long`);
      return { octets, mode };
    },
    environment: (name) => environment[name],
    environmentNames: () => listed ? Object.keys(environment) : null,
    now: () => now,
  };
}

/** Reads a text as the file `yizhan.yaml`. */
export function load(text: string, machine: TestMachine = {}): Promise<LoadedConfig> {
  return loadConfig(
    "yizhan.yaml",
    testMachine({ ...machine, files: { ...machine.files, "yizhan.yaml": text } }),
  );
}

/** All that is wrong with a text, or another file, a line each; none where it is right. */
export async function problemsOf(
  text: string,
  machine: TestMachine = {},
  file = "yizhan.yaml",
): Promise<string[]> {
  const files = { ...machine.files, "yizhan.yaml": text };
  try {
    await loadConfig(file, testMachine({ ...machine, files }));
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(formatProblem);
  }
}

/** The smallest configuration. */
export const SMALLEST = `hostname: mail.example.org
listeners:
  - { role: mx, address: "[::]:25" }
`;
