/**
 * The section on names said in HELO and EHLO.
 *
 * @module
 */

import { DEFAULT_DNS_TIMEOUT } from "../../policy/dns/dns_time.ts";
import { wait } from "../fields.ts";
import { z } from "../packages.ts";

/** `abuse.helloChecks`. */
export const helloChecksSchema = z.strictObject({
  own: z.boolean().default(true)
    .describe("Refuse strangers who say this server's name or address"),
  bareAddress: z.boolean().default(false)
    .describe("Refuse an address without brackets (RFC 5321 §4.1.3)"),
  syntax: z.boolean().default(false)
    .describe("Refuse what is neither a domain nor an address in brackets"),
  dotless: z.boolean().default(false).describe("Refuse a name without a dot"),
  resolves: z.boolean().default(false)
    .describe("Refuse a name that has neither address nor MX in DNS"),
  timeout: wait.default(DEFAULT_DNS_TIMEOUT).describe("How long DNS may take"),
}).describe("Names that clients say in HELO and EHLO");
