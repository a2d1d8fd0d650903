/**
 * Sessions as policies see them, and their answers as a client does.
 *
 * @module
 */

import type { Address } from "../../../src/address.ts";
import type { PolicyAnswer, SessionView, Verdict } from "../../../src/policy/policy.ts";
import type { Envelope } from "../../../src/queue/entry.ts";
import { describeReply } from "../../../src/smtp/reply.ts";

/** Somebody nobody knows. */
export function stranger(client = "198.51.100.7"): SessionView {
  return {
    ...{ id: "1", role: "mx", client, hello: "client.example" },
    ...{ tls: null, identity: null, trusted: false },
  };
}

/** An envelope so far. */
export function envelope(sender: Address | null): Envelope {
  return { sender, recipients: [], body: "7BIT", smtputf8: false, requireTls: false };
}

/** What the client is told: "ok" or the reply. Of an answer that is there at once. */
export function answerTo(answer: PolicyAnswer): string {
  if (answer instanceof Promise) throw new TypeError("the answer is a promise");
  const verdict = answer as Verdict | undefined;
  return verdict !== undefined && "reply" in verdict ? describeReply(verdict.reply) : "ok";
}
