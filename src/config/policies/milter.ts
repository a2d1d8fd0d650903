/**
 * A filter of kind `milter`: a program that speaks the milter protocol, such as rspamd or OpenDKIM. What is read is
 * the options of the policy (`policy/milter/milter.ts`) beside its kind and our name.
 *
 * @module
 */

import { DEFAULT_MILTER_TIMEOUTS } from "../../policy/milter/link.ts";
import { DEFAULT_CONNECTIONS } from "../../policy/milter/places.ts";
import { count, programAddress, wait } from "../fields.ts";
import { z } from "../packages.ts";

const timeouts = z.strictObject({
  connect: wait.default(DEFAULT_MILTER_TIMEOUTS.connect)
    .describe("To connect and agree on the protocol"),
  command: wait.default(DEFAULT_MILTER_TIMEOUTS.command)
    .describe("For the answer to a command of the envelope"),
  content: wait.default(DEFAULT_MILTER_TIMEOUTS.content)
    .describe("For each answer about the content; nine minutes are the most a message may take"),
});

/** The section. */
export const milterSchema = z.strictObject({
  kind: z.literal("milter").describe("A milter sees every message, and may refuse or change it"),
  address: programAddress("unix:/run/opendkim/opendkim.sock", "127.0.0.1:11332")
    .describe("Where it listens"),
  name: z.string().regex(/^\P{C}{1,60}$/u, "wanted a name, 60 characters at most").default("milter")
    .describe("Its name in the log"),
  roles: z.array(z.enum(["mx", "submission", "submissions", "lmtp", "submit"])).min(1).optional()
    .describe(
      "The listeners whose mail it sees, by role; submit is mail of this machine's programs. Default: all",
    ),
  connections: count.default(DEFAULT_CONNECTIONS).describe(
    "Connections at once; one that waits for its client goes to whoever needs it, others wait their turn",
  ),
  timeouts: timeouts.prefault({}).describe("How long each wait may last"),
  onTrouble: z.enum(["accept", "defer", "reject"]).default("defer").describe(
    "When it cannot be asked. accept: the mail is taken without it. defer: 451 4.7.1. reject: 550 5.7.1",
  ),
});

/** As it is once it was read. */
export type MilterConfig = z.output<typeof milterSchema>;
