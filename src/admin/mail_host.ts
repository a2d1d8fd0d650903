/**
 * What a configuration says of this host and its domains, for the DNS records they need.
 *
 * @module
 */

import { domainKey } from "../address.ts";
import type { WrittenConfig } from "../config/schema.ts";
import { canonicalIp, classifyIp } from "../net_address.ts";
import { asciiDomain, type MailHost } from "./dns_records.ts";

/**
 * The host: the addresses that the configuration names, or that its listeners have, and the ports for users.
 * Listeners on loopback are for nobody else.
 */
export function mailHostOf(
  { hostname, addresses, listeners }: Pick<WrittenConfig, "hostname" | "addresses" | "listeners">,
): MailHost {
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
  };
}

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
