/**
 * MTA-STS as a guard of hosts (RFC 8461 §5): where a domain's policy is enforced, hosts that it does not name are shut,
 * and the others must show a certificate that is valid for their name. A host that DANE guards is left alone (§2).
 *
 * How it goes with the rest: it only makes a route stricter. It is asked for routes to whoever DNS names, unless the
 * route says `mtaSts: false` or `tls: none`; not for smarthosts, which are the operator's own choice.
 *
 * @module
 */

import { isAddressLiteral } from "../../address.ts";
import type { MxRoute, SmarthostRoute } from "../../routing/route.ts";
import { reply } from "../../smtp/reply.ts";
import {
  type GuardQuestion,
  type HostGuard,
  type TlsFault,
  type TlsGuards,
  UNGUARDED,
} from "../tls_guard.ts";
import type { StsFinding, StsPolicies } from "./policies.ts";
import { stsCovers } from "./policy.ts";

/** Guards by the policies of domains. */
export function stsGuards(policies: StsPolicies): TlsGuards {
  return {
    guard(question, before) {
      if (!usesSts(question.route) || isAddressLiteral(question.domain)) return before;
      // What somebody stricter has said stands for itself: then there is nothing to look up.
      const isOpen = question.hosts.some((_, index) => (before[index]?.kind ?? "none") === "none");
      if (!isOpen) return before;
      return find(policies, question, before);
    },
  };
}

/** Whether MTA-STS is looked at for a way. */
export function usesSts(route: MxRoute | SmarthostRoute): boolean {
  return route.kind === "mx" && route.mtaSts !== false && route.tls !== "none";
}

async function find(
  policies: StsPolicies,
  { route, domain, hosts, signal }: GuardQuestion,
  before: readonly HostGuard[],
): Promise<readonly HostGuard[]> {
  const { authorities, allowAddresses } = route;
  const finding = await policies.find(domain, {
    allowAddresses,
    ...(authorities && { authorities }),
    ...(signal && { signal }),
  });
  return hosts.map(({ name }, index) => {
    const guard = before[index] ?? UNGUARDED;
    if (guard.kind !== "none") return guard;
    return guardOf(finding, domain, name) ?? { kind: "none", why: `${guard.why}; ${finding.why}` };
  });
}

/** What a finding means for a host; `null`: nothing. Pure. */
export function guardOf({ kept }: StsFinding, domain: string, host: string): HostGuard | null {
  const policy = kept?.policy;
  if (policy === undefined || policy.mode === "none") return null;
  const { mode } = policy;
  if (stsCovers(policy, host)) return { kind: "sts", domain, mode, policy };
  const text = `${host} is not among the mx of the MTA-STS policy of ${domain}`;
  const fault: TlsFault = { type: "validation-failure", text };
  if (mode === "testing") return { kind: "sts", domain, mode, policy, fault };
  return { kind: "shut", by: "sts", policy, reply: reply(451, "4.7.5", text), fault };
}
