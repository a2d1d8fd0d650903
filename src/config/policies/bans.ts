/**
 * The section on bans.
 *
 * @module
 */

import { DEFAULT_BANS, MAX_NETWORK_CLIENTS } from "../../policy/abuse/bans.ts";
import { rate, wait } from "../fields.ts";
import { z } from "../packages.ts";

const WANTED = `wanted a whole number, 0 to ${MAX_NETWORK_CLIENTS}`;

/** `abuse.bans`. */
export const bansSchema = z.strictObject({
  enabled: z.boolean().default(true).describe("Ban clients that misbehave, for a while"),
  logins: rate.default(DEFAULT_BANS.logins)
    .describe(
      "Failed logins of a client before it is banned; fewer than loginBackoff.client, which refuses what is beyond it uncounted",
    ),
  recipients: rate.default(DEFAULT_BANS.recipients)
    .describe("Unknown recipients of a client before it is banned; delivered ones pay for some"),
  faults: rate.default(DEFAULT_BANS.faults)
    .describe("Times that a client may talk before the greeting, or inject text before TLS"),
  refusals: rate.default(DEFAULT_BANS.refusals)
    .describe("Refusals for good (5xx) by policies, and attempts to relay, of a client"),
  first: wait.default(DEFAULT_BANS.first)
    .describe("How long a first ban is; each next one is twice as long"),
  longest: wait.default(DEFAULT_BANS.longest).describe("How long a ban is at most"),
  memory: wait.default(DEFAULT_BANS.memory)
    .describe("How long after its end a ban makes the next one longer"),
  networkClients: z.int(WANTED).min(0, WANTED).max(MAX_NETWORK_CLIENTS, WANTED)
    .default(DEFAULT_BANS.networkClients)
    .describe("Banned clients of a network (IPv4 /24, IPv6 /48) that ban all of it; 0: never"),
}).describe("Bans of clients that misbehave (`yizhan bans` lists and changes them)");
