/**
 * The section `reports`: what others are told of how things went with their domains.
 *
 * @module
 */

import { domainKey, parseAddress } from "../address.ts";
import { mailAddress } from "./fields.ts";
import { z } from "./packages.ts";

const organization = z.string().regex(
  /^\P{C}{1,100}$/u,
  "wanted a name, 100 characters at most",
);

const contact = mailAddress.refine(
  (address) => parseAddress(address) !== null,
  "wanted an address in ASCII",
).optional().describe(
  "Who sends the reports, an address of ours whose domain has a DKIM key; default mail.postmaster where " +
    "it is at one of domains, else postmaster at the first of them, else at hostname",
);

const named = organization.optional().describe(
  "Our name in the reports; default the contact's domain",
);

/** The section. */
export const reportsSchema = z.strictObject({
  tls: z.strictObject({
    enabled: z.boolean().default(true).describe(
      "Tell domains that ask for it (_smtp._tls.DOMAIN) once a day how TLS went with their mail hosts",
    ),
    contact,
    organization: named,
  }).prefault({}).describe("Reports of TLS (RFC 8460); where relay.enabled is true"),
  dmarc: z.strictObject({
    enabled: z.boolean().default(true).describe(
      "Tell domains that ask for it (rua in _dmarc.DOMAIN) once a day who sent mail here in their name, " +
        "and whether it passed",
    ),
    contact,
    organization: named,
  }).prefault({}).describe(
    "Aggregate reports of DMARC (RFC 9990); where mail is checked (authentication.enabled) and " +
      "relay.enabled is true",
  ),
}).describe("Reports that others get");

/** What of a configuration says who sends reports. */
export interface ReportKeys {
  readonly reports: z.output<typeof reportsSchema>;
  readonly relay: { readonly enabled: boolean };
  readonly mail: { readonly postmaster?: string | undefined };
  readonly domains: readonly string[];
  readonly hostname: string;
}

/** In whose name reports are sent. */
export interface ReportName {
  readonly contact: string;
  readonly organization: string;
}

/** In whose name reports of TLS are sent; `null`: none are. */
export function tlsReportSettings(keys: ReportKeys): ReportName | null {
  const { reports: { tls }, relay } = keys;
  return tls.enabled && relay.enabled ? nameOf(tls, keys) : null;
}

/** In whose name reports of DMARC are sent; `null`: none are. */
export function dmarcReportSettings(
  keys: ReportKeys & { readonly authentication: { readonly enabled?: boolean | undefined } },
): ReportName | null {
  const { reports: { dmarc }, relay, authentication } = keys;
  const checks = authentication.enabled ?? relay.enabled;
  return dmarc.enabled && checks && relay.enabled ? nameOf(dmarc, keys) : null;
}

function nameOf(
  given: { readonly contact?: string | undefined; readonly organization?: string | undefined },
  { mail, domains, hostname }: ReportKeys,
): ReportName {
  // Nobody may send in the name of a provider where the postmaster reads mail.
  const ours = new Set([hostname, ...domains].map(domainKey));
  const postmaster = domains.length === 0 || ours.has(domainKey(domainOf(mail.postmaster ?? "")))
    ? mail.postmaster
    : undefined;
  const contact = [given.contact, postmaster, `postmaster@${domains[0] ?? hostname}`]
    .find((address) => address !== undefined && parseAddress(address) !== null) ??
    `postmaster@${hostname}`;
  return { contact, organization: given.organization ?? domainOf(contact) };
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}
