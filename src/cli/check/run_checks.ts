/**
 * All checks, in order. Nothing they find keeps the others from looking: one run tells everything.
 *
 * @module
 */

import {
  loadConfig,
  type LoadedConfig,
  type ReadConfig,
  readConfig,
  readConfigPaths,
} from "../../config/load.ts";
import type { ConfigMachine } from "../../config/machine.ts";
import { type ConfigPaths, folderOf, resolveAll } from "../../config/paths.ts";
import { ConfigError } from "../../config/problems.ts";
import { withSecrets } from "../../config/secrets.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { describeError, isNotCapable, NOT_PERMITTED } from "../trouble.ts";
import { checkAcme } from "./check_acme.ts";
import { checkCertificates } from "./check_certificates.ts";
import { checkClock } from "./check_clock.ts";
import { checkDkim } from "./check_dkim.ts";
import { checkFilters } from "./check_filters.ts";
import { checkFolders } from "./check_folders.ts";
import { checkLimits } from "./check_limits.ts";
import { checkNames } from "./check_names.ts";
import { checkPermissions } from "./check_permissions.ts";
import { checkPorts } from "./check_ports.ts";
import { checkPrograms } from "./check_programs.ts";
import { checkSecrets } from "./check_secrets.ts";
import { type AskedServer, askServer } from "./check_server.ts";
import { checkSettings } from "./check_settings.ts";
import { checkSts } from "./check_sts.ts";
import { checkUsers } from "./check_users.ts";
import {
  type Check,
  type CheckContext,
  type CheckFinding,
  type CheckName,
  findingsOf,
  fromProblem,
} from "./finding.ts";
import type { MachineFacts } from "./machine_facts.ts";
import { readUsers } from "./read_users.ts";

/** Where checks are made. */
export interface CheckMachine {
  readonly runtime: Runtime;
  readonly facts: MachineFacts;
  /** Where configurations are read. */
  readonly config: ConfigMachine;
}

/** In the order in which they are told. */
const CHECKS: readonly (readonly [CheckName, Check])[] = [
  ["users", checkUsers],
  ["certificates", checkCertificates],
  ["certificates", checkAcme],
  ["certificates", checkSts],
  ["dkim", checkDkim],
  ["settings", checkSettings],
  ["ports", checkPorts],
  ["folders", checkFolders],
  ["secrets", checkSecrets],
  ["programs", checkPrograms],
  ["filters", checkFilters],
  ["names", checkNames],
  ["clock", checkClock],
  ["limits", checkLimits],
  ["permissions", checkPermissions],
];

/** Makes all checks. @param file the configuration; `null`: the environment says all. */
export async function runChecks(
  file: string | null,
  { runtime, facts, config: machine }: CheckMachine,
): Promise<CheckFinding[]> {
  const { loaded, paths, findings } = await load(file, machine);
  const users = paths === null
    ? { users: null, findings: [] }
    : await attempt("users", () => readUsers(runtime.files, paths.users), { users: null });
  const changed = file === null ? null : await facts.path(file).catch(() => null);
  const right = findings.every(({ level }) => level !== "error") &&
    users.users?.problems.length === 0;
  const asked: AskedServer = paths === null ? { server: null, findings: [] } : await attempt(
    "server",
    () => askServer(runtime, paths, { changed: changed?.modified ?? null, right }),
    { server: null },
  );
  findings.push(...asked.findings, ...users.findings);
  const context: CheckContext = {
    ...{ loaded, paths, runtime, facts },
    users: users.users,
    server: asked.server,
    closedServer: asked.closed === true,
    now: machine.now(),
  };
  for (const [name, check] of CHECKS) {
    const made = await attempt(name, async () => ({ findings: await check(context) }), {});
    findings.push(...made.findings);
  }
  return findings;
}

/** What a check found, or that it could not be made. */
async function attempt<T extends { readonly findings: readonly CheckFinding[] }, U>(
  name: CheckName,
  work: () => Promise<T>,
  otherwise: U,
): Promise<T | U & { readonly findings: readonly CheckFinding[] }> {
  try {
    return await work();
  } catch (error) {
    if (isNotCapable(error)) {
      const what = `cannot be tried: ${NOT_PERMITTED} (${describeError(error)})`;
      return { ...otherwise, findings: [findingsOf(name).warning(what)] };
    }
    const what = `could not be checked: ${describeError(error)}`;
    const denied = errorCode(error) === "EACCES" || errorCode(error) === "EPERM";
    const advice = denied ? "check as the user the server runs as, or as root" : undefined;
    return { ...otherwise, findings: [findingsOf(name).warning(what, advice)] };
  }
}

interface Loaded {
  readonly loaded: CheckContext["loaded"];
  readonly paths: ConfigPaths | null;
  readonly findings: CheckFinding[];
}

/** As much of the configuration as is right. */
async function load(file: string | null, machine: ConfigMachine): Promise<Loaded> {
  try {
    const loaded: LoadedConfig = await loadConfig(file, machine);
    const findings = warningsOf(loaded);
    if (findings.length === 0) {
      findings.push(findingsOf("configuration").ok(`${loaded.file} is right`));
    }
    return { loaded, paths: loaded.paths, findings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const findings = error.problems.map((one) => fromProblem("configuration", "error", one));
    const read = await readConfig(file, machine).catch(() => null);
    if (read === null) {
      return {
        loaded: null,
        paths: await readConfigPaths(file, machine).catch(() => null),
        findings,
      };
    }
    // Only files that it names are wrong.
    const config = withSecrets(resolveAll(read.written, folderOf(file)), new Map());
    const loaded = { ...read, config, certificates: [] };
    return { loaded, paths: read.paths, findings: [...findings, ...warningsOf(read)] };
  }
}

function warningsOf({ warnings }: ReadConfig): CheckFinding[] {
  return warnings.map((one) => fromProblem("configuration", "warning", one));
}
