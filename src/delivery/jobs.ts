/**
 * From ways to jobs: recipients of one message that go to the same destination, from the same
 * sender, by the same settings, are one job. Pure.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import type { Outcome } from "../queue/outcome.ts";
import { destinationOf, type HoldRoute, type Route } from "../routing/route.ts";
import { reply } from "../smtp/reply.ts";
import type { Feedback } from "./destination.ts";

/** A way that can be gone. */
export type OpenRoute = Exclude<Route, HoldRoute>;

/** The way of one recipient. */
export interface Way {
  /** Its index in the entry. */
  readonly recipient: number;
  readonly route: OpenRoute;
  /** The reverse-path for it. */
  readonly sender: Address | null;
}

/** What is to be delivered together. */
export interface JobPlan {
  readonly destination: string;
  readonly route: OpenRoute;
  readonly sender: Address | null;
  /** Indexes in the entry, at least one. */
  readonly recipients: number[];
}

/** Groups ways into jobs of at most `most` recipients each, in the order of the recipients. */
export function planJobs(ways: readonly Way[], most: number): readonly JobPlan[] {
  const only = ways.length === 1 ? ways[0] : undefined;
  if (only !== undefined) return [newPlan(only, destinationOf(only.route))];
  const plans: JobPlan[] = [];
  /** Of each destination and sender the plans that are not full. */
  const open = new Map<string, JobPlan[]>();
  for (const way of ways) {
    const destination = destinationOf(way.route);
    const key = `${destination}\n${way.sender === null ? "" : formatAddress(way.sender)}`;
    const candidates = open.get(key) ?? [];
    const fitting = candidates.find(({ route }) => isSameRoute(route, way.route));
    if (fitting !== undefined) {
      fitting.recipients.push(way.recipient);
      if (fitting.recipients.length >= most) candidates.splice(candidates.indexOf(fitting), 1);
      continue;
    }
    const plan = newPlan(way, destination);
    plans.push(plan);
    if (most > 1) candidates.push(plan);
    open.set(key, candidates);
  }
  return plans;
}

function newPlan({ recipient, route, sender }: Way, destination: string): JobPlan {
  return { destination, route, sender, recipients: [recipient] };
}

/** Two routes to one place may differ in credentials or in TLS. */
function isSameRoute(a: OpenRoute, b: OpenRoute): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Jobs at once that a route allows. */
export function limitOf(route: OpenRoute, local: number): number {
  switch (route.kind) {
    case "local":
      return local;
    case "pipe":
      return route.processes;
    case "mx":
    case "smarthost":
    case "lmtp":
      return route.connections;
  }
}

/** The outcomes of a job, one for each recipient: where a transport gave none the recipient waits. */
export function completeOutcomes(
  recipients: readonly number[],
  outcomes: readonly Outcome[],
): readonly Outcome[] {
  if (outcomes.length === 1 && recipients.length === 1 && isOf(outcomes[0]!, recipients[0]!)) {
    return outcomes;
  }
  const given = new Map(outcomes.map((outcome) => [outcome.recipient, outcome]));
  return recipients.map((recipient) =>
    given.get(recipient) ?? deferred(recipient, "nothing is known of this attempt")
  );
}

function isOf(outcome: Outcome, recipient: number): boolean {
  return outcome.recipient === recipient;
}

/** A recipient that waits because of a fault of ours. */
export function deferred(recipient: number, words: string): Outcome {
  return { recipient, status: "deferred", reply: reply(451, "4.3.0", words) };
}

/** What outcomes say of the destination: out of reach only when nobody was answered. */
export function feedbackOf(outcomes: readonly Outcome[]): Feedback {
  const [first] = outcomes;
  if (first === undefined) return { kind: "unknown" };
  const { reply, host } = first;
  return outcomes.every(({ unreachable }) => unreachable)
    ? { kind: "unreachable", reply, ...(host !== undefined && { host }) }
    : { kind: "reached" };
}
