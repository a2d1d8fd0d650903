/**
 * What a message is answered where there was no room for another body that a filter wants (`BodyDraft.finish()` gave
 * none): the trouble is ours, not the filter's, and passes.
 *
 * @module
 */

import { reply } from "../smtp/reply.ts";
import type { Verdict } from "./policy.ts";

/** RFC 3463 §3.4, X.3.1. */
export const NO_ROOM: Verdict = {
  action: "defer",
  reply: reply(452, "4.3.1", "no room for the message as a filter wants it: try again later"),
};
