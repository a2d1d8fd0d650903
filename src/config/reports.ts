/**
 * The section `reports`: what others are told of how things went with their domains.
 *
 * @module
 */

import { parseAddress } from "../address.ts";
import { mailAddress } from "./fields.ts";
import { z } from "./packages.ts";

const organization = z.string().regex(
  /^\P{C}{1,100}$/u,
  "wanted a name, 100 characters at most",
);

/** The section. */
export const reportsSchema = z.strictObject({
  tls: z.strictObject({
    enabled: z.boolean().default(true).describe(
      "Tell domains that ask for it (_smtp._tls.DOMAIN) once a day how TLS went with their mail hosts",
    ),
    contact: mailAddress.refine(
      (address) => parseAddress(address) !== null,
      "wanted an address in ASCII",
    ).optional().describe(
      "Who sends the reports, an address of ours whose domain has a DKIM key; default mail.postmaster, " +
        "else postmaster at the first of domains, else at hostname",
    ),
    organization: organization.optional().describe(
      "Our name in the reports; default the contact's domain",
    ),
  }).prefault({}).describe("Reports of TLS (RFC 8460); where relay.enabled is true"),
}).describe("Reports that others get");

/** What of a configuration says who sends reports. */
export interface ReportKeys {
  readonly reports: z.output<typeof reportsSchema>;
  readonly relay: { readonly enabled: boolean };
  readonly mail: { readonly postmaster?: string | undefined };
  readonly domains: readonly string[];
  readonly hostname: string;
}

/** In whose name reports of TLS are sent; `null`: none are. */
export function tlsReportSettings(
  { reports: { tls }, relay, mail, domains, hostname }: ReportKeys,
): { readonly contact: string; readonly organization: string } | null {
  if (!tls.enabled || !relay.enabled) return null;
  const contact = [tls.contact, mail.postmaster, `postmaster@${domains[0] ?? hostname}`]
    .find((address) => address !== undefined && parseAddress(address) !== null) ??
    `postmaster@${hostname}`;
  const domain = contact.slice(contact.lastIndexOf("@") + 1);
  return { contact, organization: tls.organization ?? domain };
}
