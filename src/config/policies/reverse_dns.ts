/**
 * The section on the names that clients have in DNS.
 *
 * @module
 */

import { DEFAULT_DNS_TIMEOUT } from "../../policy/dns/dns_time.ts";
import { wait } from "../fields.ts";
import { z } from "../packages.ts";

/** `abuse.reverseDns`. */
export const reverseDnsSchema = z.strictObject({
  level: z.enum(["off", "require-ptr", "require-match"]).default("off")
    .describe("require-ptr: a client has a name (PTR); require-match: one that leads back to it"),
  timeout: wait.default(DEFAULT_DNS_TIMEOUT).describe("How long DNS may take"),
}).describe("The name of a client in DNS");
