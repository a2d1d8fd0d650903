/**
 * What a configuration says of the site of our domains, as the site wants it. Pure.
 *
 * @module
 */

import { formatStsPolicy } from "../delivery/sts/policy.ts";
import type { ClientServer, MailService } from "../web/mail_service.ts";
import type { Config } from "./schema.ts";

/** The policy of MTA-STS, the same for all our domains; `null`: there is none to be served. */
export function ownStsPolicy({ hostname, web: { mtaSts } }: Config): string | null {
  const { mode, mx, maxAge } = mtaSts;
  if (mode === "none" && mx.length === 0) return null;
  return formatStsPolicy({
    mode,
    mx: mx.length > 0 ? mx : [hostname],
    maxAge: Math.floor(maxAge / 1000),
  });
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

/** The names that certificates are wanted for. */
export function acmeNames({ hostname, acme }: Config): readonly string[] {
  if (acme === undefined) return [];
  return acme.names.length > 0 ? acme.names : [hostname];
}
