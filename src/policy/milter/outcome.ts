/**
 * What a filter's verdict means at each step, as libmilter defines it (xxfi_*): what ends, and what the client is
 * answered. Pure.
 *
 * @module
 */

import { type Reply, reply } from "../../smtp/reply.ts";
import type { Verdict } from "../policy.ts";
import type { MilterVerdict } from "./reply.ts";

/** The steps of a session that a filter answers. */
export type Step =
  | "connect"
  | "hello"
  | "mail"
  | "recipient"
  | "data"
  | "header"
  | "endOfHeaders"
  | "body"
  | "endOfMessage";

/** What comes of an answer. */
export type Outcome =
  /** On to the next. @property skip the rest of this kind need not be sent. */
  | { readonly ends: "nothing"; readonly skip?: boolean }
  /**
   * The filter has nothing more to say of the session, the message or the recipient; `verdict` holds for it, and
   * `undefined` is accept.
   */
  | {
    readonly ends: "session" | "message" | "recipient";
    readonly verdict: Verdict | undefined;
  };

/** What an answer comes to; `null` where it is none to this step. */
export function outcomeOf(step: Step, answer: MilterVerdict): Outcome | null {
  const early = step === "connect" || step === "hello";
  const ends = early ? "session" : step === "recipient" ? "recipient" : "message";
  switch (answer.reply) {
    case "continue":
      return { ends: "nothing" };
    case "skip":
      return step === "body" || step === "header" ? { ends: "nothing", skip: true } : null;
    case "accept":
      return { ends: early ? "session" : "message", verdict: undefined };
    case "discard":
      // Of a session there is nothing to discard. At a recipient it means the whole message.
      return early ? null : {
        ends: "message",
        verdict: { action: "discard", reason: "a filter wants it dropped" },
      };
    case "reject":
      // RFC 5321 §3.1: a greeting that refuses is 554.
      return { ends, verdict: refuse(step === "connect" ? REFUSED_CLIENT : REFUSED) };
    case "tempfail":
      return { ends, verdict: UNDECIDED };
    case "reply-code":
      return { ends, verdict: refuse(answer.value) };
    case "shutdown":
    case "connection-failure":
      return { ends: "session", verdict: refuse(CLOSING) };
  }
}

function refuse(reply: Reply): Verdict {
  return { action: reply.code < 500 ? "defer" : "reject", reply };
}

/** What is neither here nor there: another try will tell. */
export const UNDECIDED: Verdict = {
  action: "defer",
  reply: reply(451, "4.7.1", "not accepted now: try again later"),
};

const REFUSED_CLIENT = reply(554, "5.7.1", "not accepted here");
const REFUSED = reply(550, "5.7.1", "not accepted here");
const CLOSING = reply(421, "4.7.1", "not accepted now: closing");
