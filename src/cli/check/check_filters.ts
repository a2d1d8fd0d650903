/**
 * Whether the filters answer that see mail, and the lists in DNS that are asked about clients. What a server that runs
 * says of its filters counts more than what this process may reach: its user, its groups and its permissions are
 * others. A filter that keeps a running server from taking mail is an error; before the start it may yet be started.
 *
 * @module
 */

import type { FilterStatus } from "../../admin/station_requests.ts";
import type { FilterConfig } from "../../config/policies/filters.ts";
import type { Config } from "../../config/schema.ts";
import { testDnsList } from "../../policy/dns/dns_list.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { nameOf, placeOf, probeFilter } from "../filter_probe.ts";
import { thisRuntime } from "../machine.ts";
import { isUnpermitted, NOT_PERMITTED } from "../trouble.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("filters");

/** Milliseconds for what is asked of a list. */
const PATIENCE = 3000;

/** What it goes by; who says nothing of a server has none. */
export type FiltersContext =
  & Pick<CheckContext, "loaded" | "runtime">
  & Partial<Pick<CheckContext, "server" | "closedServer" | "facts">>;

/** Which of them answer. */
export async function checkFilters(context: FiltersContext): Promise<CheckFinding[]> {
  const { loaded, runtime } = context;
  if (loaded === null) return [];
  const { filters, abuse, relay } = loaded.config;
  const { nameServers } = relay;
  const { resolver } = nameServers.length > 0 ? thisRuntime({ nameServers }) : runtime;
  return await Promise.all([
    ...filters.map((filter) => checkFilter(filter, context, loaded.config)),
    ...abuse.dnsLists.lists.map((list) => checkList(list, resolver)),
  ]);
}

async function checkFilter(
  filter: FilterConfig,
  { runtime, server, closedServer = false, facts }: FiltersContext,
  { user }: Pick<Config, "user">,
): Promise<CheckFinding> {
  const known = server?.filters?.find((one) => isSame(one, filter));
  if (known !== undefined) return fromServer(filter, known);
  const { what, state, trouble, remedy } = await probeFilter(filter, runtime);
  const asRoot = facts?.uid === 0 && user !== undefined
    ? ` (asked as root, which may more than the server as ${user})`
    : "";
  if (trouble === null) return ok(`${what} answers${asRoot}`);
  const stops = closedServer && state === "failed" && filter.onTrouble !== "accept";
  return (stops ? error : warning)(`${what} ${trouble}`, remedy ?? undefined);
}

/** What the server says that runs: it is that which has to reach the filter. */
function fromServer(
  filter: FilterConfig,
  { trouble, slow, remedy }: FilterStatus,
): CheckFinding {
  const what = `the filter ${nameOf(filter)} at ${placeOf(filter)}`;
  if (trouble === null) return ok(`${what} answers the running server`);
  const stops = slow !== true && filter.onTrouble !== "accept";
  return (stops ? error : warning)(`${what} ${trouble}, says the running server`, remedy);
}

/** A server may yet go by an older configuration. */
function isSame({ name, kind, place }: FilterStatus, filter: FilterConfig): boolean {
  return name === nameOf(filter) && kind === filter.kind && place === placeOf(filter);
}

async function checkList(
  list: Config["abuse"]["dnsLists"]["lists"][number],
  resolver: Runtime["resolver"],
): Promise<CheckFinding> {
  const what = `the list ${list.name ?? list.zone}`;
  const wrong = await testDnsList(list, resolver, AbortSignal.timeout(PATIENCE));
  if (wrong === null) return ok(`${what} answers`);
  if (isUnpermitted(wrong)) return warning(`${what} cannot be tried: ${NOT_PERMITTED}`);
  return warning(
    `${what} is of no use: ${wrong}`,
    "such a list is not asked; its web page says whom it serves (many refuse public name servers)",
  );
}
