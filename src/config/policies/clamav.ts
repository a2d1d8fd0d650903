/**
 * A filter of kind `clamav`: mail is looked through by ClamAV's daemon. What is read is the options of the policy
 * (`policy/clamav/clamav.ts`) beside its kind.
 *
 * @module
 */

import { DEFAULT_CONNECTIONS, DEFAULT_TIMEOUT } from "../../policy/clamav/clamav.ts";
import { count, programAddress, size, wait } from "../fields.ts";
import { z } from "../packages.ts";

/** The section. */
export const clamavSchema = z.strictObject({
  kind: z.literal("clamav").describe("ClamAV's daemon looks through every message"),
  address: programAddress("unix:/run/clamav/clamd.ctl", "127.0.0.1:3310")
    .describe("Where clamd listens: its LocalSocket or TCPSocket"),
  timeout: wait.default(DEFAULT_TIMEOUT).describe("For a message, from connecting to the answer"),
  connections: count.default(DEFAULT_CONNECTIONS).describe(
    "Messages at once; others wait. No more than clamd's MaxThreads",
  ),
  onInfected: z.enum(["reject", "quarantine"]).default("reject").describe(
    "reject: 554 5.7.1. quarantine: taken, and held in the queue",
  ),
  onTrouble: z.enum(["defer", "accept"]).default("defer").describe(
    "When the daemon cannot be asked. defer: 451 4.7.1. accept: taken, with X-Virus-Scanned: no",
  ),
  maxSize: size.optional().describe(
    "Larger messages are not sent to the daemon; default: it says itself what it does not take",
  ),
  onTooLarge: z.enum(["accept", "defer", "reject"]).default("accept").describe(
    "What is larger than the daemon takes (StreamMaxLength). accept: taken, with X-Virus-Scanned: no. " +
      "defer: 451 4.7.1. reject: 552 5.3.4",
  ),
});

/** As it is once it was read. */
export type ClamavConfig = z.output<typeof clamavSchema>;
