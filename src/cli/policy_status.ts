/**
 * How the policies of a station are, for `yizhan status`: who is banned, what is remembered, whether filters answer.
 *
 * @module
 */

import type { PolicyStatus } from "../admin/station_requests.ts";
import type { Config } from "../config/schema.ts";
import { BAN_KEYS } from "../policy/abuse/ban_list.ts";
import type { KeptLedger } from "../policy/ledger/kept_ledger.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { nameOf, placeOf, probeFilter } from "./filter_probe.ts";

/** Looks. Takes some seconds where a filter hangs; never rejects. */
export async function policyStatus(
  { abuse, filters }: Pick<Config, "abuse" | "filters">,
  ledger: Pick<KeptLedger, "size" | "count">,
  machine: Pick<Runtime, "network" | "clock">,
): Promise<PolicyStatus> {
  const asked = filters.map(async (filter) => {
    const { state, trouble, remedy } = await probeFilter(filter, machine);
    return {
      ...{ name: nameOf(filter), kind: filter.kind, place: placeOf(filter), trouble },
      ...(trouble !== null && { slow: state === "slow" }),
      ...(remedy !== null && { remedy }),
    };
  });
  return {
    abuse: {
      banned: abuse.bans.enabled ? ledger.count(BAN_KEYS) : null,
      remembered: ledger.size,
      greylisting: abuse.greylisting.enabled,
    },
    filters: await Promise.all(asked),
  };
}
