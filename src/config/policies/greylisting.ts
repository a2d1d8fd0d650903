/**
 * The section on greylisting.
 *
 * @module
 */

import { DEFAULT_GREYLISTING } from "../../policy/abuse/greylisting.ts";
import { domainPattern, mailAddress, network, wait } from "../fields.ts";
import { z } from "../packages.ts";

const WANTED = "wanted a whole number, 0 or more";
const ADDRESS_OR_DOMAIN = "wanted an address, a domain, or .example.org for all below one";

// `*` would be to switch it off in a way that nobody finds.
const pattern = domainPattern.refine(
  (text) => text !== "*",
  "wanted domains: to exempt all, switch it off",
);

/** `abuse.greylisting`. */
export const greylistingSchema = z.strictObject({
  enabled: z.boolean().default(false)
    .describe("Put off first mail of strangers until they try again (RFC 6647)"),
  delay: wait.default(DEFAULT_GREYLISTING.delay).describe("How long until it may come again"),
  window: wait.default(DEFAULT_GREYLISTING.window)
    .describe("How long until it must have come again"),
  lifetime: wait.default(DEFAULT_GREYLISTING.lifetime)
    .describe("How long what passed is remembered, since it last came"),
  passes: z.int(WANTED).min(0, WANTED).default(DEFAULT_GREYLISTING.passes)
    .describe("Senders and recipients that passed until all mail of a network passes; 0: never"),
  exempt: z.array(network).default([]).describe("More networks that never wait"),
  recipients: z.array(z.union([mailAddress, pattern], ADDRESS_OR_DOMAIN)).default([])
    .describe("Recipients whose mail never waits: addresses and domains"),
  senders: z.array(pattern).default([])
    .describe("Domains whose senders never wait; anybody can claim to be one"),
}).refine(({ delay, window }) => delay < window, {
  message: "wanted a delay shorter than the window",
  path: ["delay"],
}).describe("Greylisting");
