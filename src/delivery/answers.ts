/**
 * What the answers of one station to one transaction mean for its recipients. Pure.
 *
 * 2xx to the end of the message, and nothing else, is a delivery. 5xx to MAIL, RCPT, DATA or the message is for
 * ever; 4xx to RCPT, DATA or the message (421 too) is for now, for every host of a domain would say the same.
 * 4xx to MAIL, a connection that ends, and what this host cannot take are troubles of the host: the next one may
 * be better. So is 530 to MAIL, which is about TLS we could not have (RFC 3207 §4) or a login that is not set
 * (RFC 4954 §6), and will pass. Too many recipients (RFC 5321 §4.5.3.1.10) is no refusal: the rest goes in another
 * transaction. And once the whole message was sent, no other host is asked, whatever happens: it may have been
 * taken (RFC 1047).
 *
 * @module
 */

import type { Outcome } from "../queue/outcome.ts";
import type { RecipientOutcome } from "../smtp/client_event.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { UNASKED } from "../smtp/unsendable.ts";
import { failureOf, STOPPED } from "./outcomes.ts";
import type { Sent } from "./message_carrier.ts";

/** Why a host did not do. */
export interface HostTrouble {
  readonly reply: Reply;
  /** Who answered; absent: nobody, the words are ours. */
  readonly host?: string;
  readonly tls?: string;
  /** Would be the same at any other time. */
  readonly permanent: boolean;
  /** As in `Outcome.unreachable`. */
  readonly unreachable: boolean;
}

/** Whose answers they are, and to whom. */
export interface AnswerContext {
  /** The station, for people. */
  readonly label: string;
  /** What TLS was used. */
  readonly tls?: string | undefined;
  /** The station is the operator's choice, not that of DNS. */
  readonly chosen: boolean;
  /** What a recipient is when the station has taken the message. */
  readonly taken: "relayed" | "delivered";
  /** We have broken off. */
  readonly aborted: boolean;
}

/** What a transaction came to. Each recipient is in exactly one of the three. */
export interface Settled {
  readonly outcomes: readonly Outcome[];
  /** Another host may be asked. */
  readonly troubles: ReadonlyMap<number, HostTrouble>;
  /** To be said again, in a transaction with fewer recipients. */
  readonly again: readonly number[];
}

/** Reads all answers to a transaction. @param group who its recipients are, by the index in the entry. */
export function settleAnswers(
  group: readonly number[],
  { outcomes, failure }: Pick<Sent, "outcomes" | "failure">,
  context: AnswerContext,
): Settled {
  const settled: Outcome[] = [];
  let troubles: Map<number, HostTrouble> | undefined;
  let again: number[] | undefined;
  // Said again only where somebody was brought forward: else it would never end.
  const progress = failure === null && !outcomes.every(isTooMany);
  for (const outcome of outcomes) {
    const recipient = group[outcome.recipient]!;
    if (progress && isTooMany(outcome)) {
      (again ??= []).push(recipient);
      continue;
    }
    const decided = decideRecipient(recipient, outcome, context);
    if ("status" in decided) settled.push(decided);
    else (troubles ??= new Map()).set(recipient, decided);
  }
  return { outcomes: settled, troubles: troubles ?? NO_TROUBLES, again: again ?? NOBODY };
}

/** No recipient met a trouble. */
export const NO_TROUBLES: ReadonlyMap<number, HostTrouble> = new Map();
/** No recipients. */
export const NOBODY: readonly number[] = [];

/** Reads the answer that decided a recipient: an outcome, or a trouble of this host. */
export function decideRecipient(
  recipient: number,
  answer: RecipientOutcome,
  context: AnswerContext,
): Outcome | HostTrouble {
  const { accepted, remote, reply: given, stage, dsnHandedOn } = answer;
  const { label, taken, aborted, tls } = context;
  if (accepted) {
    const outcome: Outcome = { recipient, status: taken, reply: given, host: label };
    const handedOn = taken === "relayed" && dsnHandedOn;
    if (tls === undefined && !handedOn) return outcome;
    return { ...outcome, ...tlsOf(context), ...(handedOn && { dsnHandedOn }) };
  }
  const where = { host: label, ...tlsOf(context) };
  if (answer.maybeDelivered) return maybeDelivered(recipient, given, context);
  if (!remote) {
    if (aborted) return { recipient, status: "deferred", reply: STOPPED };
    return ownTrouble(given, context);
  }
  const unreachable = given.code === 421;
  if (stage === "mail" && (given.code < 500 || wantsMore(given, context))) {
    return { reply: given, ...where, permanent: false, unreachable };
  }
  return { recipient, ...failureOf(given), ...where, ...(unreachable && { unreachable }) };
}

/** A trouble in our own words, which say whom they are about. */
export function ownTrouble(
  given: Reply,
  context: Pick<AnswerContext, "label" | "tls">,
): HostTrouble {
  const words = { ...given, lines: [`${context.label}: ${given.lines.join(" ")}`] };
  const permanent = given.code >= 500;
  return { reply: words, permanent, unreachable: false, ...tlsOf(context) };
}

/** 530 asks for TLS or a login: of who has TLS, and was named by DNS, for something we shall never have. */
function wantsMore({ code }: Reply, { chosen, tls }: AnswerContext): boolean {
  return code === 530 && (chosen || tls === undefined);
}

/** RFC 1047: where there is a queue it is sent again, since a second copy is the lesser evil. */
function maybeDelivered(
  recipient: number,
  given: Reply,
  { label, aborted }: AnswerContext,
): Outcome {
  const why = aborted ? "delivery was interrupted" : given.lines.join(" ");
  const text =
    `${label}: the whole message was sent, but its reply was not seen (${why}): it may ` +
    "have arrived";
  const words = reply(451, "4.4.2", text);
  return { recipient, status: "deferred", reply: words, maybeDelivered: true };
}

/**
 * RFC 5321 §4.5.3.1.10: 452, or 552 of stations that follow RFC 821; with another enhanced code they speak of
 * the mailbox. Without one they may: then it is said again, and believed, in a transaction that has nobody else.
 */
export function isTooMany({ stage, remote, reply: { code, enhanced } }: RecipientOutcome): boolean {
  if (stage !== "rcpt" || !remote) return false;
  if (enhanced === undefined) return code === 452 || code === 552;
  return [450, 451, 452, 552].includes(code) && (enhanced === "4.5.3" || enhanced === "5.5.3");
}

/**
 * Whether a connection that had been used before ended as soon as it was used again: it had ended while it was
 * kept, or with the message before, or cannot be used again, and says nothing about the host.
 *
 * @param first whether this was its first transaction since it was kept.
 */
export function isStale({ outcomes, failure }: Pick<Sent, "outcomes" | "failure">, first: boolean) {
  if (failure?.kind === "refused" && failure.where === "RSET") return true;
  if (outcomes.every((outcome) => outcome.reply === UNASKED)) return true;
  if (!first || failure === null) return false;
  if (failure.kind === "timeout" || failure.kind === "garbage") return false;
  return outcomes.every(({ stage, accepted, remote, reply }) =>
    stage === "mail" && !accepted && (!remote || reply.code === 421)
  );
}

function tlsOf({ tls }: Pick<AnswerContext, "tls">): { readonly tls?: string } {
  return tls === undefined ? {} : { tls };
}
