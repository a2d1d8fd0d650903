/**
 * Whether the filters answer that see mail, and the lists in DNS that are asked about clients. All of it may pass by
 * itself, or be started after us, so nothing here is an error.
 *
 * @module
 */

import type { FilterConfig } from "../../config/policies/filters.ts";
import type { Config } from "../../config/schema.ts";
import { testDnsList } from "../../policy/dns/dns_list.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { probeFilter } from "../filter_probe.ts";
import { thisRuntime } from "../machine.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning } = findingsOf("filters");

/** Milliseconds for what is asked of a list. */
const PATIENCE = 3000;

/** Which of them answer. */
export async function checkFilters(
  { loaded, runtime }: Pick<CheckContext, "loaded" | "runtime">,
): Promise<CheckFinding[]> {
  if (loaded === null) return [];
  const { filters, abuse, relay } = loaded.config;
  const { nameServers } = relay;
  const { resolver } = nameServers.length > 0 ? thisRuntime({ nameServers }) : runtime;
  return await Promise.all([
    ...filters.map((filter) => checkFilter(filter, runtime)),
    ...abuse.dnsLists.lists.map((list) => checkList(list, resolver)),
  ]);
}

async function checkFilter(filter: FilterConfig, runtime: Runtime): Promise<CheckFinding> {
  const { what, trouble } = await probeFilter(filter, runtime);
  if (trouble === null) return ok(`${what} answers`);
  return warning(`${what} ${trouble}`, "start it, or set another address or onTrouble for it");
}

async function checkList(
  list: Config["abuse"]["dnsLists"]["lists"][number],
  resolver: Runtime["resolver"],
): Promise<CheckFinding> {
  const what = `the list ${list.name ?? list.zone}`;
  const wrong = await testDnsList(list, resolver, AbortSignal.timeout(PATIENCE));
  if (wrong === null) return ok(`${what} answers`);
  return warning(
    `${what} is of no use: ${wrong}`,
    "such a list is not asked; its web page says whom it serves (many refuse public name servers)",
  );
}
