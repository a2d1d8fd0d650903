/**
 * What a configuration says of this host and its domains, for the DNS records they need.
 *
 * @module
 */

import { domainKey } from "../address.ts";
import type { WrittenConfig } from "../config/schema.ts";
import { canonicalIp, classifyIp } from "../net_address.ts";
import { ownStsPolicy, siteNames } from "../config/site.ts";
import { formatStsPolicy, stsPolicyId } from "../delivery/sts/policy.ts";
import { asciiDomain, type MailHost } from "./dns_records.ts";
import type { SiteHost } from "./dns_site_records.ts";

/**
 * The host: the addresses that the configuration names, or that its listeners have, and the ports for users.
 * Listeners on loopback are for this machine only. A listener of the web at a Unix socket is one that others reach:
 * a server in front of it passes them on.
 */
export function mailHostOf(
  config: Pick<WrittenConfig, "hostname" | "addresses" | "listeners" | "web">,
): MailHost {
  const { hostname, addresses, listeners } = config;
  const site = siteOf(config);
  const policy = ownStsPolicy(config);
  const open = listeners.flatMap(({ role, address }) =>
    address.transport === "tcp" && isReached(address.hostname)
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
    // A policy that is enforced counts, whoever serves it.
    ...(policy !== null && (policy.mode === "enforce" || site?.policyId) && { stsPolicy: policy }),
  };
}

/** What of its site the world can see; `null`: nothing. */
function siteOf(config: Pick<WrittenConfig, "hostname" | "web">): SiteHost | null {
  const { hostname, web } = config;
  const secure = web.listeners.find(({ tls, address }) =>
    tls && (address.transport === "unix" || isReached(address.hostname))
  )?.address;
  const names = secure === undefined ? [] : siteNames(config);
  const readers = (["imap", "pop3"] as const).flatMap((kind) => {
    const given = web[kind];
    const at = given?.hostname ?? hostname;
    if (given === undefined || !isReached(at)) return [];
    const service = given.tls === "implicit" ? `${kind}s` as const : kind;
    return [{ service, hostname: asciiDomain(at), port: given.port }];
  });
  if (names.length === 0 && readers.length === 0) return null;
  const policy = names.includes("mta-sts") ? ownStsPolicy(config) : null;
  return {
    names,
    port: secure?.transport === "tcp" ? secure.port : HTTPS,
    policyId: policy === null ? null : stsPolicyId(formatStsPolicy(policy)),
    readers,
  };
}

/** Whether others can reach a host or an address, as far as it says so itself. */
function isReached(host: string): boolean {
  return !/^(?:loopback|link-local)$/.test(kindOf(host));
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
