/**
 * Where a host is: its addresses of the families that a route goes by, and what DNSSEC says of them.
 *
 * @module
 */

import { canonicalIp } from "../net_address.ts";
import type { RelaySettings } from "../routing/route.ts";
import type { DnsAnswer, Resolver } from "../runtime/resolver.ts";

/** The addresses of a host in the order of the route. Never throws. */
export async function findAddresses(
  resolver: Resolver,
  name: string,
  family: RelaySettings["family"],
  signal: AbortSignal | undefined,
): Promise<DnsAnswer<string>> {
  const asks = {
    "ipv6-first": ["aaaa", "a"],
    "ipv4-first": ["a", "aaaa"],
    "ipv6-only": ["aaaa"],
    "ipv4-only": ["a"],
  } as const;
  const answers = await Promise.all(asks[family].map((type) => resolver[type](name, signal)));
  const records = answers.flatMap((answer) => answer.status === "found" ? answer.records : []);
  // One family that is known will do; what the other would have been is learnt another time.
  if (records.length > 0) {
    const found = answers.filter((answer) => answer.status === "found");
    const authenticated = found.every((answer) => answer.authenticated);
    const canonical = found.find((answer) => answer.canonical !== undefined)?.canonical;
    return {
      ...{ status: "found", records: records.map(canonicalIp) },
      ...(authenticated && { authenticated }),
      ...(canonical !== undefined && { canonical }),
    };
  }
  return answers.find(({ status }) => status === "failed") ?? answers[0]!;
}
