/**
 * The section on how often strangers may connect, and how much mail they may bring.
 *
 * @module
 */

import { DEFAULT_CONNECTION_RATES, DEFAULT_MESSAGE_RATES } from "../../policy/abuse/rates.ts";
import { rate } from "../fields.ts";
import { z } from "../packages.ts";

const { messages, recipients } = DEFAULT_MESSAGE_RATES;

/** `abuse.rates`. */
export const ratesSchema = z.strictObject({
  enabled: z.boolean().default(true).describe("Bound how often strangers connect and send"),
  connections: z.strictObject({
    client: rate.nullable().default(DEFAULT_CONNECTION_RATES.client)
      .describe("From one address (IPv6: one /64); null: no limit"),
    network: rate.nullable().default(DEFAULT_CONNECTION_RATES.network)
      .describe("From one network (IPv4 /24, IPv6 /48)"),
  }).prefault({}).describe("Connections; what is too many is told 421"),
  messages: mailRates(messages).describe("Mails; what is too many is told 451"),
  recipients: mailRates(recipients).describe("Recipients; what is too many is told 450"),
}).describe("How often strangers may connect, and how much mail they may bring");

function mailRates(defaults: typeof messages) {
  return z.strictObject({
    client: rate.nullable().default(defaults.client)
      .describe("From one address (IPv6: one /64); null: no limit"),
    network: rate.nullable().default(defaults.network)
      .describe("From one network (IPv4 /24, IPv6 /48)"),
    senderDomain: rate.nullable().default(defaults.senderDomain).describe(
      "In the name of one domain, whoever sends; anybody can use any name, so a flood shuts out its owner too",
    ),
  }).prefault({});
}
