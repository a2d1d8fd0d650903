/**
 * The policies of a station as `yizhan explain` has them: those that go by what they remember of a client are asked about
 * one that is named, over a copy of what the server has written of it, so that nothing is counted. The others would be
 * asked about a visit that never was, and a message that there is not: they are only named.
 *
 * What fails: a memory that cannot be read is told of, and taken for an empty one.
 *
 * @module
 */

import { readOnlyFiles } from "../admin/read_only_files.ts";
import { buildPolicies, policyPlan } from "../config/policies/build.ts";
import type { Config } from "../config/schema.ts";
import { LedgerFile } from "../policy/ledger/ledger_file.ts";
import { MemoryLedger } from "../policy/ledger/memory_ledger.ts";
import type { Policy } from "../policy/policy.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { policyServices } from "./policy_services.ts";
import { describeError } from "./trouble.ts";

/** What becomes of the policies of a configuration. */
export interface ExplainedPolicies {
  /** To be asked. */
  readonly asked: readonly Policy[];
  /** The names of the others, in their order. */
  readonly leftOut: readonly string[];
}

/** Those that answer by what is remembered of a client, and change nothing else. */
const BY_MEMORY: readonly string[] = ["bans", "greylisting"];

/**
 * Makes them.
 *
 * @param folder of the server's ledger; `null`: no client is named, and all are left out.
 */
export async function explainedPolicies(
  config: Config,
  runtime: Runtime,
  folder: string | null,
  onTrouble: (what: string) => void,
): Promise<ExplainedPolicies> {
  const ledger = new MemoryLedger(runtime.clock);
  if (folder !== null) await recall(ledger, runtime, folder, onTrouble);
  const policies = buildPolicies(policyPlan(config), policyServices(runtime, ledger, () => {}));
  const isAsked = ({ name }: Policy) => folder !== null && BY_MEMORY.includes(name);
  return {
    asked: policies.filter(isAsked),
    leftOut: policies.filter((policy) => !isAsked(policy)).map(({ name }) => name),
  };
}

async function recall(
  ledger: MemoryLedger,
  { files }: Runtime,
  folder: string,
  onTrouble: (what: string) => void,
): Promise<void> {
  const file = new LedgerFile(readOnlyFiles(files), folder);
  try {
    await file.read(({ key, value, until }) => {
      if (until === null) ledger.forget(key);
      else ledger.restore({ key, value, until });
    }, () => {});
  } catch (error) {
    onTrouble(`what is remembered of clients is not known: ${file.path}: ${describeError(error)}`);
  }
}
