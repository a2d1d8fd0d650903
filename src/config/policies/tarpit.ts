/**
 * The section on the tarpit.
 *
 * @module
 */

import { DEFAULT_TARPIT } from "../../policy/abuse/tarpit.ts";
import { count, duration } from "../fields.ts";
import { z } from "../packages.ts";

const WANTED = "wanted a whole number, 0 or more";

/** `abuse.tarpit`. */
export const tarpitSchema = z.strictObject({
  enabled: z.boolean().default(true)
    .describe("Answer strangers slowly who are refused again and again"),
  after: z.int(WANTED).min(0, WANTED).default(DEFAULT_TARPIT.after)
    .describe("Refusals in a session that are answered without delay"),
  first: duration.default(DEFAULT_TARPIT.first)
    .describe("How long the next one waits; each further one twice as long"),
  longest: duration.default(DEFAULT_TARPIT.longest)
    .refine((milliseconds) => milliseconds <= 240_000, "wanted 4m or less")
    .describe("How long one waits at most"),
  sessions: count.default(DEFAULT_TARPIT.sessions)
    .describe("Sessions that are slowed at once, at most"),
}).describe("Slow answers for strangers who are refused again and again");
