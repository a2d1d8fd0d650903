/**
 * What mail programs are told of a domain's mail: where it is read and where it is sent. All three ways of telling them
 * (`autoconfig.ts`, `autodiscover.ts`, `apple_profile.ts`) say the same.
 *
 * @module
 */

import { type Address, formatAddress, parseAddress } from "../address.ts";

/** A server that a mail program connects to. */
export interface ClientServer {
  readonly kind: "imap" | "pop3" | "smtp";
  readonly hostname: string;
  readonly port: number;
  /** TLS from the first octet (RFC 8314 §3), or by STARTTLS. */
  readonly tls: "implicit" | "starttls";
}

/** A domain and its servers. */
export interface MailService {
  /** As people write it. */
  readonly domain: string;
  /** Where mail is read, the best first; none: nobody can be told. */
  readonly incoming: readonly ClientServer[];
  /** Where mail is sent, the best first. */
  readonly outgoing: readonly ClientServer[];
}

/** The address that somebody asks about, where it is one of the domain's; `null` else. */
export async function addressOf(
  text: string | null,
  isOurs: (domain: string) => boolean | Promise<boolean>,
): Promise<Address | null> {
  if (text === null || text.length > 320) return null;
  const address = parseAddress(text.trim(), { smtputf8: true });
  return address !== null && await isOurs(address.domain) ? address : null;
}

/** The address as a login name. */
export function loginName(address: Address): string {
  return formatAddress(address);
}
