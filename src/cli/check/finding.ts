/**
 * What a check found, as data, and what checks are given.
 *
 * @module
 */

import type { StationStatus } from "../../admin/station_requests.ts";
import type { LoadedConfig, ReadConfig } from "../../config/load.ts";
import type { ConfigPaths } from "../../config/paths.ts";
import type { KeyPath, Problem } from "../../config/problems.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { MachineFacts } from "./machine_facts.ts";
import type { UsersFile } from "../../directory/users_file.ts";

/** What a check is about. The names do not change. */
export type CheckName =
  | "configuration"
  | "users"
  | "certificates"
  | "dkim"
  | "settings"
  | "server"
  | "ports"
  | "folders"
  | "secrets"
  | "programs"
  | "filters"
  | "names"
  | "dnssec"
  | "clock"
  | "limits"
  | "permissions";

/** One thing that was found. */
export interface CheckFinding {
  readonly check: CheckName;
  /** `error`: it does not start, or loses or refuses mail. `warning`: it should not stay so. */
  readonly level: "ok" | "warning" | "error";
  /** What is so, in a line. */
  readonly message: string;
  /** What to do, in a line. */
  readonly advice?: string;
  /** The file that it is about, where it stands in one. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** The key of the configuration. */
  readonly key?: string;
}

/** A users file, and its text. */
export interface ReadUsers extends UsersFile {
  readonly text: string;
}

/** What every check goes by. Parts that could not be had are `null`; why is a finding already. */
export interface CheckContext {
  readonly paths: ConfigPaths | null;
  /** Its text is right; files that it names may be wrong: what they hold is missing then. */
  readonly loaded: Pick<LoadedConfig, "config" | "certificates"> & ReadConfig | null;
  /** As far as it can be read. */
  readonly users: ReadUsers | null;
  readonly runtime: Runtime;
  readonly facts: MachineFacts;
  /** The server that runs with this queue, where it answers. */
  readonly server: StationStatus | null;
  /** A server runs with this queue, and only its own user may ask it. */
  readonly closedServer: boolean;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A check. What it throws is told as a warning: that it could not be made. */
export type Check = (context: CheckContext) => Promise<CheckFinding[]> | CheckFinding[];

/** Makes findings of one check. */
export interface Findings {
  ok(message: string): CheckFinding;
  warning(message: string, advice?: string): CheckFinding;
  error(message: string, advice?: string): CheckFinding;
}

/** Findings of a check. */
export function findingsOf(check: CheckName): Findings {
  const make = (level: CheckFinding["level"]) => (message: string, advice?: string) => ({
    ...{ check, level, message },
    ...(advice !== undefined && { advice }),
  });
  return { ok: make("ok"), warning: make("warning"), error: make("error") };
}

/** A problem of the configuration as a finding. */
export function fromProblem(
  check: CheckName,
  level: "warning" | "error",
  { file, line, column, key, message, hint }: Problem,
): CheckFinding {
  return {
    ...{ check, level, message, file },
    ...(line > 0 && { line, column }),
    ...(key !== "" && { key }),
    ...(hint !== undefined && { advice: hint }),
  };
}

/** A finding about a key of the configuration, with its place. */
export function atKey(
  { at }: ReadConfig,
  check: CheckName,
  key: KeyPath,
  message: string,
  advice?: string,
): CheckFinding {
  return fromProblem(check, "warning", at(key, message, advice));
}
