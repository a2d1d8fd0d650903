/**
 * The section `abuse`: what strangers may do, each limit a policy of its own that can be set and switched. What the
 * policies make of it is in `src/policy/abuse/` and `src/policy/dns/`.
 *
 * @module
 */

import { network } from "../fields.ts";
import { z } from "../packages.ts";
import { accountsSchema } from "./accounts.ts";
import { bansSchema } from "./bans.ts";
import { bounceStormsSchema } from "./bounce_storms.ts";
import { dnsListsSchema } from "./dns_lists.ts";
import { greylistingSchema } from "./greylisting.ts";
import { helloChecksSchema } from "./hello_checks.ts";
import { loginBackoffSchema } from "./login_backoff.ts";
import { ratesSchema } from "./rates.ts";
import { reverseDnsSchema } from "./reverse_dns.ts";
import { senderDomainSchema } from "./sender_domain.ts";
import { tarpitSchema } from "./tarpit.ts";

/** The section. */
export const abuseSchema = z.strictObject({
  exempt: z.array(network).default(["127.0.0.0/8", "::1/128"])
    .describe(
      "Networks whose clients are no strangers, beside relay.from; accounts are limited there too",
    ),
  bans: bansSchema.prefault({}),
  rates: ratesSchema.prefault({}),
  accounts: accountsSchema.prefault({}),
  bounceStorms: bounceStormsSchema.prefault({}),
  loginBackoff: loginBackoffSchema.prefault({}),
  tarpit: tarpitSchema.prefault({}),
  greylisting: greylistingSchema.prefault({}),
  dnsLists: dnsListsSchema.prefault({}),
  helloChecks: helloChecksSchema.prefault({}),
  reverseDns: reverseDnsSchema.prefault({}),
  senderDomain: senderDomainSchema.prefault({}),
}).describe("What strangers may do");

/** As it is once it was read. */
export type AbuseConfig = z.output<typeof abuseSchema>;
