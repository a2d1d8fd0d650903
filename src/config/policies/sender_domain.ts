/**
 * The section on the domains of senders.
 *
 * @module
 */

import { DEFAULT_DNS_TIMEOUT } from "../../policy/dns/dns_time.ts";
import { network, wait } from "../fields.ts";
import { z } from "../packages.ts";

/** `abuse.senderDomain`. */
export const senderDomainSchema = z.strictObject({
  enabled: z.boolean().optional().describe(
    "Refuse senders whose domain does not exist, or takes no mail (RFC 7505). Default: as relay.enabled, " +
      "which says whether DNS may be asked",
  ),
  whenUnknown: z.enum(["defer", "accept"]).default("accept")
    .describe("What becomes of mail while DNS gives no answer; defer: 451"),
  allowAddresses: z.array(network).default([])
    .describe("Networks where hosts of senders may be though others cannot reach them"),
  timeout: wait.default(DEFAULT_DNS_TIMEOUT).describe("How long DNS may take"),
}).describe("The domain of a sender");
