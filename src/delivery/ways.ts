/**
 * The ways of an entry's recipients: what the router says, through a hold where that is open, with
 * the reverse-path of each. A recipient without a way has its outcome at once.
 *
 * What fails: a router or a rewriting of senders that throws puts the recipient off with 451 4.3.0,
 * and is an event.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { describeError, type MtaFact } from "../events.ts";
import type { QueuedRecipient, QueueEntry } from "../queue/entry.ts";
import { KEPT, type Outcome } from "../queue/outcome.ts";
import { destinationOf, type Route } from "../routing/route.ts";
import type { Reply } from "../smtp/reply.ts";
import { deferred, type OpenRoute, type Way } from "./jobs.ts";
import { failureOf } from "./outcomes.ts";

/** What the router says: a way, or why there is none: 5xx for good, 4xx for now. */
export type RouteAnswer = Route | { readonly reply: Reply };

/** Finds the way of a recipient, given by its index. */
export type FindRoute = (
  entry: QueueEntry,
  recipient: number,
) => RouteAnswer | Promise<RouteAnswer>;

/** The reverse-path for a recipient: the entry's, but for what we forward (SRS). */
export type SenderFor = (entry: QueueEntry, recipient: QueuedRecipient) => Address | null;

/** What ways are found by. */
export interface WayServices {
  readonly route: FindRoute;
  readonly senderFor: SenderFor;
  readonly emit: (fact: MtaFact) => void;
}

/** Ways, and outcomes of those that have none. */
export interface Ways {
  readonly ways: readonly Way[];
  readonly outcomes: readonly Outcome[];
}

/**
 * Finds ways, at once where the router answers at once. `mayPass` says whether mail that is held for a domain may
 * go.
 */
export function findWays(
  services: WayServices,
  entry: QueueEntry,
  recipients: readonly number[],
  mayPass: (domain: string) => boolean,
): Ways | Promise<Ways> {
  const found: (Way | Outcome | Promise<Way | Outcome>)[] = [];
  let atOnce = true;
  for (const index of recipients) {
    const way = findWay(services, entry, index, mayPass);
    if (way instanceof Promise) atOnce = false;
    found.push(way);
  }
  return atOnce ? sortOut(found as (Way | Outcome)[]) : Promise.all(found).then(sortOut);
}

function sortOut(found: readonly (Way | Outcome)[]): Ways {
  const ways: Way[] = [];
  const outcomes: Outcome[] = [];
  for (const one of found) {
    if ("route" in one) ways.push(one);
    else outcomes.push(one);
  }
  return { ways, outcomes };
}

function findWay(
  services: WayServices,
  entry: QueueEntry,
  index: number,
  mayPass: (domain: string) => boolean,
): Way | Outcome | Promise<Way | Outcome> {
  try {
    const answer = services.route(entry, index);
    if (!(answer instanceof Promise)) return wayOf(services, entry, index, answer, mayPass);
    return answer.then((given) => wayOf(services, entry, index, given, mayPass))
      .catch((error) => noWay(services, index, error));
  } catch (error) {
    return noWay(services, index, error);
  }
}

function wayOf(
  { senderFor }: WayServices,
  entry: QueueEntry,
  index: number,
  answer: RouteAnswer,
  mayPass: (domain: string) => boolean,
): Way | Outcome {
  const recipient = entry.recipients[index]!;
  if ("reply" in answer) return { recipient: index, ...failureOf(answer.reply) };
  const open = answer.kind !== "hold"
    ? answer
    : mayPass(recipient.address.domain)
    ? answer.then
    : null;
  if (open === null) return { recipient: index, status: "held", reply: KEPT };
  return { recipient: index, route: open, sender: senderFor(entry, recipient) };
}

function noWay({ emit }: WayServices, index: number, error: unknown): Outcome {
  emit({ type: "internal.error", where: "routing", error: describeError(error) });
  return deferred(index, "no way could be found because of a local fault");
}

/**
 * Who has the mail now, for the log: `smtp:mx.example.org [192.0.2.7]:25`,
 * `local:example.org/alice`.
 */
export function nameTaker(
  route: OpenRoute,
  { host }: Outcome,
  { mailbox }: QueuedRecipient,
): string {
  switch (route.kind) {
    case "mx":
    case "smarthost":
      return host === undefined ? destinationOf(route) : `smtp:${host}`;
    case "lmtp":
      return host === undefined ? destinationOf(route) : `lmtp:${host}`;
    case "pipe":
      return destinationOf(route);
    case "local":
      // The transport names the place where it knows it, such as `maildir:example.org/alice`.
      return host ?? (mailbox === undefined ? "local" : `local:${mailbox.domain}/${mailbox.user}`);
  }
}
