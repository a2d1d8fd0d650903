/**
 * Whether the policy of MTA-STS that this host serves has all hosts that DNS names for a domain: others who obey it
 * give the rest no mail (RFC 8461 §4.1, §5).
 *
 * What fails: nothing; where DNS does not tell, or there is no MX, the finding about the MX says so already.
 *
 * @module
 */

import { stsCovers } from "../delivery/sts/policy.ts";
import type { DnsFinding, DnsLook, Judgement } from "./dns_finding.ts";
import type { MailHost } from "./dns_records.ts";
import { formatZoneData } from "./zone_text.ts";

/**
 * Compares them; nothing where the host has no policy that counts.
 *
 * @param domain as DNS has it.
 */
export async function checkPolicyHosts(
  { resolver, signal }: DnsLook,
  { stsPolicy }: Pick<MailHost, "stsPolicy">,
  domain: string,
): Promise<DnsFinding[]> {
  if (stsPolicy === undefined || stsPolicy.mode === "none") return [];
  const answer = await resolver.mx(domain, signal);
  if (answer.status !== "found") return [];
  // A null MX (RFC 7505) is no host.
  const hosts = answer.records.map(({ exchange }) => exchange).filter((host) => host !== "");
  if (hosts.length === 0) return [];
  const { status, message, advice } = judgeHosts(hosts, stsPolicy);
  return [{
    ...{ purpose: "mta-sts", status, name: domain, type: "MX" },
    found: answer.records.map((mx) => formatZoneData({ type: "MX", ...mx })),
    wanted: null,
    message,
    advice: advice ?? null,
  }];
}

function judgeHosts(
  hosts: readonly string[],
  policy: NonNullable<MailHost["stsPolicy"]>,
): Judgement {
  const { mode, mx } = policy;
  const strange = [...new Set(hosts.filter((host) => !stsCovers(policy, host)))];
  if (strange.length === 0) {
    return { status: "ok", message: `the policy (${mode}) has all hosts of the MX` };
  }
  const names = strange.join(", ");
  if (mode !== "enforce") {
    const message = `the policy (${mode}) does not have ${names}: mend that before mode: enforce`;
    return { status: "ok", message };
  }
  // A plain `*` would begin an alias of YAML.
  const list = [...mx, ...strange].map((host) => host.startsWith("*") ? `"${host}"` : host)
    .join(", ");
  return {
    status: "different",
    message: `the policy (enforce) does not have ${names}: who obeys it sends nothing there`,
    advice: `write web: { mtaSts: { mx: [${list}] } } and publish the record's new id, ` +
      "or take out of the MX what is not yours",
  };
}
