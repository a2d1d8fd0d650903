/**
 * What a configuration says of the site of our domains, as the site wants it. Pure.
 *
 * @module
 */

import { toAsciiDomain } from "../address.ts";
import { formatStsPolicy, type StsPolicy } from "../delivery/sts/policy.ts";
import type { ClientServer, MailService } from "../web/mail_service.ts";
import type { Config, WrittenConfig } from "./schema.ts";

/** The policy of MTA-STS, the same for all our domains; `null`: there is none. */
export function ownStsPolicy({ hostname, web: { mtaSts } }: SiteConfig): StsPolicy | null {
  const { mode, mx, maxAge } = mtaSts;
  if (mode === "none" && mx.length === 0) return null;
  return { mode, mx: mx.length > 0 ? mx : [hostname], maxAge: Math.floor(maxAge / 1000) };
}

/** Its text, as it is served; `null`: there is none. */
export function ownStsPolicyText(config: SiteConfig): string | null {
  const policy = ownStsPolicy(config);
  return policy && formatStsPolicy(policy);
}

/** What mail programs are told of a domain. */
export function mailServiceOf(config: Config, domain: string): MailService {
  const { hostname, listeners, web } = config;
  const server = (
    kind: ClientServer["kind"],
    given: { readonly hostname?: string; readonly port: number; readonly tls: ClientServer["tls"] },
  ): ClientServer => ({ kind, ...given, hostname: given.hostname ?? hostname });
  // RFC 8314 §3.3: TLS from the first octet comes first.
  const sending = (["submissions", "submission"] as const).flatMap((role) =>
    listeners.flatMap((listener) => {
      const { address } = listener;
      if (listener.role !== role || address.transport !== "tcp" || address.port === 0) return [];
      const tls = role === "submissions" ? "implicit" as const : "starttls" as const;
      return [server("smtp", { port: address.port, tls })];
    })
  );
  return {
    domain,
    incoming: [
      ...(web.imap ? [server("imap", defined(web.imap))] : []),
      ...(web.pop3 ? [server("pop3", defined(web.pop3))] : []),
    ],
    outgoing: sending.filter((one, index) =>
      sending.findIndex(({ port }) => port === one.port) === index
    ),
  };
}

type Written = NonNullable<Config["web"]["imap"]>;

/** Options must not be there as `undefined`. */
function defined({ hostname, port, tls }: Written) {
  return { port, tls, ...(hostname !== undefined && { hostname }) };
}

/** The site's parts that are asked for by a name of their own below a domain. */
export type SiteName = "mta-sts" | "autoconfig" | "autodiscover";

/** What a written configuration says of the site. */
type SiteConfig = Pick<WrittenConfig, "hostname" | "web">;

/** The names below each domain by which the site is asked for, where it listens for TLS and has something to tell. */
export function siteNames({ web }: SiteConfig): readonly SiteName[] {
  if (!web.listeners.some(({ tls }) => tls)) return [];
  const accounts = web.imap !== undefined || web.pop3 !== undefined;
  return [
    ...(web.mtaSts.mode === "none" && web.mtaSts.mx.length === 0 ? [] : ["mta-sts" as const]),
    ...(accounts ? ["autoconfig" as const, "autodiscover" as const] : []),
  ];
}

/** The names that certificates are wanted for, in lower case, each once. */
export function acmeNames(config: SiteConfig & Pick<WrittenConfig, "acme" | "domains">): string[] {
  const { hostname, acme, domains } = config;
  if (acme === undefined) return [];
  const ofSite = domains.flatMap((domain) => {
    const ascii = toAsciiDomain(domain);
    return ascii === null ? [] : siteNames(config).map((name) => `${name}.${ascii}`);
  });
  const names = acme.names.length > 0 ? acme.names : [hostname, ...ofSite];
  return [...new Set(names.map((name) => name.toLowerCase()))];
}
