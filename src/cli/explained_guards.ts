/**
 * MTA-STS as `yizhan explain` has it: the policies that the server keeps, and what DNS announces; nothing is kept, and a
 * policy is fetched only where the next servers are asked too.
 *
 * @module
 */

import { readOnlyFiles } from "../admin/read_only_files.ts";
import { StsPolicies } from "../delivery/sts/policies.ts";
import { StsPolicyStore } from "../delivery/sts/policy_store.ts";
import { stsGuards } from "../delivery/sts/sts_guards.ts";
import type { TlsGuards } from "../delivery/tls_guard.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** @param folder where the server keeps policies. @param fetches whether others may be connected to. */
export function explainedGuards(
  { network, resolver, clock, files, random }: Runtime,
  folder: string,
  fetches: boolean,
): TlsGuards {
  return stsGuards(
    new StsPolicies({
      ...{ network, resolver, clock },
      store: new StsPolicyStore(readOnlyFiles(files), random, folder),
      ...(!fetches && { fetch: leaveOut }),
    }),
  );
}

function leaveOut(_: unknown, domain: string) {
  const text =
    `${domain} announces an MTA-STS policy that was not fetched yet; --connect fetches it`;
  return Promise.resolve({ fault: { type: "sts-policy-fetch-error", text } as const });
}
