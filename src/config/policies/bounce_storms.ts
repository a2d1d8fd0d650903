/**
 * The section on notices from outside.
 *
 * @module
 */

import { DEFAULT_BOUNCE_RATES } from "../../policy/abuse/bounce_storms.ts";
import { rate } from "../fields.ts";
import { z } from "../packages.ts";

/** `abuse.bounceStorms`. */
export const bounceStormsSchema = z.strictObject({
  enabled: z.boolean().default(true).describe("Bound mail with the sender <> from strangers"),
  recipient: rate.nullable().default(DEFAULT_BOUNCE_RATES.recipient)
    .describe("To one address; null: no limit"),
  client: rate.nullable().default(DEFAULT_BOUNCE_RATES.client)
    .describe("From one address (IPv6: one /64), by recipients"),
}).describe("Notices for mail that somebody else sent in the name of ours");
