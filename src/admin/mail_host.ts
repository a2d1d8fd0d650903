/**
 * What a configuration says of this host and its domains, for the DNS records they need.
 *
 * @module
 */

import { domainKey } from "../address.ts";
import type { WrittenConfig } from "../config/schema.ts";
import { canonicalIp, classifyIp } from "../net_address.ts";
import { ownStsPolicy, siteNames } from "../config/site.ts";
import { stsPolicyId } from "../delivery/sts/policy.ts";
import { asciiDomain, type MailHost } from "./dns_records.ts";
import type { SiteHost } from "./dns_site_records.ts";

/**
 * The host: the addresses that the configuration names, or that its listeners have, and the ports for users.
 * Listeners on loopback are for nobody else.
 */
export function mailHostOf(
  config: Pick<WrittenConfig, "hostname" | "addresses" | "listeners" | "web">,
): MailHost {
  const { hostname, addresses, listeners } = config;
  const site = siteOf(config);
  const open = listeners.flatMap(({ role, address }) =>
    address.transport === "tcp" && !/^(?:loopback|link-local)$/.test(kindOf(address.hostname))
      ? [{ role, ip: address.hostname, port: address.port }]
      : []
  );
  const own = open.map(({ ip }) => ip).filter((ip) => kindOf(ip) === "unicast");
  const portOf = (role: string) => open.find((listener) => listener.role === role)?.port;
  const [submission, submissions] = [portOf("submission"), portOf("submissions")];
  return {
    hostname: asciiDomain(hostname),
    addresses: [...new Set([...addresses, ...own].map(canonicalIp))],
    ...(submission !== undefined && { submission }),
    ...(submissions !== undefined && { submissions }),
    ...(site && { site }),
  };
}

/** What of its site the world can see; `null`: nothing. */
function siteOf(config: Pick<WrittenConfig, "hostname" | "web">): SiteHost | null {
  const { hostname, web } = config;
  const names = siteNames(config);
  const readers = (["imap", "pop3"] as const).flatMap((kind) => {
    const given = web[kind];
    if (given === undefined) return [];
    const service = given.tls === "implicit" ? `${kind}s` as const : kind;
    return [{ service, hostname: asciiDomain(given.hostname ?? hostname), port: given.port }];
  });
  if (names.length === 0 && readers.length === 0) return null;
  const policy = names.includes("mta-sts") ? ownStsPolicy(config) : null;
  const secure = web.listeners.find(({ tls }) => tls)?.address;
  return {
    names,
    port: secure?.transport === "tcp" ? secure.port : HTTPS,
    policyId: policy === null ? null : stsPolicyId(policy),
    readers,
  };
}

/** The port that everybody takes who is told no other. */
const HTTPS = 443;

function kindOf(host: string): string {
  return host === "localhost" ? "loopback" : classifyIp(host) ?? "name";
}

/** The domains of a configuration and of its users, each once, as DNS has them. */
export function mailDomainsOf(
  { domains }: Pick<WrittenConfig, "domains">,
  ofUsers: Iterable<string>,
): string[] {
  return [...new Set([...domains, ...ofUsers].map((domain) => asciiDomain(domainKey(domain))))];
}
