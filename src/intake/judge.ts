/**
 * Whether a message that is whole is taken, and with which head: it has not gone round in circles, it is completed
 * where it is a submission, it gets the trace field of this station, and the policies have their say: first those that
 * watched the body, then all of the whole.
 *
 * What fails: a policy, which the chain tells of. Fields are taken apart only for those who look at them.
 *
 * @module
 */

import { Head } from "../message/head.ts";
import type { RawField } from "../message/header.ts";
import { withProtocol } from "../message/received.ts";
import type { Decision } from "../policy/chain.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { type Soon, whenKnown } from "../soon.ts";
import type { IntakeClient } from "./client.ts";
import type { MessageContent } from "./content.ts";
import { fixSubmission, MAX_HOPS } from "./head_edits.ts";
import { rewrite, type Rewritten } from "./rewrite.ts";
import type { IntakeServices } from "./services.ts";
import type { Transaction } from "./transaction.ts";
import { WholeMessage } from "./whole_message.ts";

/** What the checks and policies came to. */
export type Judgement =
  /** Taken, as it is now. */
  | { readonly taken: Rewritten }
  /** Refused; `policy` says by whom, where it was one. */
  | { readonly reply: Reply; readonly policy?: string }
  /** Dropped, as if it had been taken. */
  | { readonly discard: { readonly policy: string; readonly reason: string } };

/** Completes the head and asks the policies. */
export function judge(
  { policies, clock, hostname, queue }: IntakeServices,
  client: IntakeClient,
  transaction: Transaction,
  content: MessageContent,
): Soon<Judgement> {
  if (content.head.received > MAX_HOPS) return { reply: TOO_MANY_HOPS };
  if (transaction.parameters.body === "BINARYMIME" && !content.headIsClean) {
    return { reply: BARE_NEWLINE };
  }
  const now = clock.now();
  const completed = client.origin.submission
    ? Head.of(fixSubmission(content.head.fields, { now, id: transaction.id, hostname }))
    : content.head;
  const head = completed.below(trace(client, transaction, hostname, now));
  const watched = policies.decide("body", (policy) => content.verdictOf(policy), client);
  return whenKnown(watched, (watched) => {
    if (watched.action !== "accept") return ending(watched);
    const before = [...transaction.changes, ...watched.changes];
    const draftBody = () => content.draftBody();
    const routes = queue === null ? null : queue.routes;
    const parts = { client, transaction, head, body: content.body, draftBody, routes };
    const view = new WholeMessage(parts, before);
    const whole = policies.decide(
      "message",
      (policy, changes) => policy.message?.(view.after(changes)),
      client,
    );
    return whenKnown(whole, (whole) => {
      if (whole.action !== "accept") return ending(whole);
      if (transaction.discard !== null) return { discard: transaction.discard };
      const changes = [...before, ...whole.changes];
      const message = { head, transaction, body: content.body, held: null, junk: null };
      if (changes.length === 0) return { taken: message };
      const rewritten = rewrite(message, changes, (address) => client.destinationsOf(address));
      return whenKnown(rewritten, (taken) => ({ taken }));
    });
  });
}

function ending(decision: Exclude<Decision, { action: "accept" }>): Judgement {
  return decision.action === "discard" ? { discard: decision } : decision;
}

/** The Received field of this station (RFC 5321 §4.4). */
function trace(
  client: IntakeClient,
  { recipients, parameters, id }: Transaction,
  hostname: string,
  time: number,
): RawField {
  return client.stamp.stamp({
    hello: client.hello,
    client: client.client,
    by: hostname,
    protocol: withProtocol({
      extended: client.verb !== "HELO",
      lmtp: client.origin.lmtp,
      smtputf8: parameters.smtputf8 === true,
      tls: client.tls !== null,
      auth: client.identity !== null,
      dropped: client.origin.user !== undefined,
    }),
    ...(client.origin.user && { user: client.origin.user }),
    tls: client.tls,
    id,
    // RFC 5321 §7.6: to name one of several would tell them of each other.
    ...(recipients.length === 1 && { recipient: recipients[0]!.address }),
    time,
  });
}

const BARE_NEWLINE = reply(550, "5.6.0", "bare CR or LF in the header section");
const TOO_MANY_HOPS = reply(554, "5.4.6", "too many hops: this mail is going round in circles");
