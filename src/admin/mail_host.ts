/**
 * What a configuration says of this host and its domains, for the DNS records they need.
 *
 * @module
 */

import { domainKey } from "../address.ts";
import type { WrittenConfig } from "../config/schema.ts";
import { decode } from "../bytes.ts";
import { canonicalIp, classifyIp } from "../net_address.ts";
import { errorCode, type Files } from "../runtime/runtime.ts";
import { type DkimPublicKey, readDkimKey } from "./dkim_key.ts";
import { asciiDomain, type MailHost } from "./dns_records.ts";

/** Octets of the file of a key. */
const MAX_KEY_FILE = 65_536;

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

/** The key of a domain, or why it cannot be compared. */
export type KeyOnDisk =
  | { readonly status: "key"; readonly path: string; readonly key: DkimPublicKey }
  /** `unreadable`: this user may not, or the disk failed. `bad`: what is there is no key of use. */
  | {
    readonly status: "none" | "unreadable" | "bad";
    readonly path: string;
    /** Follows the path in a sentence. */
    readonly reason: string;
  };

/** Where the key of a domain lies in the folder of keys. */
export function dkimKeyPath(folder: string, domain: string, selector: string): string {
  return `${folder}/${asciiDomain(domain)}/${selector}.pem`;
}

/** Reads the key of a domain. */
export async function readKeyOnDisk(
  files: Files,
  folder: string,
  domain: string,
  selector: string,
): Promise<KeyOnDisk> {
  const path = dkimKeyPath(folder, domain, selector);
  try {
    const read = readDkimKey(decode(await files.readFile(path, MAX_KEY_FILE)));
    if (read.status === "key") return { status: "key", path, key: read.key };
    return { status: "bad", path, reason: read.reason };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") return { status: "none", path, reason: "does not exist" };
    const why = code === "EACCES" || code === "EPERM" ? "permission denied" : code ?? "it failed";
    return { status: "unreadable", path, reason: `cannot be read: ${why}` };
  }
}
